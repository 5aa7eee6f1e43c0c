"""A command asks the Hub once where a model is, and stays with the commit that it was told."""

from __future__ import annotations

import re
import subprocess
import sys
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
}


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
    hub.create("org/edsr")
    hub.commit("org/edsr", {path.name: path.read_bytes() for path in folder.iterdir()})
    hub.requests = Pushed(hub)
    return hub


@pytest.mark.parametrize("name", COMMANDS)
def test_one_command_asks_once(there, tmp_path, name):
    (tmp_path / "photos").mkdir()
    for path in ("a.png", "photos/a.png"):
        drawn(24, 16).save(tmp_path / path)
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "srzoo", *COMMANDS[name]], cwd=tmp_path,
        env=there.env(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert there.requests.pushed
    asked = [r.path for r in there.requests if r.method == "HEAD" and "/resolve/main/" in r.path]
    assert len(asked) == 1, there.requests
    commits = {m[1] for r in there.requests if (m := COMMIT.search(r.path))}
    assert commits == {there.log("org/edsr")[1].sha}, "not the one that landed meanwhile"
