"""The degradations: the contract for each, MATLAB's numbers, and what each is meant to do."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from helpers import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from srzoo_plugins.degradations import (
    Bicubic,
    Mixed,
    Realistic,
    Unknown,
    _kernels,
    _steps,
    imresize,
)

from srzoo.errors import ArgumentError, MissingPluginError
from srzoo.plugins import kinds
from srzoo.testing import Case, cases
from srzoo.testing import degradation as suite

NAMES = ("bicubic", "difficult", "mild", "mixed", "realistic", "unknown", "wild")
CASES = [
    *cases("degradation"),
    Case("unknown", {"sigma": [0.1, 0.1]}),
    Case("mixed", {"choices": ["bicubic"]}),
]


def crop(height: int = 96, width: int = 128) -> np.ndarray:
    return np.array(drawn(width, height))


def run(name: str, hr: np.ndarray, scale: int = 4, seed: int = 0, **arguments) -> np.ndarray:
    made = kinds.degradations.create(name, **arguments)
    return made(hr, scale, np.random.default_rng(seed))


def test_these_are_registered():
    assert set(NAMES) <= set(kinds.degradations.names())
    assert not [p for p in kinds.degradations.check() if p.plugin.target.startswith("srzoo_deg")]


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES, ids=str)
def test_contract(case, check):
    check(case)


class Broken:
    """Breaks one promise at a time, to see that the suite notices."""

    deterministic = False

    def __init__(self, *, fault: str) -> None:
        self.fault = fault
        self.deterministic = fault == "liar"

    def __call__(self, hr, scale, rng):
        if hr.shape[0] % scale or hr.shape[1] % scale:
            if self.fault == "sizes":
                hr = hr[: hr.shape[0] // scale * scale, : hr.shape[1] // scale * scale]
            else:
                raise ValueError("size")
        if self.fault == "paints" and hr.flags.writeable:
            hr[0, 0] = 0
        start = 0 if self.fault == "shift" else scale // 2
        lr = hr[start::scale, start::scale].astype(int) + rng.integers(-3, 4)
        if self.fault == "numpy":
            lr += np.random.randint(-5, 6, lr.shape)
        if self.fault == "dark":
            lr = lr * 3 // 4
        if self.fault == "float":
            return lr / 255
        return np.clip(lr, 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("fault", "check"),
    [
        ("float", suite.size_and_type),
        ("sizes", suite.refuses_other_sizes),
        ("numpy", suite.randomness_comes_from_rng),
        ("liar", suite.says_whether_it_is_deterministic),
        ("dark", suite.keeps_the_brightness),
        ("shift", suite.is_not_shifted),
    ],
)
def test_the_suite_can_fail(fault, check):
    kinds.degradations.register("broken", Broken)
    try:
        with pytest.raises(AssertionError):
            check(Case("broken", {"fault": fault}))
    finally:
        kinds.degradations.unregister("broken")


# --- bicubic ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("folder", "pictures"),
    [("Set5/x2", 5), ("Set5/x3", 5), ("Set5/x4", 5), ("Set14/x2", 14), ("Set14/x3", 14),
     ("Set14/x4", 14), ("BSD100/x4", 100)],
)  # fmt: skip
def test_bicubic_gives_the_benchmarks_bit_for_bit(data, folder, pictures):
    files = sorted((data / "benchmarks" / folder / "LR").iterdir())
    assert len(files) == pictures
    for file in files:
        lr = np.asarray(Image.open(file))
        hr = np.asarray(Image.open(data / "benchmarks" / folder / "HR" / file.name))
        assert np.array_equal(imresize(hr, int(folder[-1])), lr), file.name


def matlab(hr: np.ndarray, scale: int) -> np.ndarray:
    """MATLAB's algorithm written out: no Pillow, one pixel after the other."""

    def cubic(x: float) -> float:
        x = abs(x)
        if x <= 1:
            return 1.5 * x**3 - 2.5 * x**2 + 1
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0

    def rows(picture: np.ndarray) -> np.ndarray:
        out = np.empty((picture.shape[0] // scale, *picture.shape[1:]))
        for i in range(out.shape[0]):
            middle = (i + 0.5) * scale - 0.5
            places = range(math.floor(middle - 2 * scale), math.ceil(middle + 2 * scale) + 1)
            weights = np.array([cubic((place - middle) / scale) for place in places])
            taken = picture[np.clip(places, 0, picture.shape[0] - 1)]
            out[i] = np.tensordot(weights / weights.sum(), taken, 1)
        return np.clip(np.floor(out + 0.5), 0, 255)

    return rows(rows(hr.astype(float)).swapaxes(0, 1)).swapaxes(0, 1).astype(np.uint8)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_bicubic_is_matlabs_algorithm(scale):
    hr = np.random.default_rng(scale).integers(0, 256, (6 * scale, 5 * scale, 3), np.uint8)
    # Pillow's weights have 22 bits: a value that lies on a half may round the other way.
    difference = np.abs(imresize(hr, scale).astype(int) - matlab(hr, scale))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.01


def test_bicubic_at_scale_1_changes_nothing():
    assert np.array_equal(imresize(crop(7, 9), 1), crop(7, 9))


@pytest.mark.parametrize(
    ("hr", "scale"),
    [
        (np.zeros((8, 8, 3), np.float32), 2),
        (np.zeros((8, 8, 4), np.uint8), 2),
        (np.zeros((8, 9, 3), np.uint8), 2),
        (np.zeros((0, 8, 3), np.uint8), 2),
        (np.zeros((8, 8, 3), np.uint8), 0),
    ],
)
@pytest.mark.parametrize("name", ["bicubic", "unknown", "mild", "realistic"])
def test_refused_pictures(name, hr, scale):
    with pytest.raises(ValueError, match="hr is"):
        run(name, hr, scale)


# --- all of them --------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    name=st.sampled_from(NAMES),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    scale=st.sampled_from([1, 2, 3, 4, 8]),
    seed=st.integers(0, 2**63),
)
def test_any_size_scale_and_seed(name, height, width, scale, seed):
    hr = np.random.default_rng(seed).integers(0, 256, (height * scale, width * scale, 3), np.uint8)
    lr = run(name, hr, scale, seed)
    assert lr.shape == (height, width, 3)
    assert lr.dtype == np.uint8
    assert np.array_equal(lr, run(name, hr, scale, seed))


@pytest.mark.parametrize("name", NAMES)
def test_every_seed_lies_over_a_real_photo(name, data):
    file = data / "train/photos/colorfulcups.jpg"
    hr = np.asarray(Image.open(file).convert("RGB"))[300:460, 300:460]
    assert shift_on(hr, name) == (0, 0)


def shift_on(hr: np.ndarray, name: str) -> tuple[int, int]:
    def normal(picture):
        gray = picture.astype(float).mean(axis=2)
        return (gray - gray.mean()) / gray.std()

    inner, total = normal(hr[8:-8, 8:-8]), {}
    for seed in range(12):
        lr = Image.fromarray(run(name, hr, 4, seed))
        up = np.asarray(lr.resize((hr.shape[1], hr.shape[0]), Image.Resampling.BICUBIC))
        for dy in range(-4, 5):
            for dx in range(-4, 5):
                part = up[8 + dy : hr.shape[0] - 8 + dy, 8 + dx : hr.shape[1] - 8 + dx]
                total[dy, dx] = total.get((dy, dx), 0) + (inner * normal(part)).mean()
    return max(total, key=total.get)


def distance(name: str, **arguments) -> float:
    """How far from the bicubic picture, on the average over seeds."""
    hr = crop()
    clean = imresize(hr, 4).astype(float)
    return float(
        np.mean([np.abs(run(name, hr, 4, seed, **arguments) - clean).mean() for seed in range(16)])
    )


def test_they_get_harder_in_this_order():
    mild, difficult, realistic = map(distance, ("mild", "difficult", "realistic"))
    assert 0 < mild < difficult < realistic


def test_wild_has_easy_and_hard_pictures():
    hr = crop()
    clean = imresize(hr, 4).astype(float)
    away = [np.abs(run("wild", hr, 4, seed) - clean).mean() for seed in range(40)]
    assert min(away) < distance("mild") * 1.2
    assert max(away) > distance("difficult")


@pytest.mark.parametrize("name", ["mild", "difficult", "wild"])
def test_strength(name):
    assert distance(name, strength=0.3) < distance(name, strength=1.0)


def test_unknown_with_a_wider_kernel_is_smoother():
    def detail(sigma):
        lr = run("unknown", crop(), 4, sigma=(sigma, sigma)).astype(float)
        return np.abs(np.diff(lr, axis=1)).mean()

    assert detail(0.3) > detail(0.9) > detail(2.0)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("unknown", {"sigma": (0.9, 0.3)}),
        ("unknown", {"sigma": 0.5}),
        ("unknown", {"sigma": (0, 0.5)}),
        ("mild", {"strength": -1}),
        ("mild", {"strength": "much"}),
        ("wild", {"strength": float("nan")}),
        ("wild", {"strength": True}),
        ("mild", {"jpeg": [0, 50]}),
        ("mild", {"jpeg": [50, 101]}),
        ("mild", {"jpeg_prob": 1.1}),
        ("wild", {"gray_prob": -0.1}),
        ("wild", {"noise": [3, 1]}),
        ("wild", {"light": [0, float("inf")]}),
        ("difficult", {"shake": [1]}),
        ("difficult", {"sigma": ["a", "b"]}),
        ("realistic", {"kernel_sizes": []}),
        ("realistic", {"kernel_sizes": [8]}),
        ("realistic", {"kernel_sizes": [23]}),
        ("realistic", {"kernel_sizes": 7}),
        ("realistic", {"kernel_prob": [0.5, 0.5]}),
        ("realistic", {"kernel_prob": [0.5, 0.5, 0.5]}),
        ("realistic", {"kernel_prob": [-0.5, 0.5, 1]}),
        ("realistic", {"isotropic_prob": [0, 0, 2]}),
        ("realistic", {"resize_prob2": [0.5, 0.4, 0.2]}),
        ("realistic", {"resize_range": [1.1, 1.5]}),
        ("realistic", {"resize_range2": [0, 1.5]}),
        ("realistic", {"blur_sigma": [0, 1]}),
        ("realistic", {"blur_sigma2": 1}),
        ("realistic", {"noise_range2": [2, 1]}),
        ("realistic", {"poisson_scale_range": [-1, 1]}),
        ("realistic", {"jpeg_range2": [0, 95]}),
        ("realistic", {"second_blur_prob": 2}),
        ("realistic", {"final_sinc_prob": "often"}),
        ("realistic", {"betag_range": [0, 4]}),
        ("mixed", {"choices": []}),
        ("mixed", {"choices": "bicubic"}),
        ("mixed", {"choices": ["mild"], "weights": [1, 2]}),
        ("mixed", {"choices": ["mild"], "weights": [0]}),
        ("mixed", {"choices": ["mild", "wild"], "weights": [-1, 2]}),
        ("mixed", {"choices": [{"name": "mild", "strenght": 1}]}),
    ],
)
def test_refused_arguments(name, arguments):
    with pytest.raises(ArgumentError) as caught:
        kinds.degradations.create(name, **arguments)
    assert name == "mixed" or next(iter(arguments)) in caught.value.what


# --- arguments ----------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1, 2, 4])
@pytest.mark.parametrize("name", ["realistic", "mild", "difficult", "wild"])
def test_the_defaults_are_those_of_before(name, scale):
    """What they made before they had arguments, told once more with its numbers."""
    import degradations_before as before

    hr = crop(64, 72)
    made = kinds.degradations.create(name)
    for seed in range(30):
        first, second = np.random.default_rng(seed), np.random.default_rng(seed)
        assert np.array_equal(made(hr, scale, first), before.MADE[name](hr, scale, second))
        assert first.random() == second.random()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("realistic", {"kernel_sizes": [7]}),
        ("realistic", {"kernel_prob": [0, 0, 1]}),
        ("realistic", {"kernel_prob": [0.333, 0.333, 0.333]}),
        ("realistic", {"kernel_prob": [0, 1, 0], "betag_range": [0.5, 0.6]}),
        ("realistic", {"isotropic_prob": [0, 0, 0]}),
        ("realistic", {"kernel_prob": [0, 0, 1], "betap_range": [3, 4]}),
        ("realistic", {"sinc_prob": 1}),
        ("realistic", {"blur_sigma": [5, 6]}),
        ("realistic", {"blur_sigma2": [5, 6]}),
        ("realistic", {"resize_prob": [0, 0, 1]}),
        ("realistic", {"resize_prob2": [1, 0, 0]}),
        ("realistic", {"resize_range": [0.9, 1]}),
        ("realistic", {"resize_range2": [0.9, 1]}),
        ("realistic", {"gaussian_noise_prob": 0}),
        ("realistic", {"gaussian_noise_prob2": 0}),
        ("realistic", {"noise_range": [50, 60]}),
        ("realistic", {"noise_range2": [50, 60]}),
        ("realistic", {"poisson_scale_range": [5, 6]}),
        ("realistic", {"poisson_scale_range2": [5, 6]}),
        ("realistic", {"gray_noise_prob": 1}),
        ("realistic", {"gray_noise_prob2": 1}),
        ("realistic", {"jpeg_range": [5, 6]}),
        ("realistic", {"jpeg_range2": [5, 6]}),
        ("realistic", {"second_blur_prob": 0}),
        ("realistic", {"final_sinc_prob": 0}),
        ("mild", {"sigma": [2, 2]}),
        ("mild", {"shake": [4, 5]}),
        ("mild", {"noise": [30, 40]}),
        ("mild", {"light": [5, 6]}),
        ("mild", {"jpeg_prob": 1, "jpeg": [5, 6]}),
        ("mild", {"gray_prob": 1}),
    ],
)
def test_every_argument_changes_something(name, arguments):
    hr = crop(64, 64)
    changed = [
        not np.array_equal(run(name, hr, 2, seed), run(name, hr, 2, seed, **arguments))
        for seed in range(12)
    ]
    assert any(changed)
    assert not kinds.degradations.create(name, **arguments).deterministic


def test_arguments_are_as_pickled_and_as_json_gives_them():
    import json
    import pickle

    plain = json.loads(
        '{"noise_range": [1, 2], "resize_prob": [0.1, 0.2, 0.7], "jpeg_range": [90, 95]}'
    )
    made = Realistic(**plain)
    again = pickle.loads(pickle.dumps(made))
    hr = crop(48, 48)
    assert np.array_equal(
        made(hr, 2, np.random.default_rng(0)), again(hr, 2, np.random.default_rng(0))
    )


# --- mixed --------------------------------------------------------------------------------


def test_mixed_draws_by_weight():
    made = Mixed(choices=["bicubic", {"name": "mild", "strength": 3}], weights=[3, 1])
    hr = crop(32, 32)
    clean = imresize(hr, 4)
    same = [np.array_equal(made(hr, 4, np.random.default_rng(s)), clean) for s in range(200)]
    assert 0.65 < np.mean(same) < 0.85


def test_mixed_names_a_missing_choice():
    with pytest.raises(MissingPluginError, match="Did you mean bicubic"):
        Mixed(choices=["bicubik"])


def test_mixed_of_one_deterministic_is_deterministic():
    assert Mixed(choices=["bicubic"]).deterministic
    assert not Mixed(choices=["bicubic", "bicubic"]).deterministic
    assert not Mixed().deterministic


# --- the parts ----------------------------------------------------------------------------


def test_bessel_function():
    # Abramowitz and Stegun, table 9.1
    x = np.array([0.5, 1.0, 3.8317, 10.0, 30.0])
    want = [0.2422684577, 0.4400505857, 0.0, 0.0434727462, -0.1187510626]
    assert np.allclose(_kernels._bessel_j1(x), want, atol=1e-5)


@pytest.mark.parametrize("size", [7, 8, 21])
@pytest.mark.parametrize(
    "make",
    [
        lambda size: _kernels.gaussian(size, 1.5, 0.7, 0.4),
        lambda size: _kernels.gaussian(size, 0.05, 0.05),
        lambda size: _kernels.plateau(size, 2.0, 1.0, 1.0, 1.5),
        lambda size: _kernels.motion(size, 4.5, 0.7, 0.5),
        lambda size: _kernels.sinc(size, 1.2),
    ],
)
def test_kernels_are_symmetric_and_sum_to_one(size, make):
    kernel = make(size)
    assert kernel.shape == (size, size)
    assert kernel.dtype == np.float32
    assert kernel.sum() == pytest.approx(1, abs=1e-5)
    assert np.allclose(kernel, kernel[::-1, ::-1], atol=1e-6)


@pytest.mark.parametrize("size", [1, 4, 7])
def test_blur_is_convolution(size):
    rng = np.random.default_rng(size)
    picture = rng.random((9, 6, 3)).astype(np.float32)
    kernel = rng.random((size, size)).astype(np.float32)
    before, after = (size - 1) // 2, size // 2
    padded = np.pad(picture, ((before, after), (before, after), (0, 0)), mode="symmetric")
    want = np.zeros_like(picture)
    for y in range(size):
        for x in range(size):
            want += kernel[size - 1 - y, size - 1 - x] * padded[y : y + 9, x : x + 6]
    assert np.allclose(_kernels.blur(picture, kernel), want, atol=1e-4)


@pytest.mark.parametrize("method", _steps.METHODS)
@pytest.mark.parametrize("size", [(20, 30), (60, 90), (31, 47), (9, 13)])
def test_resize_keeps_the_middle_of_a_ramp(method, size):
    ramp = np.broadcast_to(np.linspace(0, 200, 45)[None, :, None], (30, 45, 3))
    made = _steps.resize(ramp.astype(np.float32), size, method)
    assert made.shape == (*size, 3)
    want = (np.arange(size[1]) + 0.5) * 45 / size[1] - 0.5
    inside = slice(size[1] // 4, -size[1] // 4)
    # Enlarged by area, a ramp becomes steps: half a step off, and right on the average.
    off = made[size[0] // 2, inside, 0] - want[inside] * 200 / 44
    assert np.abs(off).max() < (2.3 if method == "area" and size[1] > 45 else 0.6)
    assert abs(off.mean()) < 0.15


def test_gray_noise_is_the_same_in_all_channels():
    flat = np.full((40, 40, 3), 120, np.float32)
    for noise in (_steps.gaussian_noise, _steps.poisson_noise):
        gray = noise(flat, 2.0, True, np.random.default_rng(0))
        colour = noise(flat, 2.0, False, np.random.default_rng(0))
        assert np.ptp(gray, axis=2).max() < 1e-3
        assert np.ptp(colour, axis=2).mean() > 1


def test_poisson_noise_is_stronger_where_it_is_light():
    noise = _steps.poisson_noise
    spread = [
        noise(np.full((90, 90, 3), level, np.float32), 1.0, False, np.random.default_rng(0)).std()
        for level in (16, 64, 225)
    ]
    assert np.allclose(spread, [4, 8, 15], rtol=0.05)


def test_realistic_is_fast_enough_to_train_with():
    made, hr = Realistic(), crop(192, 192)
    start = time.process_time()
    for seed in range(40):
        made(hr, 4, np.random.default_rng(seed))
    assert (time.process_time() - start) / 40 < 0.06  # about 0.008 on an idle machine


def test_signatures_and_defaults():
    assert Bicubic().deterministic
    assert not Unknown().deterministic
    assert not Realistic().deterministic
