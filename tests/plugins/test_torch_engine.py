"""The torch engine: what is asked for where it is right, float32 on the CPU where it is not."""

from __future__ import annotations

import shutil
import warnings

import numpy as np
import pytest
import srzoo_plugins.torch
import torch

import srzoo
from srzoo.cli import _console
from srzoo.engines import ModuleRunner, trial_picture
from srzoo.errors import DeviceError, FallbackWarning
from srzoo.networks import folders


@pytest.fixture
def folder(tmp_path):
    """A small network that gives pictures: EDSR's first weights are random."""
    torch.manual_seed(0)
    args = {"n_resblocks": 1, "n_feats": 8, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    return folders.save(net, tmp_path / "small", generator="edsr", args=args).path


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision_that_is_right_is_used(folder, precision):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        runner = srzoo_plugins.torch.Engine(folder=folder, precision=precision)
    x = trial_picture(20, 30)
    y, want = runner(x, 2), srzoo_plugins.torch.Engine(folder=folder)(x, 2)
    assert next(runner.model.parameters()).dtype == srzoo_plugins.torch.DTYPES[precision]
    assert 0 < np.abs(y - want).max() < 8 / 255


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda y: y * np.float32("nan"), "not finite"),
        (lambda y: y + np.float32(0.1), r"off by 2\d.\d levels"),
    ],
)
def test_half_precision_that_is_wrong_is_not(folder, monkeypatch, spoil, says):
    plain = ModuleRunner.__call__

    def call(self, x, scale):
        y = plain(self, x, scale)
        return spoil(y) if self._dtype != torch.float32 else y

    monkeypatch.setattr(ModuleRunner, "__call__", call)
    with pytest.warns(FallbackWarning, match=f"bfloat16 on cpu is not used: .*{says}"):
        runner = srzoo_plugins.torch.Engine(folder=folder, precision="bf16")
    assert next(runner.model.parameters()).dtype == torch.float32


def test_an_operation_that_is_missing_falls_back(folder, monkeypatch):
    plain = ModuleRunner.__call__

    def call(self, x, scale):
        if self._dtype != torch.float32:
            raise RuntimeError("not implemented for 'Half'\nand more")
        return plain(self, x, scale)

    monkeypatch.setattr(ModuleRunner, "__call__", call)
    with pytest.warns(FallbackWarning, match="not implemented for 'Half'$"):
        srzoo_plugins.torch.Engine(folder=folder, precision="fp16")


def test_float32_is_not_tried(folder, monkeypatch):
    monkeypatch.setattr(ModuleRunner, "__call__", lambda *_: pytest.fail("tried"))
    srzoo_plugins.torch.Engine(folder=folder)


def test_the_command_says_it_in_one_line(folder, photo, srzoo_cli, monkeypatch):
    monkeypatch.setattr(srzoo_plugins.torch, "_fault", lambda *_: "it is off by 30.0 levels of 255")
    with pytest.warns(FallbackWarning) as told:
        result = srzoo_cli("upscale", photo, "-m", folder, "--precision", "bf16")
    assert result.code == 0
    warning = _console._formatted(told[0].message, FallbackWarning, "file.py", 1)
    assert warning == f"warning: {told[0].message}\n"


def test_compiled_needs_a_compiler(folder, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(DeviceError, match=r"C\+\+ compiler"):
        srzoo.load(folder, engine="torch-compile")


@pytest.mark.slow
@pytest.mark.skipif(
    not any(map(shutil.which, srzoo_plugins.torch.COMPILERS)), reason="no C++ compiler"
)
def test_compiled_gives_the_same(folder):
    picture = np.random.default_rng(0).integers(0, 255, (41, 37, 3), np.uint8)
    plain, compiled = (srzoo.load(folder, engine=e)(picture) for e in ("torch", "torch-compile"))
    assert np.abs(plain.astype(int) - compiled).max() <= 1
