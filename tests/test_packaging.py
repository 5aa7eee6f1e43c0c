"""The wheel, in an empty environment, far from the source tree; and a third party's package."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
from email.parser import BytesParser
from pathlib import Path
from zipfile import ZipFile

import pytest
from helpers import ROOT
from packaging.requirements import Requirement
from PIL import Image

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_holds_each_folder_once(wheels):
    """All of srzoo/, plugins/ and cards/, and no others."""
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
    wanted, extras = [*project["dependencies"], "srzoo[dev]"], project["optional-dependencies"]
    for line in wanted:  # which grows
        if line.startswith("srzoo["):
            wanted += [each for extra in line[6:-1].split(",") for each in extras[extra]]
        else:
            assert line.split(">=")[0] in pinned, line


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> Path:
    """A copy of the tree, to build in."""
    there = tmp_path_factory.mktemp("packaging") / "tree"
    ignore = shutil.ignore_patterns(".git", "runs", ".venv", "build", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, there, ignore=ignore)
    return there


@pytest.fixture(scope="module")
def sdist(tree, tmp_path_factory) -> Path:
    """The source distribution."""
    tools = str(tmp_path_factory.mktemp("tools"))
    run(sys.executable, "-m", "pip", "install", "-q", "--target", tools, "setuptools>=77")
    code = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    run(sys.executable, "-c", f"import sys; sys.path.insert(0, {tools!r}); {code}", cwd=tree)
    (found,) = (tree / "dist").glob("*.tar.gz")
    return found


@pytest.fixture(scope="module")
def wheels(tree, sdist) -> dict[str, Path]:
    """The wheels of srzoo, from its source distribution, and of the example plugin, by name."""
    for source in (str(sdist), "docs/example-plugin"):
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", "dist", source, cwd=tree)
    return {path.name.partition("-")[0]: path for path in (tree / "dist").glob("*.whl")}


def test_the_source_distribution_holds_docs_and_tests_and_nothing_else(sdist):
    with tarfile.open(sdist) as archive:
        files = {one.name.partition("/")[2] for one in archive.getmembers() if one.isfile()}
    made = {
        "PKG-INFO",
        "setup.cfg",
        *(name for name in files if name.startswith("srzoo.egg-info/")),
    }
    found = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.split()
    if not found:
        pytest.skip("no git: what is meant to be there is not known")
    assert files - made == {name for name in found if name not in (".gitignore", ".gitattributes")}


def test_what_the_packages_page_says(wheels):
    with ZipFile(wheels["srzoo"]) as wheel:
        (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        told = BytesParser().parsebytes(wheel.read(name))
    urls = dict(line.split(", ") for line in told.get_all("Project-URL"))
    assert urls.keys() >= {"Homepage", "Documentation", "Source", "Changelog"}
    text = told.get_payload()
    assert told["Description-Content-Type"] == "text/markdown"
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 20
    assert all(link.startswith(("https://", "#")) for link in links)
    base = [line for line in told.get_all("Requires-Dist") if "extra ==" not in line]
    heavy = {"torch", "torchvision", "timm", "onnx", "onnxscript", "accelerate", "matplotlib"}
    assert not heavy & {re.match(r"[\w-]+", line)[0] for line in base}
    assert wheels["srzoo"].stat().st_size < 45_000_000


@pytest.mark.parametrize(
    ("system", "machine", "engine"),
    [
        ("linux", "x86_64", "mnn"), ("darwin", "arm64", "mnn"), ("darwin", "x86_64", "mnn"),
        ("win32", "AMD64", "mnn"), ("linux", "aarch64", "onnxruntime"),
        ("win32", "ARM64", "onnxruntime"), ("freebsd", "amd64", "onnxruntime"),
    ],
)  # fmt: skip
def test_the_base_has_one_engine_everywhere(system, machine, engine):
    found = map(Requirement, PROJECT["project"]["dependencies"])
    where = {"sys_platform": system, "platform_machine": machine}
    assert [one.name for one in found if one.marker and one.marker.evaluate(where)] == [engine]


@pytest.mark.slow
def test_wheel_in_an_empty_environment(tmp_path, tree, wheels):
    assert wheels.keys() == {"srzoo", "srzoo_silu"}
    env = tmp_path / "env"
    venv.create(env, with_pip=True)
    python = str(env / ("Scripts" if os.name == "nt" else "bin") / "python")
    install = (python, "-m", "pip", "install", "-q", "-c", str(tree / "constraints.txt"))
    run(*install, str(wheels["srzoo"]))
    away = tmp_path / "away"
    away.mkdir()
    Image.new("RGB", (24, 20), "orange").save(away / "photo.png")
    run(python, "-m", "srzoo", "upscale", "photo.png", "--model", "edsr-x4", cwd=away)
    with Image.open(away / "photo-edsr-x4.png") as large:
        assert large.size == (96, 80)
    assert "No module named 'torch'" in run(python, "-c", "import torch", cwd=away, code=1)

    run(*install, f"{wheels['srzoo']}[torch]")
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
    own = ("PYTHON", "VIRTUAL", "SRZOO")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    done = subprocess.run(
        command, cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    output = done.stdout + done.stderr
    assert done.returncode == code, output
    return output
