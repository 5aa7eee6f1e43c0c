"""A command asks the Hub once where a model is, and stays with the commit that it was told."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from helpers import drawn
from loopback import Hub, Request

import srzoo
from srzoo.networks import folders

COMMIT = re.compile(r"/resolve/([0-9a-f]{40})/")
COMMANDS = {
    "upscale": ["upscale", "a.png", "-m", "org/edsr", "-o", "b.png"],
    "preview": ["upscale", "a.png", "-m", "org/edsr", "--preview"],
    "dry": ["upscale", "a.png", "-m", "org/edsr", "-o", "b.png", "--dry-run", "-v"],
    "compare": ["compare", "a.png", "-m", "org/edsr", "-m", "bicubic-x2", "-o", "b.png", "--json"],
    "evaluate": ["evaluate", "org/edsr", "--data", "photos"],
    "show": ["model", "show", "org/edsr"],
    "card": ["card", "show", "org/edsr"],
    "pull": ["pull", "org/edsr", "-o", "here"],
    "recipe": ["recipe", "check", "org/edsr"],
    "recipe shown": ["recipe", "show", "org/edsr", "--set", "train.steps=2"],
    "train": ["train", "org/edsr"],
    "train dry": ["train", "mine.toml", "--dry-run"],
    "train from": ["train", "mine.toml"],
    "train from both": ["train", "org/edsr", "--set", "init=org/edsr"],
}
RECIPE = """
srzoo = 1
generator = {name = "edsr", n_resblocks = 1, n_feats = 8, scale = 2}
data = {train = {name = "folder", path = "photos"}, \
validation = {name = "folder", path = "held-out"}, lr_crop = 8, batch = 1, workers = 0}
losses = ["l1"]
train = {steps = 1}
"""
MINE = f"""
init = "org/edsr"
task = {{name = "distillation", teacher = "org/edsr"}}
stages = [{{name = "a"}}, {{name = "b", data = {{lr_crop = 9}}}}]
{RECIPE}
"""


class Pushed(list[Request]):
    """The requests that a Hub has seen; something new is pushed as soon as one command has begun.

    It comes after the answer to what ``main`` is, so whoever asks again gets another commit.
    """

    def __init__(self, hub: Hub) -> None:
        super().__init__()
        self.hub = hub
        self.pushed = False

    def append(self, request: Request) -> None:
        super().append(request)
        if not self.pushed and COMMIT.search(request.path):
            self.pushed = True
            self.hub.commit("org/edsr", {"README.md": b"# Something else\n"})


@pytest.fixture
def there(hub: Hub, tmp_path: Path) -> Hub:
    args = {"n_resblocks": 1, "n_feats": 8, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    folder = folders.save(net, tmp_path / "model", generator="edsr", args=args).path
    (folder / "README.md").write_text("---\nlibrary_name: srzoo\n---\n# A model\n")
    (folder / "recipe.toml").write_text(RECIPE)
    hub.create("org/edsr")
    hub.commit("org/edsr", {path.name: path.read_bytes() for path in folder.iterdir()})
    hub.requests = Pushed(hub)
    return hub


def run(hub: Hub, folder: Path, *args: str, **more: str) -> str:
    """Python, with the Hub and in a folder that has pictures; gives back what it printed.

    ``more``: variables of its environment.
    """
    for number, path in enumerate(("a.png", "photos/a.png", "held-out/b.png")):
        (folder / path).parent.mkdir(exist_ok=True)
        drawn(24 + 2 * number, 16 + 2 * number).save(folder / path)
    (folder / "mine.toml").write_text(MINE)
    env = {**hub.env(), "SRZOO_CACHE": str(folder / "cache"), **more}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *args], cwd=folder, env=env, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def expect_once(hub: Hub) -> None:
    assert hub.requests.pushed
    asked = [r.path for r in hub.requests if r.method == "HEAD" and "/resolve/main/" in r.path]
    assert len(asked) == 1, hub.requests
    commits = {m[1] for r in hub.requests if (m := COMMIT.search(r.path))}
    assert commits == {hub.log("org/edsr")[1].sha}, "not the one that landed meanwhile"


@pytest.mark.parametrize("name", COMMANDS)
def test_one_command_asks_once(there, tmp_path, name):
    run(there, tmp_path, "-m", "srzoo", *COMMANDS[name])
    expect_once(there)
    if name in ("train", "train from both"):  # after the model, and not after the commit it lies in
        assert [path.name for path in (tmp_path / "runs").iterdir()] == ["model"]


def test_training_from_python_asks_once(there, tmp_path):
    run(there, tmp_path, "-c", "import srzoo; srzoo.train('org/edsr')")
    expect_once(there)
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["model"]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo")
def test_processes_that_train_together_take_one_commit(there, tmp_path):
    """The first one asks; something is pushed before the other needs the model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    group = {
        "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port,
        "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    command = ["-m", "srzoo", "train", "mine.toml", "--set", "data.batch=2"]
    with ThreadPoolExecutor(2) as pool:
        both = [
            pool.submit(
                run, there, tmp_path, *command, **group, RANK=rank, LOCAL_RANK=rank,
                HF_HOME=str(tmp_path / f"home{rank}"),
            )
            for rank in "01"
        ]  # fmt: skip
        said = [each.result() for each in both]
    assert "tensors copied from org/edsr" in said[0]
    expect_once(there)
