"""``srzoo upscale --engine``: what is chosen, what is said, and what is not imported."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from own_engine import OwnEngine
from PIL import Image

import srzoo
from srzoo.errors import DeviceError, FallbackWarning
from srzoo.exporting import engine as engines
from srzoo.exporting import engine_facts, exports
from srzoo.networks import folders

WITHOUT_TORCH = """
import sys
from srzoo.cli import main
try:
    main(sys.argv[1:])
except SystemExit as stop:
    sys.exit(stop.code or 40 * ("torch" in sys.modules))
"""


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A small network in a folder, and a cache of its own."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SRZOO_ENGINE", "auto")
    torch.manual_seed(0)
    args = {"n_resblocks": 1, "n_feats": 8, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    return folders.save(net, tmp_path / "small", generator="edsr", args=args).path


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


@pytest.mark.skipif(bool(exports.missing("mnn")), reason="MNN is not installed")
def test_once_exported_torch_is_not_imported(srzoo_cli, model, photo, tmp_path):
    little = srzoo_cli("upscale", photo, "-m", model, "-o", tmp_path / "little.png", "--verbose")
    assert "engine: torch (torch enlarges" in little.err  # sooner than an export would be made
    first = ("upscale", photo, "-m", model, "-o", tmp_path / "first.png", "--engine", "mnn", "-v")
    result = srzoo_cli(*first)
    assert result.code == 0
    assert "preparing small for mnn, once ..." in result.err
    command = [sys.executable, "-c", WITHOUT_TORCH, "upscale", str(photo), "-m", str(model), "-v"]
    again = subprocess.run(
        [*command, "-o", str(tmp_path / "again.png")], capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert "preparing" not in again.stderr
    assert np.array_equal(pixels(tmp_path / "first.png"), pixels(tmp_path / "again.png"))
    plain = srzoo_cli("upscale", photo, "-m", model, "--engine", "torch", "-o", tmp_path / "t.png")
    assert plain.code == 0
    assert np.abs(pixels(tmp_path / "t.png") - pixels(tmp_path / "first.png")).max() <= 1


@pytest.mark.skipif(bool(exports.missing("mnn")), reason="MNN is not installed")
def test_nothing_is_prepared_for_pictures_that_need_no_pass(srzoo_cli, model, photo, tmp_path):
    result = srzoo_cli("upscale", photo, "-m", model, "--engine", "mnn", "--scale", "1",
                       "-o", tmp_path / "same.png", "-v")  # fmt: skip
    assert result.code == 0
    assert "engine: mnn" in result.err
    assert "preparing" not in result.err
    assert not (tmp_path / "cache/exports").exists()


@pytest.mark.skipif(bool(exports.missing("mnn")), reason="MNN is not installed")
def test_a_pipe_carries_the_picture_alone(model, photo):
    """MNN prints on stdout, through C."""
    command = [sys.executable, "-m", "srzoo", "upscale", "-", "-o", "-", "-m", str(model)]
    told = subprocess.run(command, input=photo.read_bytes(), capture_output=True, check=False)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith(b"\x89PNG")


def test_verbose_tells_the_engine_and_the_tiles(srzoo_cli, model, photo):
    told = srzoo_cli("upscale", photo, "-m", model, "--engine", "torch", "-v", "--tile", "16")
    assert "engine: torch (asked for)" in told.err
    assert "x2: 6 tiles of 16x16 with 6 pixels more on each side (exact), at most" in told.err


def test_the_variable_is_what_auto_means(srzoo_cli, model, photo, monkeypatch):
    monkeypatch.setenv("SRZOO_ENGINE", "torch")
    assert "engine: torch" in srzoo_cli("upscale", photo, "-m", model, "-v").err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--engine", "torhc"), "no engine is called 'torhc'. Did you mean torch?"),
        (("--engine", "mnn", "--precision", "bf16"), "not on auto in bf16. Use --engine torch."),
        (("--engine", "mnn", "--device", "cuda"), "not on cuda in auto. Use --engine torch."),
    ],
)
def test_refusals(srzoo_cli, model, photo, arguments, says):
    result = srzoo_cli("upscale", photo, "-m", model, *arguments)
    assert result.code == 2
    assert says in result.err


def test_an_engine_that_is_not_installed(srzoo_cli, model, photo, monkeypatch):
    find_spec = engine_facts.util.find_spec
    ours = ("srzoo_cards", "srzoo_plugins", "torch", "timm")
    monkeypatch.setattr(
        engine_facts.util, "find_spec", lambda name: find_spec(name) if name in ours else None
    )
    result = srzoo_cli("upscale", photo, "-m", model, "--engine", "mnn")
    assert result.code == 2
    assert 'mnn is not installed. Install it: pip install "srzoo[mnn]".' in result.err
    told = srzoo_cli("upscale", photo, "-m", model, "--engine", "auto", "-v").err
    assert "engine: torch (no faster one is installed)" in told


@pytest.mark.parametrize("engine", ["auto", "torch"])
@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--preview",)])
def test_an_engine_is_chosen_once(srzoo_cli, model, photo, tmp_path, monkeypatch, more, engine):
    """What is told is what runs: it may be another a moment later, when an export is kept."""
    choose, chosen = engines.choose, []

    def counted(*args, **options):
        chosen.append(choose(*args, **options))
        return chosen[-1]

    monkeypatch.setattr(engines, "choose", counted)
    result = srzoo_cli("upscale", photo, "-m", model, "-o", tmp_path / "large.png",
                       "--engine", engine, *more)  # fmt: skip
    assert result.code == 0, result.err
    assert len(chosen) == 1


def test_one_that_was_chosen_and_cannot_is_replaced(srzoo_cli, model, photo, tmp_path):
    """As long as it was not asked for."""

    class Fails(OwnEngine):
        def __init__(self, *, folder, device="auto", precision="auto"):
            raise DeviceError("the driver is too old")

    srzoo.engines.register("fails", Fails)
    try:
        command = "upscale", photo, "-m", model, "-o", tmp_path / "large.png", "-v"
        with pytest.warns(FallbackWarning, match="fails is not used: the driver is too old"):
            done = srzoo_cli(*command)
        asked = srzoo_cli(*command, "--engine", "fails", "--overwrite")
    finally:
        srzoo.engines.unregister("fails")
    assert done.code == 0, done.err
    assert "engine: fails (the fastest installed)" in done.err
    assert asked.code == 2
    assert "the driver is too old" in asked.err
