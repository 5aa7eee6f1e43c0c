"""What an install without torch can do, in processes that find none; and what it says it cannot.

CI has a virtual environment without it besides, in which the tests of these rooms run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT, drawn, without_torch

from srzoo.exporting import exports

pytestmark = pytest.mark.skipif(bool(exports.missing("mnn")), reason="MNN is not installed")
INSTALL = 'pip install "srzoo[torch]"'
TRAIN = INSTALL.replace("torch", "train")


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Path:
    """Where the commands are given: a photo, a set of pictures, and a model without an export."""
    folder = tmp_path_factory.mktemp("light")
    drawn(40, 30).save(folder / "photo.png")
    for part, size in (("HR", (64, 48)), ("LR", (16, 12))):
        (folder / "benchmarks/Tiny/x4" / part).mkdir(parents=True)
        drawn(*size).save(folder / "benchmarks/Tiny/x4" / part / "a.png")
    (folder / "bare").mkdir()
    config = json.loads((ROOT / "cards/edsr-x4/config.json").read_text())
    del config["exports"]
    (folder / "bare/config.json").write_text(json.dumps(config))
    weights = (ROOT / "cards/edsr-x4/model.safetensors").read_bytes()
    (folder / "bare/model.safetensors").write_bytes(weights)
    return folder


def run(home: Path, *command: str, light: bool = True, **more: str):
    variables = {"SRZOO_CACHE": str(home / f"cache-{light}"), "SRZOO_DATA": str(home)}
    if light:
        variables |= without_torch(home / "site")
    return subprocess.run(
        [sys.executable, *command], cwd=home, env={**os.environ, **variables, **more},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def srzoo(home: Path, *arguments: str, **more):
    return run(home, "-W", "error", "-m", "srzoo", *arguments, **more)


def test_here_there_is_none(home):
    done = run(home, "-c", "import srzoo, torch")
    assert "No module named 'torch'" in done.stderr


@pytest.mark.parametrize(("model", "engine"), [("edsr-x4", "mnn"), ("bicubic-x4", "numpy")])
def test_it_gives_the_bytes_that_the_whole_install_gives(home, model, engine):
    one, two = (home / f"{model}-{name}.png" for name in ("light", "full"))
    common = ("upscale", "photo.png", "-m", model, "--no-provenance", "--json", "-o")
    done = srzoo(home, *common, str(one))
    assert (done.returncode, done.stderr) == (0, "")
    told = srzoo(home, *common, str(two), "--engine", engine, light=False)
    assert told.returncode == 0, told.stderr
    assert one.read_bytes() == two.read_bytes()


WORK = [
    ("evaluate", "edsr-x4", "bicubic-x4", "--data", "Tiny"),
    ("compare", "photo.png", "-m", "edsr-x4", "-m", "bicubic-x4", "-o", "sheet.png"),
    ("upscale", "photo.png", "-m", "edsr-x4", "--preview", "-o", "preview.png"),
    ("upscale", "benchmarks", "-r", "-m", "edsr-x4", "-o", "large", "--strength", "0.5"),
    ("bench", "edsr-x4", "--size", "32x32", "--rounds", "1", "--engines", "mnn"),
    ("model", "show", "edsr-x4"),
    ("plugin", "list"),
    ("devices",),
]


@pytest.mark.parametrize("arguments", WORK, ids=lambda arguments: " ".join(arguments[:2]))
def test_what_works(home, arguments):
    done = srzoo(home, *arguments)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


CANNOT = [
    ("train", "edsr-x4", "--data", "."),
    ("export", "edsr-x4", "--to", "onnx"),
    ("model", "pack", "edsr-x4", "packed"),
    ("model", "pack", "edsr-x4", "packed", "--with-exports"),
    ("model", "add-exports", "bare"),
    ("upscale", "photo.png", "-m", "bare"),
    ("upscale", "photo.png", "--engine", "torch"),
    ("upscale", "photo.png", "--precision", "fp16"),
    ("compare", "photo.png", "-m", "bare", "-o", "other.png"),
    ("evaluate", "bare", "--data", "Tiny"),
    ("evaluate", "edsr-x4", "--data", "Tiny", "--write-card"),
    ("evaluate", "edsr-x4", "--data", "Tiny", "--metric", "feature_distance"),
    ("plugin", "show", "generator", "edsr"),
    ("plugin", "check", "--all"),
    ("plugin", "check", "edsr", "--json"),
    ("export", "edsr-x4", "--to", "openvino"),
    ("train", "edsr-x4", "--dry-run"),
    ("recipe", "check", "edsr-x4"),
    ("push", "edsr-x4", "org/name", "--no-check", "--dry-run"),
]


@pytest.mark.parametrize("arguments", CANNOT, ids=" ".join)
def test_what_cannot_is_told_in_one_line(home, arguments):
    done = srzoo(home, *arguments)
    assert done.returncode == 2, done.stdout
    assert (TRAIN if arguments[0] == "train" else INSTALL) in done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "srzoo: this " not in done.stderr, "it does not say what needs it"


def test_in_python(home):
    code = (
        "import numpy as np, srzoo\n"
        "model = srzoo.load('edsr-x4', engine='auto')\n"
        "assert model(np.zeros((8, 9, 3), np.uint8)).shape == (32, 36, 3)\n"
        "try:\n    srzoo.generators.create('edsr')\n"
        "except srzoo.errors.NotInstalledError as error:\n    print(error)\n"
    )
    done = run(home, "-c", code)
    assert INSTALL in done.stdout, done.stderr


def test_networks_in_python_are_told_what_they_need(home):
    calls = (
        "srzoo.network('edsr-x4')",
        "srzoo.Network.from_pretrained('edsr-x4')",
        "srzoo.save(None, 'm')",
        "srzoo.Network.save_pretrained(None, 'm')",
    )
    code = "import srzoo\n" + "".join(
        f"try:\n    {call}\nexcept srzoo.errors.NotInstalledError as error:\n    print(error)\n"
        for call in calls
    )
    done = run(home, "-c", code)
    assert done.stdout.count(INSTALL) == len(calls), done.stderr
