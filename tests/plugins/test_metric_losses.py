"""Losses that are metrics elsewhere: known values, gradients, files of weights."""

from __future__ import annotations

import math
import sys
from types import ModuleType

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

import srzoo
from srzoo.contracts import Pair
from srzoo.errors import SrzooError, WeightsError

SMALL = {"backbone": "vgg11", "layers": ("relu1_1", "relu2_1"), "weights": "random"}


def pair(size=48, noise=0.2):
    chance = torch.Generator().manual_seed(0)
    hr = torch.rand(2, 3, size, size, generator=chance)
    hr = F.interpolate(hr[..., ::4, ::4], size=(size, size), mode="bilinear")
    sr = hr + noise * (torch.rand(hr.shape, generator=chance) - 0.5)
    return Pair(lr=hr[..., ::4, ::4], hr=hr, sr=sr.requires_grad_())


def test_huber_is_a_square_and_then_a_line():
    loss = srzoo.losses.create("huber", delta=0.1)
    for off, wanted in ((0.06, 0.06**2 / 2), (0.5, 0.1 * (0.5 - 0.05))):
        hr = torch.zeros(1, 3, 4, 4)
        sr = (hr + off).requires_grad_()
        value = loss(Pair(hr, hr, sr))
        value.backward()
        assert float(value.detach()) == pytest.approx(wanted)
        assert float(sr.grad.sum()) == pytest.approx(min(off, 0.1))
    with pytest.raises(SrzooError, match="delta is 0"):
        srzoo.losses.create("huber", delta=0)


def test_ms_ssim_of_one_scale_is_ssim():
    """Against the metric, which is measured against others' values."""
    one, metric = srzoo.losses.create("ms_ssim", scales=1), srzoo.metrics.create("ssim_rgb")
    generator = torch.Generator().manual_seed(1)
    hr = (torch.rand(1, 3, 40, 33, generator=generator) * 255).round()
    sr = (hr + 40 * torch.rand(hr.shape, generator=generator)).clamp(0, 255).round()
    arrays = [x[0].permute(1, 2, 0).to(torch.uint8).numpy() for x in (sr, hr)]
    wanted = metric(*arrays, 1)
    assert 1 - float(one(Pair(hr, hr / 255, sr / 255))) == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize(
    ("side", "scales"), [(11, 1), (21, 1), (22, 2), (44, 3), (88, 4), (176, 5)]
)
def test_ms_ssim_has_the_scales_that_a_crop_has_room_for(side, scales):
    """Flat pictures of two levels: contrast says 1, and the coarsest scale's luminance counts."""
    shares = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
    x, y = 0.5, 0.25
    light = (2 * x * y + 1e-4) / (x * x + y * y + 1e-4)
    wanted = 1 - light ** (shares[scales - 1] * sum(shares) / sum(shares[:scales]))
    hr, sr = (torch.full((1, 3, side, side + 4), level) for level in (x, y))
    value = srzoo.losses.create("ms_ssim")(Pair(hr, hr, sr))
    assert float(value) == pytest.approx(wanted, abs=1e-5)


def test_ms_ssim_refuses_what_has_no_window():
    hr = torch.zeros(1, 3, 10, 40)
    with pytest.raises(SrzooError, match="needs 11 pixels, not 10"):
        srzoo.losses.create("ms_ssim")(Pair(hr, hr, hr))
    with pytest.raises(SrzooError, match="scales is 6. It should be less than or equal to 5"):
        srzoo.losses.create("ms_ssim", scales=6)


@pytest.mark.parametrize("noise", [0.0, 2.0, -2.0])
def test_ms_ssim_has_a_finite_gradient_where_nothing_is_alike(noise):
    both = pair(noise=noise)
    loss = srzoo.losses.create("ms_ssim")
    value = loss(Pair(both.lr, both.hr, both.sr))
    value.backward()
    assert both.sr.grad.isfinite().all()
    reverse = Pair(both.lr, both.hr, (1 - both.hr).requires_grad_())  # negative covariance
    loss(reverse).backward()
    assert reverse.sr.grad.isfinite().all()


def features(pair):
    """What both metrics see, by the loss that was there before."""
    net = srzoo.losses.create("perceptual", **SMALL)
    with torch.no_grad():
        return net._features(pair.sr), net._features(pair.hr)


def test_lpips_is_equation_1():
    both = pair()
    loss = srzoo.losses.create("lpips", **SMALL)
    wanted = sum(
        float((a / a.norm(dim=1, keepdim=True) - b / b.norm(dim=1, keepdim=True)).square()
              .sum(1).mean()) for a, b in zip(*features(both), strict=True)
    )  # fmt: skip
    value = loss(both)
    assert float(value.detach()) == pytest.approx(wanted, rel=1e-3)
    value.backward()
    assert float(both.sr.grad.abs().sum()) > 0


@pytest.mark.parametrize("official", [False, True])
def test_lpips_takes_learned_weights(tmp_path, official):
    both, sizes = pair(), (64, 128)
    names = [f"lin{n}.model.1.weight" for n in range(2)] if official else SMALL["layers"]
    zero_first = {
        name: torch.full((1, size, 1, 1), float(n))
        for n, (name, size) in enumerate(zip(names, sizes, strict=True))
    }
    save_file(zero_first, tmp_path / "w.safetensors")
    weighted = srzoo.losses.create("lpips", **SMALL, linear=tmp_path / "w.safetensors")
    second = srzoo.losses.create("lpips", **{**SMALL, "layers": ("relu2_1",)})
    assert float(weighted(both).detach()) == pytest.approx(float(second(both).detach()), rel=1e-5)


def test_dists_is_one_minus_texture_and_structure(tmp_path):
    both = pair()
    made, real = features(both)
    maps = list(zip([both.sr.detach(), *made], [both.hr, *real], strict=True))
    textures, structures = [], []
    for x, y in maps:
        x, y = x.flatten(2).double(), y.flatten(2).double()
        m_x, m_y = x.mean(2), y.mean(2)
        s_xy = (x * y).mean(2) - m_x * m_y
        s = x.var(2, unbiased=False) + y.var(2, unbiased=False)
        textures.append((2 * m_x * m_y + 1e-6) / (m_x**2 + m_y**2 + 1e-6))
        structures.append((2 * s_xy + 1e-6) / (s + 1e-6))
    texture, structure = (torch.cat(each, 1).mean() for each in (textures, structures))
    loss = srzoo.losses.create("dists", **SMALL)
    value = loss(both)
    assert float(value.detach()) == pytest.approx(float(1 - (texture + structure) / 2), rel=1e-3)
    value.backward()
    assert float(both.sr.grad.abs().sum()) > 0
    size = 3 + 64 + 128
    file = tmp_path / "w.safetensors"
    save_file({"alpha": torch.full((1, size, 1, 1), 7.0), "beta": torch.zeros(1, size, 1, 1)}, file)
    alone = srzoo.losses.create("dists", **SMALL, shares=file)
    assert float(alone(both).detach()) == pytest.approx(float(1 - texture), rel=1e-3)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"relu1_1": torch.ones(64)}, "has no tensor 'lin1.model.1.weight'. It has: relu1_1"),
        ({"relu1_1": torch.ones(63), "relu2_1": torch.ones(128)}, "has 63 numbers for 64"),
        ({"relu1_1": -torch.ones(64), "relu2_1": torch.ones(128)}, "has negative values"),
    ],
)
def test_weights_that_do_not_fit_are_told(tmp_path, tensors, message):
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match=message):
        srzoo.losses.create("lpips", **SMALL, linear=tmp_path / "w.safetensors")
    with pytest.raises(WeightsError, match="cannot read the weights"):
        srzoo.losses.create("dists", **SMALL, shares=tmp_path / "none.safetensors")


class Fake(nn.Module):
    """A metric as pyiqa makes them."""

    def __init__(self, name, as_loss, device):
        super().__init__()
        assert as_loss
        self.lower_better, self.metric_mode = name != "likeness", "NR" if name == "flat" else "FR"
        self.name = name
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, target, ref=None):
        assert 0 <= float(target.detach().min()) <= float(target.detach().max()) <= 1
        if self.name == "flat":
            return target.square().mean((1, 2, 3))
        distance = self.scale * (target - ref).abs().mean((1, 2, 3))
        if self.name == "hard":
            return distance.detach()
        return 1 - distance if self.name == "likeness" else distance


@pytest.fixture
def pyiqa(monkeypatch):
    module = ModuleType("pyiqa")
    module.list_models = lambda: ["distance", "likeness", "flat", "hard"]
    module.create_metric = lambda name, as_loss, device: Fake(name, as_loss, device)
    monkeypatch.setitem(sys.modules, "pyiqa", module)


@pytest.mark.parametrize("name", ["distance", "likeness"])
def test_a_metric_of_pyiqa_falls_as_pictures_get_alike(pyiqa, name):
    loss = srzoo.losses.create("pyiqa", metric=name)
    assert loss.reference
    values = []
    for noise in (0.0, 0.1, 0.4, 3.0):
        both = pair(noise=noise)
        value = loss(both)
        value.backward()
        assert both.sr.grad.isfinite().all()
        assert (float(both.sr.grad.abs().sum()) > 0) == (noise > 0)
        values.append(float(value.detach()))
    assert values == sorted(values)
    assert not any(math.isnan(value) for value in values)


def test_a_metric_of_pyiqa_without_reference_does_not_see_hr(pyiqa):
    loss = srzoo.losses.create("pyiqa", metric="flat")
    assert not loss.reference
    assert float(loss(pair(noise=0)).detach()) > 0


def test_what_pyiqa_cannot_do_is_told(pyiqa, monkeypatch):
    with pytest.raises(SrzooError, match="pyiqa's hard has no gradient"):
        srzoo.losses.create("pyiqa", metric="hard")(pair())
    with pytest.raises(SrzooError, match="no metric 'distanse'. Did you mean distance"):
        srzoo.losses.create("pyiqa", metric="distanse")
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(SrzooError, match="pip install 'srzoo"):
        srzoo.losses.create("pyiqa", metric="distance")
