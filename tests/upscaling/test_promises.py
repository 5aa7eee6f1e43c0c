"""What an Upscaler promises besides: no network without need, gray, strength, pickles, threads."""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from helpers import Sharpen, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import srzoo
from srzoo.errors import PictureError, SrzooError
from srzoo.images import Picture
from srzoo.networks import folders
from srzoo.networks.runner import MemoryNeeds, ModuleRunner
from srzoo.upscaling import tiles
from srzoo.upscaling.memory_needs import PictureNeeds
from srzoo.upscaling.sizing import Sizing
from srzoo.upscaling.upscaler import Upscaler


class Untouchable:
    """A runner that must not be asked anything, not even what it is."""

    def __getattribute__(self, name):
        raise AssertionError(f"the runner was asked for {name}")


class Colours(Sharpen):
    """As a network does, it makes colours of gray."""

    def __call__(self, x, scale):
        self.seen = x.shape
        return super().__call__(x, scale) + np.float32([0.05, 0, -0.08])[None, :, None, None]


def noise(height: int, width: int, channels: int, dtype: str = "u1") -> Picture:
    white = np.iinfo(dtype).max
    planes = np.random.default_rng(0).integers(0, white, (height, width, 4), dtype, endpoint=True)
    colours = planes[:, :, 0] if channels < 3 else planes[:, :, :3]
    return Picture(np.ascontiguousarray(colours), planes[:, :, 3] if channels in (2, 4) else None)


# Ways without passes


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("strength", [1, 0.5])
@pytest.mark.parametrize(
    "sizing",
    [Sizing(scale=1), Sizing(scale=0.5), Sizing(size=(80, 60)), Sizing(size=(31, 60)),
     Sizing(side=("long", 20)), Sizing(scale=1.01)],
)  # fmt: skip
def test_no_network_is_asked_where_none_is_needed(channels, dtype, strength, sizing):
    upscaler = Upscaler(Untouchable(), (2,), "a", memory=10**10, strength=strength)
    picture = noise(60, 80, channels, dtype)
    before = copy.deepcopy(picture)
    route = sizing.route(picture.size, upscaler.scales)
    assert route.passes == ()
    assert upscaler.plans(PictureNeeds(route, format="png")) == ()
    assert upscaler.plans(PictureNeeds(route, streamed=True)) == ()
    assert upscaler.seconds(()) == 0
    whole = upscaler.to_size(picture, route)
    rows = np.concatenate(list(upscaler.strips(picture, route)))
    planes = whole.pixels if whole.alpha is None else np.dstack([whole.pixels, whole.alpha])
    assert np.array_equal(rows, planes)
    assert whole.size == route.size
    if route.size == picture.size:
        assert np.array_equal(whole.pixels, before.pixels)
        assert channels in (1, 3) or np.array_equal(whole.alpha, before.alpha)


def test_a_model_whose_scale_is_one_is_run():
    runner = Sharpen()
    Upscaler(runner, (1,), "restores")(np.zeros((4, 5, 3), np.uint8))
    assert runner.sizes


# Gray that is stored as colours


def repeated(gray: np.ndarray) -> np.ndarray:
    return np.repeat(gray[:, :, None], 3, axis=2)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 90), width=st.integers(1, 60), tile=st.sampled_from(["off", 16, 33]),
    dtype=st.sampled_from(["u1", "u2"]), alpha=st.booleans(), reach=st.sampled_from([2, None]),
    scale=st.sampled_from([2, 3, 0.6, 4]), strength=st.sampled_from([1, 0.4, 0]),
)  # fmt: skip
def test_gray_in_three_channels_is_gray(height, width, tile, dtype, alpha, reach, scale, strength):
    gray = noise(height, width, 2 if alpha else 1, dtype)
    colours = Picture(repeated(gray.pixels), gray.alpha)
    upscaler = Upscaler(Colours(reach), (2,), "a", tile=tile, strength=strength)
    route = Sizing(scale=scale).route(gray.size, (2,))
    want, got = upscaler.to_size(gray, route), upscaler.to_size(colours, route)
    assert np.array_equal(got.pixels, repeated(want.pixels))
    assert got.pixels.dtype == gray.pixels.dtype
    assert not alpha or np.array_equal(got.alpha, want.alpha)
    rows = np.concatenate(list(upscaler.strips(colours, route)))
    assert np.array_equal(rows[:, :, :3], got.pixels)


def test_gray_of_every_type_stays_gray():
    upscaler = Upscaler(Colours(), (2,), "a", tile=20)
    gray = np.asarray(drawn(mode="L"))
    for dtype in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        array = gray.astype(dtype) if np.dtype(dtype).kind == "u" else (gray / 255).astype(dtype)
        big = upscaler(repeated(array))
        assert big.shape == (62, 90, 3)
        assert big.dtype == dtype
        assert big.flags.c_contiguous
        assert np.array_equal(big, repeated(upscaler(array)))
    image = upscaler(Image.fromarray(gray).convert("RGB"))
    assert image.mode == "RGB"
    assert np.array_equal(np.asarray(image), upscaler(repeated(gray)))
    for tensor in (torch.from_numpy(gray.copy()), torch.from_numpy(gray / 255).float()):
        big = upscaler(tensor.expand(2, 3, *gray.shape))
        assert torch.equal(big[:, 0], big[:, 1])
        assert torch.equal(big[:, 0], big[:, 2])


def test_one_pixel_of_colour_is_enough_to_be_a_colour_picture():
    picture = repeated(noise(300, 40, 1).pixels)
    assert tiles.all_gray(picture)
    for at in ((0, 0, 0), (299, 39, 2), (150, 20, 1)):
        coloured = picture.copy()
        coloured[at] ^= 1
        assert not tiles.all_gray(coloured)
    big = Upscaler(Colours(), (2,), "a")(coloured)
    assert (big[:, :, 0] != big[:, :, 2]).any()


def test_a_real_model_keeps_gray(bicubic_and_edsr):
    gray = np.asarray(drawn(mode="L"))
    for upscaler in bicubic_and_edsr:
        big = upscaler(repeated(gray))
        assert np.array_equal(big, repeated(upscaler(gray)))


@pytest.fixture(scope="module")
def bicubic_and_edsr():
    return srzoo.load("bicubic-x4"), srzoo.load("edsr-x4")


# Strength


def test_between_a_model_and_bicubic(bicubic_and_edsr):
    """In floats: the mean by weight; the ends are the model itself and bicubic-x4."""
    bicubic, model = bicubic_and_edsr
    picture = (np.asarray(drawn()) / 255).astype(np.float32)

    def at(strength: float) -> np.ndarray:
        return Upscaler(model.runner, (4,), "a", strength=strength)(picture)

    ends = at(0), at(1)
    assert np.array_equal(ends[1], model(picture))
    assert np.abs(ends[0] - bicubic(picture)).max() < 1e-5
    for strength in (0.1, 0.5, 0.75):
        mixed = strength * ends[1] + (1 - strength) * ends[0]
        assert np.abs(at(strength) - mixed).max() < 1e-6
    assert np.abs(at(0.5) - ends[1]).max() > 0.01


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("size", [(31, 45), (1, 1), (2, 9)])
def test_none_of_the_model_is_bicubic(scale, size):
    """As srzoo's own bicubic model and MATLAB have it, without a network."""
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    want = srzoo.load(f"bicubic-x{scale}")(picture)
    got = Upscaler(Untouchable(), (scale,), "a", strength=0, memory=10**10)(picture)
    assert np.abs(got - want).max() < 1e-5


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 70), width=st.integers(1, 70), tile=st.integers(16, 60),
    channels=st.integers(1, 4), dtype=st.sampled_from(["u1", "u2"]),
    strength=st.sampled_from([0, 0.3, 0.999]), scale=st.sampled_from([2, 3]),
)  # fmt: skip
def test_mixed_tiles_are_the_mixed_whole(height, width, tile, channels, dtype, strength, scale):
    picture = noise(height, width, channels, dtype)
    one, other = (
        Upscaler(Sharpen(), (scale,), "a", tile=tile, strength=strength).upscale(picture)
        for tile in ("off", tile)
    )
    assert np.array_equal(one.pixels, other.pixels)
    if picture.alpha is None:
        return
    assert np.array_equal(one.alpha, other.alpha)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(picture.alpha, 1, mode="edge"), (3, 3)
    )
    low, high = (
        extreme.repeat(scale, 0).repeat(scale, 1)
        for extreme in (windows.min((2, 3)), windows.max((2, 3)))
    )
    assert ((one.alpha >= low) & (one.alpha <= high)).all()


def test_full_strength_costs_nothing(monkeypatch):
    picture = noise(40, 50, 4)
    want = Upscaler(Sharpen(), (2,), "a").upscale(picture)
    monkeypatch.setattr("srzoo.images.bicubic.enlarge", lambda *_: pytest.fail("interpolated"))
    for strength in (1, 1.0, np.float32(1)):
        got = Upscaler(Sharpen(), (2,), "a", strength=strength).upscale(picture)
        assert np.array_equal(got.pixels, want.pixels)


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan"), float("inf"), True, "0.5", None])
def test_what_is_no_strength(strength):
    with pytest.raises(PictureError, match=r"strength is .*from 0 \(bicubic\) to 1"):
        Upscaler(Sharpen(), (2,), "a", strength=strength)


# Pickles


def made(scale: int, strength: float) -> Upscaler:
    again = partial(made, scale, strength)
    return Upscaler(Sharpen(), (scale,), "made", strength=strength, again=again)


def enlarged(upscaler: Upscaler, picture: np.ndarray) -> np.ndarray:
    return upscaler(picture)


def test_a_pickle_makes_it_again():
    first, picture = made(3, 0.5), noise(20, 30, 3).pixels
    second = pickle.loads(pickle.dumps(first))
    third = pickle.loads(pickle.dumps(second))
    for other in (second, third, copy.deepcopy(first)):
        assert other is not first
        assert (other.scales, other.name, other.strength) == ((3,), "made", 0.5)
        assert np.array_equal(other(picture), first(picture))


def test_a_spawned_process_gets_it():
    picture = noise(20, 30, 3).pixels
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        got = pool.apply(enlarged, (made(2, 1.0), picture))
    assert np.array_equal(got, made(2, 1.0)(picture))


def test_one_that_nobody_can_make_again_is_not_pickled():
    with pytest.raises(SrzooError, match=r"srzoo\.load"):
        pickle.dumps(Upscaler(Sharpen(), (2,), "a"))


# Threads


def test_threads_share_one(tmp_path):
    """With the torch engine, from its very first use on; every result is the lone thread's."""
    torch.manual_seed(0)
    args = {"n_resblocks": 1, "n_feats": 8, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    folder = folders.save(net, tmp_path / "net", generator="edsr", args=args).path
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (20 + 7 * i % 31, 25 + i, 3), np.uint8) for i in range(48)]
    shared, alone = (srzoo.load(folder, tile=24) for _ in range(2))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(shared, pictures))
    for picture, result in zip(pictures, found, strict=True):
        assert np.array_equal(result, alone(picture))


def test_threads_that_begin_at_once_measure_one_after_the_other(monkeypatch):
    """For as long as it lasts the environment, which the process has once, is changed."""
    measuring: list[int] = []

    def needs(*_):
        measuring.append(1)
        assert len(measuring) == 1
        time.sleep(0.01)
        measuring.pop()
        return MemoryNeeds(7)

    monkeypatch.setattr("srzoo.networks.runner.measure_memory", needs)
    runners = [ModuleRunner(srzoo.generators.create("bicubic", scale=2)) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(lambda runner: runner.bytes_per_pixel(2), runners)) == {7}


def test_threads_share_the_notes_of_speed():
    shared = Upscaler(Sharpen(), (2,), "a", tile=16)
    picture = noise(64, 64, 3).pixels
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: shared(picture), range(40)))
    pixels, seconds = shared._stitcher._spent[2]
    assert (
        pixels == 40 * sum(h * w for h, w in shared.runner.sizes) // len(shared.runner.sizes) * 16
    )
    assert seconds > 0
    with ThreadPoolExecutor(8) as pool:
        route = Sizing(scale=2).route((100, 100), (2,))
        fresh = Upscaler(Sharpen(), (2,), "a")
        plans = fresh.plans(PictureNeeds(route))
        times = list(pool.map(lambda _: fresh.seconds(plans), range(8)))
    assert all(0 < time < 60 for time in times)
