"""Inside other programs, with the default engine: threads, asyncio, processes, their libraries."""

from __future__ import annotations

import asyncio
import inspect
import io
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

import srzoo
from srzoo.exporting import engine_facts


def right(got, want):
    """Of another session: MNN's values may be a level off there."""
    gap = np.abs(np.asarray(got).astype(int) - want)
    assert gap.max() <= 1
    assert np.mean(gap > 0) < 0.01


ENGINES = [
    name
    for name in ("ncnn", "onnxruntime", "openvino", "torch")
    if engine_facts.missing(name) is None
]
SIZES = [(12, 17), (20, 9), (8, 8), (15, 15)]
BEFORE = (
    """
import multiprocessing, os, sys
import numpy as np
import srzoo

def pictures():
    chance = np.random.default_rng(0)
    return [chance.integers(0, 256, (h, w, 3), dtype=np.uint8) for h, w in SIZES]

""".replace("SIZES", repr(SIZES))
    + inspect.getsource(right)
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _default(cache, monkeypatch):
    """The engine that people get, which the other tests do not take."""
    monkeypatch.delenv("SRZOO_ENGINE")
    monkeypatch.setenv("SRZOO_CACHE", str(cache))


@pytest.fixture
def model():
    found = srzoo.load("edsr-x4", engine="auto")
    assert found.engine != "torch"
    return found


@pytest.fixture
def pictures():
    chance = np.random.default_rng(0)
    return [chance.integers(0, 256, (*size, 3), dtype=np.uint8) for size in SIZES]


def in_a_program(code, *arguments, **env):
    """Run a program of its own; one that hangs is ended."""
    done = subprocess.run(
        [sys.executable, "-c", BEFORE + textwrap.dedent(code), *arguments],
        env=os.environ | env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_threads_share_one(model, pictures):
    want = [model(picture) for picture in pictures]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(model, pictures * 4))
    assert all(np.array_equal(a, b) for a, b in zip(got, want * 4, strict=True))


def test_threads_with_one_each(model, pictures):
    want = [model(picture) for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda one: srzoo.load("edsr-x4", engine="auto")(one), pictures))
    for a, b in zip(got, want, strict=True):
        right(a, b)


def test_asyncio(model, pictures):
    want = [model(picture) for picture in pictures]

    async def main():
        return await asyncio.gather(*(asyncio.to_thread(model, one) for one in pictures))

    got = asyncio.run(main())
    assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_after_the_engine_was_used():
    """The child has the parent's, and one of its own; it is right, and it ends."""
    in_a_program(
        """
        import signal
        for engine in sys.argv[1:]:
            model = srzoo.load("edsr-x4", engine=engine)
            one = pictures()[0]
            want = model(one)
            child = os.fork()
            if not child:
                signal.alarm(60)  # it hangs: its parent would wait for ever
                right(model(one), want)
                right(srzoo.load("edsr-x4", engine=engine)(one), want)
                if engine == "torch":
                    os._exit(0)  # its profiler waits for a thread; multiprocessing ends so, too
                sys.exit(0)
            assert os.waitpid(child, 0)[1] == 0, engine
            assert np.array_equal(model(one), want)  # the parent goes on
        """,
        "auto",
        *ENGINES,
    )


@pytest.mark.parametrize("way", ["fork", "spawn"])
def test_pools_of_processes(way, tmp_path):
    if way == "fork" and not hasattr(os, "fork"):
        pytest.skip("no fork here")
    # Whoever is spawned imports the program: it has to be a file.
    program = tmp_path / "program.py"
    program.write_text(
        BEFORE
        + textwrap.dedent(
            """
            if __name__ == "__main__":
                model = srzoo.load("edsr-x4", engine="auto")
                want = [model(one) for one in pictures()]
                with multiprocessing.get_context(sys.argv[1]).Pool(2) as pool:
                    for got, one in zip(pool.map(model, pictures()), want, strict=True):
                        right(got, one)
            """
        )
    )
    subprocess.run([sys.executable, "-W", "ignore", program, way], check=True, timeout=120)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_datasets_and_data_loaders(tmp_path):
    """``datasets.map`` with processes, and torchvision's transforms in a DataLoader's."""
    pytest.importorskip("datasets")
    pytest.importorskip("torchvision")
    in_a_program(
        """
        import datasets, torch
        from torch.utils.data import DataLoader
        from torchvision.transforms import v2

        if __name__ == "__main__":
            model = srzoo.load("edsr-x4", engine="auto")
            want = [model(one) for one in pictures()]

            rows = datasets.Dataset.from_dict({"lr": [one.tolist() for one in pictures()]})
            made = rows.map(
                lambda row: {"sr": model(np.asarray(row["lr"], np.uint8)).tolist()}, num_proc=2
            )
            for row, one in zip(made, want, strict=True):
                right(row["sr"], one)

            transform = v2.Compose([v2.ToImage(), model, v2.RandomHorizontalFlip(0)])

            class Pictures(torch.utils.data.Dataset):
                def __len__(self):
                    return len(want)

                def __getitem__(self, at):
                    return transform(pictures()[at])

            for x, one in zip(DataLoader(Pictures(), num_workers=2), want, strict=True):
                right(x[0].permute(1, 2, 0).numpy(), one)
        """,
        HF_DATASETS_CACHE=str(tmp_path), HF_DATASETS_DISABLE_PROGRESS_BARS="1",
    )  # fmt: skip


async def asked(app, body):
    """What an ASGI application answers to a picture that is posted: status and body."""
    sent = []
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": "/", "raw_path": b"/", "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"image/png")], "client": None, "server": None,
    }  # fmt: skip

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent)


def test_a_fastapi_handler(model, pictures):
    fastapi = pytest.importorskip("fastapi")
    app = fastapi.FastAPI()

    def enlarged(body: bytes = fastapi.Body(media_type="image/png")):
        out = io.BytesIO()
        model(Image.open(io.BytesIO(body))).save(out, "PNG")
        return fastapi.Response(out.getvalue(), media_type="image/png")

    enlarged.__annotations__["body"] = bytes
    app.post("/")(enlarged)

    def png(picture):
        out = io.BytesIO()
        Image.fromarray(picture).save(out, "PNG")
        return out.getvalue()

    async def main():
        return await asyncio.gather(*(asked(app, png(picture)) for picture in pictures * 2))

    want = [model(picture) for picture in pictures * 2]
    for (status, body), one in zip(asyncio.run(main()), want, strict=True):
        assert status == 200, body
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(body))), one)
