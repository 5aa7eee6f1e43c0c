"""docs/tutorials/a-network.md and docs/example-plugin, from the code to the Hub."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT
from loopback import Hub
from PIL import Image
from test_pull import TOKEN

pytestmark = pytest.mark.slow
SMALLER = {
    "n_feats = 48": "n_feats = 4",
    "lr_crop = 64": "lr_crop = 12",
    "batch = 64": "batch = 2",
    "at = [200_000, 400_000]": "at = [1]",
    "steps = 500_000": "steps = 2",
}
"""What the test makes smaller of the page."""
SESSION = """
import json, sys
import pytest
from srzoo.cli import main
for program, *words in json.loads(sys.argv[1]):
    print("$", program, *words, flush=True)
    try:
        if program == "pytest":
            sys.exit(pytest.main(["-p", "no:cacheprovider", *words]))
        assert program == "srzoo", program
        main(words)
    except SystemExit as end:
        assert not end.code, (program, words, end.code)
"""


class Place:
    """A folder with pictures, where packages are installed beside and the Hub is the loopback's."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder, self.site = folder, folder / "site"
        for name in ("pictures/a", "pictures/held", "Set5/HR/one", "photo"):
            side = 240 if name == "photo" else 96
            path = folder / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.effect_noise((side, side), 60).convert("RGB").save(path)
        paths = [str(self.site), os.environ.get("PYTHONPATH", "")]
        self.env = hub.env(token=TOKEN) | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SRZOO_CACHE": str(folder / "cache"),
        }

    def install(self, project: Path) -> None:
        """As ``pip install`` does, into a folder of our own."""
        self.python(
            "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation",
            "--disable-pip-version-check", "--target", str(self.site), str(project),
        )  # fmt: skip

    def session(self, commands: list[list[str]]) -> str:
        """Commands one after the other, in one process: torch is imported once."""
        return self.python("-c", SESSION, json.dumps(commands))

    def python(self, *words: str) -> str:
        """What Python prints."""
        return self.run(sys.executable, *words)

    def run(self, *words: str) -> str:
        """What a program prints."""
        done = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def place(tmp_path, hub) -> Place:
    return Place(tmp_path / "work", hub)


def blocks() -> list[tuple[str, str, str]]:
    """Each box of the page: its language, its file, its text."""
    text = (ROOT / "docs/tutorials/a-network.md").read_text(encoding="utf-8")
    return re.findall(r"^```(\w+) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def test_the_walk_of_a_network(place, hub):
    project, smaller, commands = place.folder, dict(SMALLER), []
    for language, file, text in blocks():
        if language != "sh":
            for large in [large for large in smaller if large in text and file == "span-x2.toml"]:
                text = text.replace(large, smaller.pop(large))
            with (project / file).open("a", encoding="utf-8") as growing:
                growing.write(text)
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line)
            if program == "pip":
                assert words == ["install", "-e", "."]
                place.install(project)
            else:
                commands.append([program, *words])
    place.session(commands)
    assert not smaller, "the page no longer says this"
    with Image.open(place.folder / "large.png") as made:
        assert made.size == (480, 480)
    assert b"srzoo-span==0.1.0" in hub.files("tester/span-x2")["config.json"]


def test_the_example_goes_its_whole_way(place, hub):
    """The commands of its own CI, each as it stands there; then its model goes to the Hub."""
    project = shutil.copytree(ROOT / "docs/example-plugin", place.folder / "example")
    with (project / "pyproject.toml").open("a") as settings:
        settings.write(f"extraPaths = {json.dumps([str(ROOT)])}\n")  # where srzoo's types lie
    held, place.folder, commands = place.folder, project, []
    steps = re.findall(r"- run: (.+)", (project / ".github/workflows/test.yml").read_text())
    for line in steps:
        program, *words = shlex.split(line)
        if program == "pip":
            assert words == ["install", ".", "pyright", "pytest"]
            place.install(project)
        elif program == "pyright":
            place.run(shutil.which("pyright", path=place.env["PATH"]))
        else:
            commands.append([program, *words, *(["tests"] if program == "pytest" else [])])
    # Its card's claims are of photos that not everybody has: here they are of drawn ones.
    mine = shutil.copytree(project / "srzoo_silu/models/spab-x2", project / "mine")
    repo = "tester/spab-x2"
    for name in ("Set5", "Set14"):
        data = held / "sets" / name
        for kind, side in (("LR", 48), ("HR", 96)):
            (data / "x2" / kind).mkdir(parents=True)
            made = Image.effect_noise((side, side), 60).convert("RGB")
            made.save(data / "x2" / kind / "one.png")
        commands.append(["srzoo", "evaluate", "mine", "--data", str(data), "--write-card"])
    commands.append(["srzoo", "push", "mine", repo, "--data", str(held / "sets")])
    place.session(commands)
    card = (mine / "README.md").read_text()
    assert "Set14" in card
    assert "35.2488" not in card  # which only the photos have
    with Image.open(project / "large.png") as made:
        assert made.size == (192, 192)
    assert (project / "runs/two/config.json").is_file()
    there = hub.files(repo)
    assert there["model.safetensors"] == (mine / "model.safetensors").read_bytes()
    assert b"srzoo-silu==0.1.0" in there["config.json"]
    assert len(there["model.safetensors"]) < 500_000
