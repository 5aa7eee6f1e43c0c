"""The wheel, in an empty environment, far from the source tree; and a third party's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import venv
from pathlib import Path

import pytest
from helpers import ROOT
from PIL import Image

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_package_list_is_what_the_folders_hold():
    found = {"srzoo_cards"}
    for base, root in (("srzoo", ROOT / "srzoo"), ("", ROOT / "plugins")):
        for init in root.rglob("__init__.py"):
            parts = ([base] if base else []) + list(init.parent.relative_to(root).parts)
            found.add(".".join(parts))
    setuptools = PROJECT["tool"]["setuptools"]
    assert set(setuptools["packages"]) == found
    tops = {name for name in found if "." not in name}
    assert set(setuptools["package-dir"]) == tops
    for name, folder in setuptools["package-dir"].items():
        assert (ROOT / folder).is_dir(), name


def test_constraints_pin_every_requirement():
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().split()}
    project = PROJECT["project"]
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        assert line.split(">=")[0] in pinned, line


@pytest.mark.slow
def test_wheel_in_an_empty_environment(tmp_path):
    tree = tmp_path / "tree"
    ignore = shutil.ignore_patterns(".git", "runs", ".venv", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, tree, ignore=ignore)
    run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist", ".", cwd=tree)
    run(
        sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist",
        "docs/example-plugin", cwd=tree,
    )  # fmt: skip
    wheels = sorted((tree / "dist").glob("*.whl"))
    assert len(wheels) == 2
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    python = str(env / ("Scripts" if os.name == "nt" else "bin") / "python")
    core = next(str(wheel) for wheel in wheels if wheel.name.startswith("srzoo-"))
    run(python, "-m", "pip", "install", "-q", "-c", str(tree / "constraints.txt"), core)
    away = tmp_path / "away"
    away.mkdir()
    Image.new("RGB", (24, 20), "orange").save(away / "photo.png")
    run(python, "-m", "srzoo", "upscale", "photo.png", "--model", "edsr-x4", cwd=away)
    with Image.open(away / "photo-edsr-x4.png") as large:
        assert large.size == (96, 80)
    assert "0 problems" in run(python, "-m", "srzoo", "plugin", "check", cwd=away)

    other = next(str(wheel) for wheel in wheels if wheel.name.startswith("srzoo_silu-"))
    run(python, "-m", "pip", "install", "-q", "--no-deps", other)
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
