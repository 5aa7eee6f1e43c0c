"""Engines that run exports: the same picture, tile by tile, and clear words where they cannot."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import drawn
from PIL import Image

from srzoo.errors import DeviceError, ModelError
from srzoo.exporting import engine, engine_facts
from srzoo.models import locate
from srzoo.networks import folders
from srzoo.plugins import kinds
from srzoo.upscaling import loading
from srzoo.upscaling.upscaler import Upscaler

ENGINES = ["mnn", "ncnn", "onnxruntime", "openvino"]
ARGS = {"n_resblocks": 1, "n_feats": 8, "scale": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A network that does more than its skip connection."""
    torch.manual_seed(0)
    net = kinds.generators.create("edsr", **ARGS)
    return folders.save(net, tmp_path_factory.mktemp("net") / "small", generator="edsr", args=ARGS)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _one_cache(cache, monkeypatch):
    monkeypatch.setenv("SRZOO_CACHE", str(cache))


def apart(a, b):
    return np.abs(np.asarray(a).astype(int) - np.asarray(b))


@pytest.mark.parametrize("name", ENGINES)
def test_pictures_whole_and_in_tiles_are_torchs(name, model):
    picture = np.asarray(drawn(145, 93))
    want = loading.load(model.path, engine="torch", tile="off").array(picture)
    for tile in ("off", 32):
        got = loading.load(model.path, engine=name, tile=tile).array(picture)
        assert apart(got, want).max() <= 1
        assert np.mean(got != want) < 0.005


@pytest.mark.parametrize("height", range(1, 7))
def test_thin_pictures(height, model):
    picture = np.asarray(drawn(70, 40))[:height]
    torchs, mnns = (loading.load(model.path, engine=name) for name in ("torch", "mnn"))
    assert apart(mnns.array(picture), torchs.array(picture)).max() <= 1
    upright = picture.transpose(1, 0, 2)
    assert apart(mnns.array(upright), torchs.array(upright)).max() <= 1


def test_less_than_it_takes(model):
    runner = kinds.engines.build("mnn", folder=model.path, device="cpu", precision="fp32")
    with pytest.raises(ModelError, match="a side of 4 pixels, but the export needs 5 or more"):
        runner(np.zeros((1, 3, 4, 9), np.float32), 2)


@pytest.mark.parametrize("name", ENGINES)
def test_what_none_of_them_states_is_torchs(name, model, monkeypatch):
    monkeypatch.setattr(engine_facts.Build, "is_there", lambda _: True)
    asked = [("auto", "bf16"), ("mps", "fp16"), *[("cuda", "auto")] * (name != "onnxruntime")]
    for device, precision in asked:
        with pytest.raises(DeviceError, match=f"not on {device} in {precision}"):
            kinds.engines.build(name, folder=model.path, device=device, precision=precision)
        chosen = engine.choose(model, device=device, precision=precision)
        assert chosen.name == "torch"


@pytest.mark.parametrize("name", ENGINES)
def test_the_runners_facts(name, model):
    runner = kinds.engines.build(name, folder=model.path, device="cpu", precision="fp32")
    assert runner.reach == folders.build(model).reach
    assert runner.model is None
    assert runner.free_memory() is None
    assert 100 < runner.bytes_per_pixel(2) < 20_000
    assert 0 <= runner.bytes_aside(2) < 300e6


def test_several_scales(tmp_path):
    args = {"n_resblocks": 1, "n_feats": 4, "scales": [2, 3]}
    net = kinds.generators.create("mdsr", **args)
    folder = folders.save(net, tmp_path / "both", generator="mdsr", args=args)
    picture = np.asarray(drawn(31, 24))
    for scale in (2, 3):
        want, got = (
            loading.load(folder.path, engine=name).array(picture, scale)
            for name in ("torch", "mnn")
        )
        assert apart(got, want).max() <= 1


def test_the_released_model():
    folder = locate.find("edsr-x4")
    photo = np.asarray(Image.open("docs/pictures/dandelion.jpg").convert("RGB"))[:97, :121]
    runner = kinds.engines.build("mnn", folder=folder.path, device="auto", precision="auto")
    want = loading.load("edsr-x4", engine="torch").array(photo)
    for tile in ("off", 48):
        got = Upscaler(runner, (4,), "edsr-x4", tile=tile).array(photo)
        assert apart(got, want).max() <= 1
        assert np.mean(got != want) < 0.05  # its weights are rounded to float16
