"""What inference runs gives the picture that training saw."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import srzoo
from srzoo.models import locate
from srzoo.networks import folders
from srzoo.networks import inference as leans
from srzoo.networks.inference import Folded, InferenceNetwork, fold_norms, for_inference
from srzoo.networks.runner import ModuleRunner
from srzoo.upscaling.upscaler import Upscaler

NETS = [
    ("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 2}),
    ("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 3}),
    ("edsr", {"n_resblocks": 1, "n_feats": 8, "scale": 4}),
    ("edsr", {"n_resblocks": 1, "n_feats": 4, "scale": 8}),
    ("mdsr", {"n_resblocks": 1, "n_feats": 8}),
    ("wdsr", {"n_resblocks": 1, "n_feats": 8}),
    ("srresnet", {"n_resblocks": 1, "n_feats": 8}),
    ("srgan_rrdb", {"n_rrdbs": 1, "n_feats": 8, "growth": 4}),
]
LINEAR = [case for case in NETS if case[0] in ("edsr", "mdsr", "wdsr")]


def trained(name, args) -> nn.Module:
    """A network whose batch norms, weights and activations are not those of the first step."""
    torch.manual_seed(0)
    net = srzoo.generators.create(name, **args)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
            if isinstance(module, nn.PReLU):
                module.weight.uniform_(0.1, 0.4)
    return net.eval()


@cache
def both(name, *args) -> tuple[nn.Module, nn.Module]:
    """The network as it was trained, and as inference runs it."""
    return trained(name, dict(args)), for_inference(trained(name, dict(args)))


@pytest.mark.parametrize(("name", "args"), NETS)
@settings(max_examples=25, deadline=None)
@given(height=st.integers(1, 40), width=st.integers(1, 40), block=st.sampled_from([8, 13, 128]))
def test_the_picture_is_the_same(name, args, height, width, block):
    net, ready = both(name, *args.items())
    torch.manual_seed(height * 64 + width)
    x = torch.rand(2, 3, height, width)
    before = leans.BLOCK
    leans.BLOCK = block
    try:
        for scale in net.scales:
            with torch.no_grad():
                error = float((ready(x, scale) - net(x, scale)).abs().max())
            assert error < 2e-5, f"x{scale}: {error:g}"
    finally:
        leans.BLOCK = before


@pytest.mark.parametrize(("name", "args"), LINEAR)
def test_a_linear_tail_is_one_convolution(name, args, monkeypatch):
    net = trained(name, args)
    ready = for_inference(net)
    seen = []
    original = type(net).reconstruct

    def watched(self, f, scale=None):
        seen.append(min(f.shape[2:]))
        return original(self, f, scale)

    monkeypatch.setattr(type(net), "reconstruct", watched)
    ready(torch.rand(1, 3, 40, 50), net.scales[0])
    # The tail itself only ever sees strips of twice its reach.
    assert seen == 4 * [2 * net.tail_reach]


@pytest.mark.parametrize(("name", "args"), LINEAR)
def test_one_piece_is_the_same(name, args):
    """The form that is exported has no loop."""
    net = trained(name, args)
    for scale in net.scales:
        folded = Folded(net, scale)
        for side in (2 * net.tail_reach + 1, 17):
            with torch.no_grad():
                x = torch.rand(1, 3, side, side + 3)
                error = float((folded(net.features(x, scale)) - net(x, scale)).abs().max())
            assert error < 2e-5


def test_norms_are_gone():
    net = trained("srresnet", {"n_resblocks": 2, "n_feats": 8})
    fold_norms(net)
    assert not [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    net = trained("srgan_rrdb", {"n_rrdbs": 1, "n_feats": 8, "growth": 4})
    fold_norms(net)
    assert not [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    net = trained("wdsr", {"n_resblocks": 1, "n_feats": 8})
    fold_norms(net)
    assert not [m for m in net.modules() if hasattr(m, "parametrizations")]


def test_a_norm_that_follows_no_convolution_stays():
    net = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)).eval()
    fold_norms(net)
    assert isinstance(net[1], nn.BatchNorm2d)


def test_a_network_without_a_tail_is_left_alone():
    net = srzoo.generators.create("srcnn", scale=2)
    assert for_inference(net) is net


def test_the_trained_model_to_eight_bits():
    """99.99 % of the values of a photo, whole and in tiles, are those of the unfolded network."""
    folder = locate.find("edsr-x4")
    plain = Upscaler(ModuleRunner(folders.build(folder)), (4,), "plain", tile="off")
    photo = np.asarray(Image.open("docs/pictures/dandelion.jpg").convert("RGB"))[:181, :203]
    want = plain.array(photo)
    for tile in ("off", 100):
        ready = ModuleRunner(for_inference(folders.build(folder)))
        got = Upscaler(ready, (4,), "folded", tile=tile).array(photo)
        assert np.mean(got == want) > 0.9999
        assert np.abs(got.astype(int) - want).max() <= 1


@pytest.mark.parametrize("height", range(1, 7))
def test_thin_pictures(height):
    folder = locate.find("edsr-x4")
    photo = np.asarray(Image.open("docs/pictures/dandelion.jpg").convert("RGB"))[:height, :150]
    runners = (
        ModuleRunner(folders.build(folder)),
        ModuleRunner(for_inference(folders.build(folder))),
    )
    floats = (photo / np.float32(255)).astype(np.float32)
    plain, folded = (Upscaler(runner, (4,), "x").array(floats) for runner in runners)
    assert float(np.abs(plain - folded).max()) < 2e-5


@pytest.mark.parametrize("name", ["edsr", "srresnet"])
def test_the_tail_takes_no_memory_by_the_pixel(name):
    net = srzoo.generators.create(name, n_resblocks=1, scale=4)
    plain, ready = (
        ModuleRunner(net),
        ModuleRunner(for_inference(srzoo.generators.create(name, n_resblocks=1, scale=4))),
    )
    assert ready.bytes_per_pixel(4) < 0.25 * plain.bytes_per_pixel(4)
    assert 0 < ready.bytes_aside(4) < 400e6
    assert isinstance(ready.model, InferenceNetwork)


def test_the_module_is_for_any_batch_and_layout():
    net = trained("edsr", {"n_resblocks": 1, "n_feats": 8})
    ready = for_inference(trained("edsr", {"n_resblocks": 1, "n_feats": 8}))
    x = torch.rand(3, 3, 20, 30)
    for layout in (torch.contiguous_format, torch.channels_last):
        y = ready(x.contiguous(memory_format=layout))
        assert y.shape == (3, 3, 80, 120)
        assert math.isclose(float((y - net(x)).detach().abs().max()), 0, abs_tol=2e-5)
