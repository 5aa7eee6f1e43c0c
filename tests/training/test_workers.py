"""Worker processes make the crops that a thread makes, and leave with the process they serve."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from helpers import ROOT
from safetensors.torch import load_file

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import supply as supplying
from srzoo.training.supply import ready_batches, workers_for

pytestmark = pytest.mark.usefixtures("quick")
LIMIT = 60
"""Seconds after which a process that should have ended has not."""
KINDS = {
    "kept": [],
    "detail": ["data.draw=detail"],
    "mixed": ["data.degradation=mixed"],
    "area": ["data.degradation=realistic", "data.draw=area"],
}


def crops_of(loaded_recipe):
    return training.assemble(loaded_recipe).crops


def taken(crops, workers: int, start: int = 0, stop: int = 9, **parts: int) -> list[bytes]:
    with ready_batches(crops, start, stop, workers=workers, **parts) as batches:
        return [
            pickle.dumps((b.lr.tobytes(), b.hr.tobytes(), b.lr.shape, b.scale)) for b in batches
        ]


@pytest.mark.parametrize("kind", KINDS)
def test_batches_are_the_same_bytes_in_the_same_order(tiny, kind):
    crops = crops_of(recipe.load(tiny(), KINDS[kind]))
    crops.skip([(2, 1), (4, 0)])
    wanted = taken(crops, 0)
    assert len(set(wanted)) == 9
    assert taken(crops, 2) == wanted
    assert taken(crops, 2, start=5) == wanted[5:], "from anywhere"
    halves = [taken(crops, 2, part=part, parts=2) for part in range(2)]
    assert halves == [taken(crops, 0, part=part, parts=2) for part in range(2)]


@pytest.mark.parametrize("kind", ["detail", "mixed"])
def test_a_run_ends_in_the_same_weights_bit_for_bit(tiny, tmp_path, kind):
    for workers in (0, 2):
        loaded_recipe = recipe.load(
            tiny(), [*KINDS[kind], f"data.workers={workers}", "train.accumulate=2"]
        )
        training.train(loaded_recipe, tmp_path / str(workers))
    ends = [load_file(tmp_path / n / "checkpoints/000000012/state.safetensors") for n in "02"]
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(tensor, ends[1][name]) for name, tensor in ends[0].items())


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    return [p for p in process.children() if "loky.backend.popen" in " ".join(p.cmdline())]


def registered(degradation: type):
    """A degradation that no worker can import: it is sent along with the crops."""

    @contextlib.contextmanager
    def until():
        srzoo.degradations.register("made_here", degradation)
        try:
            yield
        finally:
            srzoo.degradations.unregister("made_here")

    return until()


def test_a_degradation_of_the_callers_own_works(tiny):
    class Nearest:
        deterministic = False

        def __call__(self, hr, scale, rng):
            """Every scale-th pixel, and some noise."""
            low = hr[::scale, ::scale].astype(int) + rng.integers(0, 9)
            return low.clip(0, 255).astype(np.uint8)

    with registered(Nearest):
        crops = crops_of(recipe.load(tiny(), ["data.degradation=made_here"]))
        assert taken(crops, 2) == taken(crops, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_an_error_in_a_crop_is_raised_in_its_place(tiny, workers):
    class Breaks:
        deterministic = False

        def __call__(self, hr, scale, rng):
            """Every scale-th pixel; in one of some draws it fails."""
            if rng.integers(30) == 0:
                raise SrzooError("it rained", "Wait")
            return np.ascontiguousarray(hr[::scale, ::scale])

    with registered(Breaks):
        crops = crops_of(recipe.load(tiny(), ["data.degradation=made_here"]))
        done = 0

        def count() -> None:
            nonlocal done
            with ready_batches(crops, 0, 99, workers=workers) as batches:
                for _ in batches:
                    done += 1

        with pytest.raises(SrzooError) as found:
            count()
    first = next(n for n in range(99) if not _well(crops, n))
    assert done == first
    with pytest.raises(SrzooError) as alone:
        crops.batch(first)
    assert str(found.value) == str(alone.value)
    assert found.type is alone.type


def _well(crops, number: int) -> bool:
    try:
        crops.batch(number)
    except SrzooError:
        return False
    return True


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_worker_that_is_killed_is_said_and_not_waited_for(tiny):
    crops = crops_of(recipe.load(tiny()))

    def lose_one() -> None:
        with ready_batches(crops, 0, 10**6, workers=2) as batches:
            next(batches)
            before = time.monotonic()
            workers_of(psutil.Process())[0].kill()
            for _ in batches:
                assert time.monotonic() - before < LIMIT

    with pytest.raises(SrzooError, match=r"a worker process .* has ended.*data\.workers"):
        lose_one()


def test_a_worker_imports_no_torch(tiny):
    for kind in ("kept", "mixed"):
        pool, make, _ = supplying._pool(crops_of(recipe.load(tiny(), KINDS[kind])), 0, 1, 1)
        with contextlib.closing(supplying.prefetch(make, 0, 3, pool)) as batches:
            next(batches)
            loaded = pool.submit(eval, "sorted(__import__('sys').modules)").result()
        assert "numpy" in loaded
        assert "torch" not in loaded, kind


def test_eight_workers_wait_at_the_same_time(tiny):
    """Of a degradation that only waits, eight make at least six times as many as one."""

    class Waits:
        deterministic = False

        def __call__(self, hr, scale, rng):
            """Every scale-th pixel, after a while."""
            time.sleep(0.06)
            return np.ascontiguousarray(hr[::scale, ::scale])

    def rate(workers: int, count: int) -> float:
        with ready_batches(crops, 0, 10**6, workers=workers) as batches:
            for _ in range(3 * workers):  # all of them have come up
                next(batches)
            start = time.monotonic()
            for _ in range(count):
                next(batches)
            return count / (time.monotonic() - start)

    with registered(Waits):
        crops = crops_of(recipe.load(tiny(), ["data.degradation=made_here", "data.batch=4"]))
        rounds = []
        for _ in range(3):  # others may use the machine meanwhile
            rounds.append(rate(8, 64) / rate(1, 8))
            if rounds[-1] >= 6:
                return
    raise AssertionError(rounds)


@pytest.mark.parametrize(("asked", "processes", "found"), [(0, 1, 0), (5, 1, 5), (3, 4, 3)])
def test_as_many_workers_as_asked_for(asked, processes, found):
    assert workers_for(asked, processes) == found


@pytest.mark.parametrize(("cores", "found"), [(1, 0), (2, 0), (4, 1), (8, 3), (64, 8)])
def test_by_default_some_of_the_cores(monkeypatch, cores, found):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    assert workers_for(None) == found


SCRIPT = """
import sys
from pathlib import Path
sys.path[:0] = [{tests!r}]
import numpy as np
from helpers import Drawn
import srzoo
from srzoo import training; from srzoo.recipes import recipe

class Own:
    deterministic = False
    def __call__(self, hr, scale, rng):
        return np.ascontiguousarray(hr[::scale, ::scale])

srzoo.datasets.register("drawn", Drawn)
srzoo.degradations.register("own", Own)
changes = ["data.degradation=own", "data.workers=2", "train.steps=100000", "train.seed=5",
           "train.evaluate_every=100000", "train.checkpoint_every=100000"]
training.train(recipe.load({path!r}, changes), Path({out!r}),
               watch=training.Callbacks(on_word=lambda word: print(word, flush=True),
                                    on_step=lambda *_: print("STEP", flush=True)))
"""


@contextlib.contextmanager
def trainer(path: Path, out: Path):
    """A script without ``if __name__ == "__main__"`` that trains in a process group of its own."""
    text = textwrap.dedent(SCRIPT).format(tests=str(ROOT / "tests"), path=str(path), out=str(out))
    script = out.parent / "script.py"
    script.write_text(text)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def heard(process, word: str) -> None:
    lines = []
    for line in process.stdout:
        lines.append(line)
        if word in line:
            return
    raise AssertionError("".join(lines))


def gone(children: list[psutil.Process], seconds: float) -> bool:
    return not psutil.wait_procs(children, timeout=seconds)[1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_a_signal_to_all_saves_and_leaves_nobody(tiny, tmp_path, how):
    with trainer(tiny(), tmp_path / "run") as process:
        heard(process, "STEP")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        os.killpg(process.pid, getattr(signal, how))
        said, _ = process.communicate(timeout=LIMIT)
        assert process.returncode == 0, said
        assert "with a checkpoint" in said, said
        assert "Traceback" not in said
        assert gone(children, 10)
    steps = [int(path.name) for path in (tmp_path / "run/checkpoints").iterdir()]
    assert max(steps) >= 50


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_signal_while_workers_start_ends_none_of_them(tiny):
    """A Ctrl-C goes to all of the group, and one that imports numpy cannot ignore it yet."""
    crops = crops_of(recipe.load(tiny()))
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    try:
        with ready_batches(crops, 0, 30, workers=2) as batches:
            first = next(batches)
            for worker in workers_of(psutil.Process()):
                status = Path(f"/proc/{worker.pid}/status")
                if status.exists():
                    blocked = next(x for x in status.read_text().splitlines() if "SigBlk" in x)
                    mask = int(blocked.split()[1], 16)
                    assert mask >> (signal.SIGINT - 1) & 1
                    assert mask >> (signal.SIGTERM - 1) & 1
                worker.send_signal(signal.SIGTERM)
            assert len(list(batches)) == 29
        assert first.scale == 2
        assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])
    finally:
        signal.signal(signal.SIGUSR1, before)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_killed_trainer_leaves_no_workers(tiny, tmp_path):
    with trainer(tiny(), tmp_path / "run") as process:
        heard(process, "STEP")
        children = psutil.Process(process.pid).children(recursive=True)
        assert len(children) >= 2
        process.kill()
        assert gone(children, 10)


@pytest.mark.slow
def test_the_small_released_recipe_is_the_same_with_workers(tmp_path, data, monkeypatch):
    """Thirty steps of ``edsr-report-x4`` on photos, bit for bit."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    changes = ["train.steps=30", "schedule.at=[20]", "train.evaluate_every=30",
               "train.checkpoint_every=10"]  # fmt: skip
    for workers in (0, 2):
        loaded_recipe = recipe.load("edsr-report-x4", [*changes, f"data.workers={workers}"])
        training.train(loaded_recipe, tmp_path / str(workers), data=data)
    ends = [load_file(tmp_path / n / "checkpoints/000000030/state.safetensors") for n in "02"]
    assert ends[0].keys() == ends[1].keys()
    assert all(np.array_equal(tensor, ends[1][name]) for name, tensor in ends[0].items())
