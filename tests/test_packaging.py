"""The wheel, in an empty environment, far from the source tree; and a third party's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest
from helpers import ROOT
from PIL import Image

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_holds_each_folder_once(wheels):
    """All of srzoo/, plugins/ and cards/, and nothing else."""
    names = {"srzoo": "srzoo", "plugins": "srzoo_plugins", "cards": "srzoo_cards"}
    wanted = {
        "/".join((names[folder], *path.relative_to(ROOT / folder).parts))
        for folder in names
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with ZipFile(wheels["srzoo"]) as wheel:
        found = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert found == wanted


def test_constraints_pin_every_requirement():
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().split()}
    project = PROJECT["project"]
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        assert line.split(">=")[0] in pinned, line


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the tree, to build in."""
    there = tmp_path_factory.mktemp("packaging") / "tree"
    ignore = shutil.ignore_patterns(".git", "runs", ".venv", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, there, ignore=ignore)
    return there


@pytest.fixture(scope="module")
def wheels(tree) -> dict[str, Path]:
    """The wheels of srzoo and of the example plugin, by their distributions."""
    for folder in (".", "docs/example-plugin"):
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist", folder, cwd=tree)
    return {path.name.partition("-")[0]: path for path in (tree / "dist").glob("*.whl")}


@pytest.mark.slow
def test_wheel_in_an_empty_environment(tmp_path, tree, wheels):
    assert wheels.keys() == {"srzoo", "srzoo_silu"}
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    python = str(env / ("Scripts" if os.name == "nt" else "bin") / "python")
    constraints = str(tree / "constraints.txt")
    run(python, "-m", "pip", "install", "-q", "-c", constraints, str(wheels["srzoo"]))
    away = tmp_path / "away"
    away.mkdir()
    Image.new("RGB", (24, 20), "orange").save(away / "photo.png")
    run(python, "-m", "srzoo", "upscale", "photo.png", "--model", "edsr-x4", cwd=away)
    with Image.open(away / "photo-edsr-x4.png") as large:
        assert large.size == (96, 80)
    assert "0 problems" in run(python, "-m", "srzoo", "plugin", "check", cwd=away)

    run(python, "-m", "pip", "install", "-q", "--no-deps", str(wheels["srzoo_silu"]))
    assert "srzoo-silu" in run(python, "-m", "srzoo", "plugin", "show", "block", "silu", cwd=away)
    assert "silu" not in run(
        python, "-m", "srzoo", "--no-plugins", "plugin", "list", "block", cwd=away
    )
    test = tree / "docs/example-plugin/tests/test_silu.py"
    for name in ("test_the_block", "test_edsr_of_silu_blocks"):
        run(python, "-c", f"import runpy; runpy.run_path({str(test)!r})[{name!r}]()", cwd=away)
    save = (
        "import srzoo; from srzoo.networks import folders; from pathlib import Path;"
        "args = {'n_resblocks': 1, 'n_feats': 4, 'scale': 2, 'block': 'silu'};"
        "net = srzoo.generators.create('edsr', **args);"
        "folders.save(net, Path('mine'), generator='edsr', args=args)"
    )
    run(python, "-c", save, cwd=away)
    run(python, "-m", "srzoo", "upscale", "photo.png", "-m", "mine", cwd=away)
    run(python, "-m", "pip", "uninstall", "-q", "-y", "srzoo-silu")
    (away / "photo-mine.png").unlink()
    error = run(python, "-m", "srzoo", "upscale", "photo.png", "-m", "mine", cwd=away, code=2)
    assert "pip install srzoo-silu" in error


def run(*command: str, cwd: Path | None = None, code: int = 0) -> str:
    """Run a command without this environment's variables; its output, both streams."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    return output
