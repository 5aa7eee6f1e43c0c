"""The metrics against slow independent ones, known errors, and the reference figures."""

from __future__ import annotations

import math
import subprocess
import sys
import time
from types import SimpleNamespace
from urllib.error import URLError

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

import srzoo
from srzoo.errors import ArgumentError, PictureError, SrzooError, WeightsError
from srzoo.evaluating import evaluation as evaluate
from srzoo.plugins.plugin import Use
from srzoo.testing import Case, check_metric

NAMES = ("psnr_y", "psnr_rgb", "ssim_y", "ssim_rgb")
BACKBONES = {"tf_efficientnet_lite0": "tf_efficientnet_lite0", "vgg16": "vgg16_hed_features"}


def pictures(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A random picture, and one that differs from it by up to 30 levels."""
    rng = np.random.default_rng(seed)
    hr = rng.integers(0, 256, (height, width, 3)).astype(np.uint8)
    sr = np.clip(hr + rng.integers(-30, 31, hr.shape), 0, 255).astype(np.uint8)
    return sr, hr


def slow_luma(picture: np.ndarray) -> np.ndarray:
    r, g, b = (picture[:, :, c].astype(np.float64) / 255 for c in range(3))
    return 16 + 65.481 * r + 128.553 * g + 24.966 * b


def slow_ssim(x: np.ndarray, y: np.ndarray) -> float:
    """SSIM by its definition: a 2-D window laid on each place in turn."""
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = []
    for top in range(x.shape[0] - 10):
        for left in range(x.shape[1] - 10):
            a, b = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
            ma, mb = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - ma) ** 2).sum(), (window * (b - mb) ** 2).sum()
            cov = (window * (a - ma) * (b - mb)).sum()
            above = (2 * ma * mb + c1) * (2 * cov + c2)
            values.append(above / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return float(np.mean(values))


@settings(deadline=None, max_examples=25)
@given(st.integers(11, 24), st.integers(11, 24), st.integers(0, 3), st.integers(0, 99))
def test_ssim_is_that_of_the_definition(height, width, shave, seed):
    sr, hr = pictures(height + 2 * shave, width + 2 * shave, seed)
    inner = (slice(shave, shave + height), slice(shave, shave + width))
    found = srzoo.metrics.create("ssim_y", shave=shave)(sr, hr, 9)
    assert found == pytest.approx(slow_ssim(slow_luma(sr)[inner], slow_luma(hr)[inner]), abs=1e-9)
    planes = [slow_ssim(sr[inner][..., c] * 1.0, hr[inner][..., c] * 1.0) for c in range(3)]
    found = srzoo.metrics.create("ssim_rgb", shave=shave)(sr, hr, 9)
    assert found == pytest.approx(np.mean(planes), abs=1e-9)


@pytest.mark.parametrize("size", [(11, 11), (74, 75), (140, 64), (139, 203)])
def test_ssim_across_its_inner_squares(size):
    sr, hr = pictures(*size)
    found = srzoo.metrics.create("ssim_y", shave=0)(sr, hr, 4)
    assert found == pytest.approx(slow_ssim(slow_luma(sr), slow_luma(hr)), abs=1e-9)


def test_psnr_of_a_known_error():
    hr = np.full((20, 30, 3), 100, np.uint8)
    sr = hr + np.uint8(10)
    rgb = 20 * math.log10(255 / 10)
    assert srzoo.metrics.create("psnr_rgb")(sr, hr, 4) == pytest.approx(rgb, abs=1e-9)
    # All three channels 10 higher make Y higher by 10 * 219 / 255, which no rounding may touch.
    y = 20 * math.log10(255 / (10 * 219 / 255))
    assert srzoo.metrics.create("psnr_y")(sr, hr, 4) == pytest.approx(y, abs=1e-9)
    only_blue = hr.copy()
    only_blue[:, :, 2] += 10
    blue = 20 * math.log10(255 / (10 * 24.966 / 255))
    assert srzoo.metrics.create("psnr_y")(only_blue, hr, 4) == pytest.approx(blue, abs=1e-9)


def test_identical_pictures():
    sr, _ = pictures(30, 30)
    values = [srzoo.metrics.create(name)(sr, sr, 2) for name in NAMES]
    assert values == [math.inf, math.inf, pytest.approx(1), pytest.approx(1)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shave", [None, 0, 3, 6])
def test_only_the_shaved_border_is_left_out(name, shave):
    hr, _ = pictures(40, 40)
    metric = srzoo.metrics.create(name, shave=shave)
    border = 4 if shave is None else shave
    outside = np.ones((40, 40), bool)
    outside[border : 40 - border, border : 40 - border] = False
    framed = hr.copy()
    framed[outside] ^= 255
    best = metric(hr, hr, 4)
    assert metric(framed, hr, 4) == best
    inside = hr.copy()
    inside[border, border] ^= 255
    assert metric(inside, hr, 4) < best
    assert str("scale" if shave is None else shave) in metric.protocol


@pytest.mark.parametrize("name", NAMES)
def test_what_cannot_be_compared(name):
    metric = srzoo.metrics.create(name)
    sr, hr = pictures(40, 40)
    with pytest.raises(PictureError, match="40x40 pixels, its reference 38x40"):
        metric(sr, hr[:, :38], 4)
    with pytest.raises(PictureError, match="HR picture"):
        metric(sr, None, 4)
    with pytest.raises(PictureError, match="float"):
        metric(sr / 255, hr / 255, 4)
    with pytest.raises(PictureError, match="too small"):
        metric(sr[:8, :8], hr[:8, :8], 4)
    with pytest.raises(ArgumentError, match="shave is -1"):
        srzoo.metrics.create(name, shave=-1)


FIGURES = {
    2: {"Set5": (33.67, None), "Set14": (30.33, None)},
    3: {"Set5": (30.40, None), "Set14": (27.63, None)},
    4: {"Set5": (28.43, 0.8111), "Set14": (26.09, 0.7048), "BSD100": (25.96, 0.6681)},
}


@pytest.mark.slow
@pytest.mark.parametrize("scale", FIGURES)
def test_bicubic_lands_on_the_reference_figures(data, scale):
    sets = [data / "benchmarks" / name for name in FIGURES[scale]]
    report = evaluate.evaluate([f"bicubic-x{scale}"], sets)
    for row, (psnr, ssim) in zip(report.rows, FIGURES[scale].values(), strict=True):
        found = {value.metric: value.value for value in row.values}
        assert found["psnr_y"] == pytest.approx(psnr, abs=0.02), row.dataset
        assert ssim is None or found["ssim_y"] == pytest.approx(ssim, abs=0.001), row.dataset


@pytest.fixture(scope="module", params=BACKBONES)
def distance(request, data):
    file = data / "backbones" / f"{BACKBONES[request.param]}.fp16.safetensors"
    return Case("feature_distance", {"backbone": request.param, "weights": str(file)})


def test_feature_distance_keeps_the_contract(distance):
    check_metric(distance)


def test_feature_distance_grows_with_blur(distance, data):
    metric = srzoo.metrics.build(Use(distance.name, distance.args))
    image = Image.open(data / "benchmarks/Set5/x4/HR/img_001.png").crop((100, 100, 260, 260))
    hr = np.asarray(image)
    blurred = [np.asarray(image.filter(ImageFilter.GaussianBlur(r))) for r in (0.5, 1, 2, 4)]
    values = [metric(sr, hr, 4) for sr in (hr, *blurred)]
    assert values[0] == 0
    assert values == sorted(set(values))
    small = image.resize((40, 40), Image.Resampling.BICUBIC)
    assert metric(np.asarray(small.resize(image.size, Image.Resampling.BICUBIC)), hr, 4) > 0.01


def test_feature_distance_is_equation_1(distance):
    """Against the equation, written out with the bare backbone."""
    metric = srzoo.metrics.create(distance.name, **distance.args, stages=[1, 2])
    sr, hr = pictures(40, 36)
    config = timm.create_model(distance.args["backbone"]).pretrained_cfg
    features = []
    for picture in (sr, hr):
        x = (picture / 255.0 - config["mean"]) / config["std"]
        x = torch.tensor(x, dtype=torch.float32).permute(2, 0, 1)[None]
        maps = metric._net.forward_intermediates(x, indices=[1, 2], intermediates_only=True)
        features.append([m[0].double().numpy() for m in maps])
    stages = []
    for a, b in zip(*features, strict=True):
        a, b = (m / np.sqrt((m**2).sum(axis=0)) for m in (a, b))
        stages.append(((a - b) ** 2).sum(axis=0).mean())
    assert metric(sr, hr, 4) == pytest.approx(np.mean(stages), rel=1e-4)
    assert "1, 2" in metric.protocol


def test_feature_distance_refuses(data, tmp_path, monkeypatch):
    make = srzoo.metrics.create
    vgg = data / "backbones/vgg16_hed_features.fp16.safetensors"
    with pytest.raises(WeightsError, match="does not fit the backbone"):
        make("feature_distance", weights=vgg)
    with pytest.raises(WeightsError, match="cannot read the weights"):
        make("feature_distance", weights=tmp_path / "none.safetensors")
    with pytest.raises(SrzooError, match="no model 'vgg61'.*vgg16"):
        make("feature_distance", backbone="vgg61", weights=vgg)
    for stages, said in (([], "at least 1 item"), ([9], "has the stages")):
        with pytest.raises(SrzooError, match=said):
            make("feature_distance", backbone="vgg16", weights=vgg, stages=stages)
    metric = make("feature_distance", backbone="vgg16", weights=vgg)
    with pytest.raises(PictureError, match="32 or more"):
        metric(*pictures(31, 40), 4)

    def offline(*_args, **_kwargs):
        raise OSError("no route to the Hub")

    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(SrzooError, match=r"no route to the Hub.*local file"):
        make("feature_distance")


class FakeMetric:
    """What pyiqa.create_metric gives, as far as it is used."""

    def __init__(self, name: str) -> None:
        self.lower_better = name == "lpips"
        self.metric_mode = "FR" if name == "lpips" else "NR"

    def __call__(self, x: torch.Tensor, y: torch.Tensor | None = None) -> torch.Tensor:
        assert x.dtype == torch.float32
        assert x.shape[:2] == (1, 3)
        assert 0 <= float(x.min()) <= float(x.max()) <= 1
        return (x - (0 if y is None else y)).abs().mean()[None]


@pytest.fixture
def pyiqa(monkeypatch):
    fake = SimpleNamespace(
        __version__="0.1.12",
        list_models=lambda: ["lpips", "niqe"],
        create_metric=lambda name, as_loss, device: FakeMetric(name),
    )
    monkeypatch.setitem(sys.modules, "pyiqa", fake)


def test_pyiqa_with_and_without_a_reference(pyiqa):
    check_metric(Case("pyiqa", {"metric": "lpips"}))
    niqe = evaluate.build_metric("pyiqa/niqe")
    assert (niqe.reference, niqe.higher_is_better) == (False, True)
    assert "niqe of pyiqa 0.1.12" in niqe.protocol
    sr, _ = pictures(20, 20)
    assert niqe(sr, None, 4) == pytest.approx(sr.mean() / 255, rel=1e-5)
    with pytest.raises(SrzooError, match="no metric 'nique'.*niqe"):
        evaluate.build_metric("pyiqa/nique")


def test_pyiqa_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyiqa", None)
    with pytest.raises(SrzooError, match=r"pip install 'srzoo\[metrics\]'"):
        evaluate.build_metric("pyiqa/lpips")


def test_pyiqa_that_cannot_download(pyiqa, monkeypatch):
    def offline(name, as_loss, device):
        raise URLError("Name or service not known")

    monkeypatch.setattr(sys.modules["pyiqa"], "create_metric", offline)
    with pytest.raises(SrzooError, match="cannot prepare 'lpips'.*check the network"):
        evaluate.build_metric("pyiqa/lpips")


def test_metrics_cost_no_torch():
    code = (
        "import sys, srzoo.evaluating.claims, srzoo.cli.evaluate, srzoo.cli.card;"
        "import srzoo.evaluating.evaluation as e;"
        "e.build_metric('ssim_y'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sharpness_falls_with_blur_and_asks_for_no_reference():
    metric = srzoo.metrics.create("sharpness")
    ramp = np.repeat(np.arange(0, 200, 4, dtype=np.uint8)[None, :, None], 3, axis=2)
    ramp = np.repeat(ramp, 20, axis=0)
    assert metric(ramp, None, 4) == pytest.approx(4 * 219 / 255)
    assert metric(np.full((9, 9, 3), 77, np.uint8), None, 4) == 0
    sharp, _ = pictures(40, 50)
    blurred = np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(1)))
    assert metric(blurred, sharp, 4) < 0.8 * metric(sharp, None, 4)
    with pytest.raises(PictureError, match="too small"):
        metric(np.zeros((1, 9, 3), np.uint8), None, 4)


def test_colour_shift_sees_one_channel_and_no_detail():
    metric = srzoo.metrics.create("colour_shift")
    hr, _ = pictures(40, 50)
    assert metric(hr, hr, 4) == 0
    assert metric(hr[::-1, ::-1].copy(), hr, 4) == pytest.approx(0, abs=1e-9)  # other places
    dark = (hr // 2).copy()
    tinted = dark.copy()
    tinted[:, :, 1] += 3
    assert metric(tinted, dark, 4) == pytest.approx(3)
    tinted[:, :, 2] -= np.minimum(dark[:, :, 2], 9)
    assert metric(tinted, dark, 4) > 3
    with pytest.raises(PictureError):
        metric(hr[:-1], hr, 4)


@pytest.mark.parametrize("shave", [0, 4])
def test_psnr_is_that_of_the_definition(shave):
    """Whatever is done for speed, to 1e-9 dB."""
    sr, hr = pictures(131, 97)
    inner = (slice(shave, 131 - shave), slice(shave, 97 - shave))
    errors = {
        "psnr_y": (slow_luma(sr) - slow_luma(hr))[inner],
        "psnr_rgb": (sr.astype(np.float64) - hr)[inner],
    }
    for name, error in errors.items():
        found = srzoo.metrics.create(name, shave=shave)(sr, hr, 9)
        assert found == pytest.approx(10 * math.log10(255**2 / np.mean(error**2)), abs=1e-9)


def test_psnr_and_ssim_of_a_2040x1404_picture_take_little_of_a_core():
    sr, hr = pictures(1404, 2040)
    metrics = [srzoo.metrics.create(name) for name in ("psnr_y", "ssim_y")]
    took = []
    for _ in range(3):
        start = time.process_time()  # of all threads, also those that wait by turning round
        for metric in metrics:
            metric(sr, hr, 4)
        took.append(time.process_time() - start)
    assert min(took) <= 0.8
