"""Strips, ways to a size, flat parts and transparency: what an Upscaler makes of pictures."""

from __future__ import annotations

import numpy as np
import psutil
import pytest
from helpers import Sharpen, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

import srzoo
from srzoo.errors import MemoryBudgetError
from srzoo.images import Picture
from srzoo.upscaling.memory_needs import PictureNeeds
from srzoo.upscaling.planner import BLEND, LOOK, SLACK
from srzoo.upscaling.sizing import Route, Sizing
from srzoo.upscaling.upscaler import Upscaler

RED = (220, 30, 20)


def noise(height: int, width: int, channels: int, dtype: str) -> Picture:
    """A random picture of 1 to 4 channels; every other is partly clear, partly opaque."""
    rng = np.random.default_rng(0)
    white = np.iinfo(dtype).max
    shape = (height, width) if channels < 3 else (height, width, 3)
    pixels = rng.integers(0, white, shape, dtype, endpoint=True)
    alpha = rng.integers(0, white, (height, width), dtype, endpoint=True)
    alpha[: height // 2] = np.where(alpha[: height // 2] > white // 2, white, 0)
    return Picture(pixels, alpha if channels in (2, 4) else None)


def whole(picture: Picture) -> np.ndarray:
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 150), width=st.integers(1, 70), tile=st.integers(16, 60),
    reach=st.sampled_from([2, None]), channels=st.integers(1, 4),
    dtype=st.sampled_from(["u1", "u2"]), scale=st.sampled_from([2, 1.5, 0.7, 3, 1]),
)  # fmt: skip
def test_strips_equal_the_whole(height, width, tile, reach, channels, dtype, scale):
    picture = noise(height, width, channels, dtype)
    upscaler = Upscaler(Sharpen(reach), (2,), "a", tile=tile)
    route = Sizing(scale=scale).route(picture.size, (2,))
    rows = list(upscaler.strips(picture, route))
    want = whole(upscaler.to_size(picture, route))
    assert np.array_equal(np.concatenate(rows), want)
    assert want.shape[:2] == route.size[::-1]
    assert want.dtype == picture.pixels.dtype


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 130), width=st.integers(1, 130), tile=st.integers(16, 60),
    channels=st.sampled_from([2, 4]), dtype=st.sampled_from(["u1", "u2"]),
)  # fmt: skip
def test_tiled_equals_whole_with_alpha(height, width, tile, channels, dtype):
    picture = noise(height, width, channels, dtype)
    results = [
        whole(Upscaler(Sharpen(), (2,), "a", tile=tile).upscale(picture)) for tile in ("off", tile)
    ]
    assert np.array_equal(*results)


def test_strips_of_a_network_that_sees_everything_blend_like_the_whole():
    picture = noise(200, 90, 3, "u1")
    upscaler = Upscaler(Sharpen(None), (2,), "a", tile=2 * BLEND)
    assert not upscaler.plan(picture.size).exact
    rows = [len(part) for part in upscaler.strips(picture)]
    assert sum(rows) == 400
    assert max(rows) <= 64


def test_strips_refuse_before_work_begins():
    picture = noise(400, 400, 3, "u1")
    runner = Sharpen(per_pixel=10**9)
    with pytest.raises(MemoryBudgetError):
        Upscaler(runner, (2,), "a", memory=10**9).strips(picture)
    assert runner.sizes == []


def test_strips_do_what_the_whole_cannot():
    upscaler = Upscaler(Sharpen(), (3,), "a")
    picture = Picture(np.zeros((4000, 3000), np.uint8))
    upscaler.memory = psutil.Process().memory_info().rss + SLACK + 90_000_000
    needs = PictureNeeds(Sizing(scale=3).route(picture.size, (3,)), 1, 1)
    with pytest.raises(MemoryBudgetError, match="NAME.tif"):
        upscaler.plans(needs)
    with pytest.raises(MemoryBudgetError, match="Give memory=[^,]*$"):  # no file to name
        upscaler.upscale(picture)
    assert next(upscaler.strips(picture)).shape == (64, 9000)


def test_progress_counts_every_tile_of_every_pass():
    seen: list[tuple[int, int]] = []
    upscaler = Upscaler(Sharpen(), (2,), "a", tile=20)
    route = Sizing(scale=3).route((50, 30), (2,))
    assert route.passes == (2, 2)
    upscaler.to_size(noise(30, 50, 4, "u1"), route, lambda *at: seen.append(at))
    total = 2 * (2 * 3 + 3 * 5)
    assert seen == [(n, total) for n in range(1, total + 1)]


def test_a_resize_alone_needs_no_model():
    runner = Sharpen()
    upscaler = Upscaler(runner, (2,), "a")
    picture = noise(60, 80, 4, "u1")
    smaller = upscaler.to_size(picture, Sizing(size=(40, 30)).route((80, 60), (2,)))
    assert smaller.size == (40, 30)
    assert runner.sizes == []
    same = upscaler.to_size(picture, Sizing(scale=1).route((80, 60), (2,)))
    assert np.array_equal(whole(same), whole(picture))
    assert np.array_equal(same.pixels, picture.pixels)


def test_passes_follow_each_other():
    picture = noise(20, 30, 3, "u1")
    upscaler = Upscaler(Sharpen(), (2, 3), "a")
    twice = upscaler.upscale(upscaler.upscale(picture, 2), 3)
    route = Route((2, 3), (180, 120), (30, 20))
    assert np.array_equal(upscaler.to_size(picture, route).pixels, twice.pixels)


def test_an_estimate_is_about_right():
    """By a runner that takes 20 microseconds for each pixel."""
    import time

    class Slow(Sharpen):
        def __call__(self, x, scale):
            y = super().__call__(x, scale)
            time.sleep(x.shape[2] * x.shape[3] * 20e-6)
            return y

    upscaler = Upscaler(Slow(), (2,), "a")
    route = Sizing(scale=4).route((100, 100), (2,))
    seconds = upscaler.seconds(upscaler.plans(PictureNeeds(route)))
    assert 1.0 <= seconds <= 6  # 50,000 pixels; the machine may be busy
    assert PictureNeeds(route).result_bytes == 480_000


# Flat parts


FLAT = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 0, 255), (0, 255, 0), (227, 18, 239)]


@pytest.mark.parametrize("colour", FLAT)
@pytest.mark.parametrize(
    ("model", "levels"), [("bicubic-x2", 0), ("bicubic-x4", 0), ("edsr-x4", 2)]
)
def test_flat_colours_stay_to_the_edge(models, model, levels, colour):
    flat = np.empty((20, 24, 3), np.uint8)
    flat[:] = colour
    big = models(model)(flat).astype(int)
    assert np.abs(big - colour).max() <= levels


@pytest.mark.parametrize("value", [0, 1, 77, 254, 255])
@pytest.mark.parametrize(
    ("model", "levels"), [("bicubic-x2", 0), ("bicubic-x4", 0), ("edsr-x4", 2)]
)
def test_flat_grays_stay_and_are_gray(models, model, levels, value):
    big = models(model)(np.full((20, 24), value, np.uint8)).astype(int)
    assert big.shape == (20 * int(model[-1]), 24 * int(model[-1]))
    assert np.abs(big - value).max() <= levels
    deep = models(model)(np.full((20, 24, 3), value * 257, np.uint16)).astype(int)
    assert np.abs(deep - value * 257).max() <= levels * 257


def test_a_flat_part_of_a_picture_stays_flat(models):
    """From two pixels inside on; magenta is the colour that edsr-x4 misses most."""
    picture = np.asarray(drawn(60, 40)).copy()
    picture[10:34, 15:45] = (255, 0, 255)
    big = models("edsr-x4")(picture).astype(int)
    inner = big[4 * (10 + LOOK) : 4 * (34 - LOOK), 4 * (15 + LOOK) : 4 * (45 - LOOK)]
    assert np.abs(inner - (255, 0, 255)).max() <= 2


def test_bounds_leave_photos_alone(models, data, monkeypatch):
    photo = np.asarray(Image.open(data / "benchmarks/Set5/x4/LR/img_002.png").convert("RGB"))
    bounded = models("edsr-x4")(photo)
    monkeypatch.setattr("srzoo.upscaling.tiles.clip_to_neighbours", lambda y, *_: np.clip(y, 0, 1))
    free = models("edsr-x4")(photo)
    assert np.mean(bounded != free) < 1e-4


@pytest.mark.parametrize("reach", [2, None])
def test_values_never_leave_their_range(reach):
    class Wild(Sharpen):
        def __call__(self, x, scale):
            return 5 * super().__call__(x, scale) - 2

    for picture in (noise(40, 50, 4, "u1"), noise(40, 50, 3, "u2")):
        big = Upscaler(Wild(reach), (2,), "a", tile=20).upscale(picture)
        assert big.pixels.dtype == picture.pixels.dtype
        assert big.pixels.min() == 0
        assert big.pixels.max() == np.iinfo(picture.pixels.dtype).max


# Transparency


def disc(hidden: tuple[int, int, int] = (0, 0, 0), side: int = 40) -> Picture:
    """A red disc with a smooth edge; what cannot be seen has the colour ``hidden``."""
    large = Image.new("L", (side * 8, side * 8))
    ImageDraw.Draw(large).ellipse((side, side, side * 7, side * 7), fill=255)
    alpha = np.array(large.resize((side, side), Image.Resampling.BOX))
    pixels = np.empty((side, side, 3), np.uint8)
    pixels[:] = hidden
    pixels[alpha > 0] = RED
    return Picture(pixels, alpha)


def on(picture: Picture, background: int) -> np.ndarray:
    opacity = picture.alpha[:, :, None] / 255.0
    return picture.pixels * opacity + background * (1 - opacity)


@pytest.mark.parametrize("hidden", [(0, 0, 0), (255, 255, 255), (0, 255, 0)])
@pytest.mark.parametrize(
    ("model", "size"),
    [("bicubic-x2", None), ("bicubic-x4", None), ("edsr-x4", None), ("bicubic-x2", "long=99"),
     ("bicubic-x2", "long=21")],
)  # fmt: skip
def test_a_red_disc_has_no_fringe(models, model, size, hidden):
    """Over white and black each pixel is a mixture of red and the background, and no other."""
    upscaler = models(model)
    picture = disc(hidden)
    big = upscaler.to_size(picture, Sizing.parse(size=size).route(picture.size, upscaler.scales))
    for background in (0, 255):
        over = on(big, background)
        share = big.alpha[:, :, None] / 255.0
        ideal = np.array(RED) * share + background * (1 - share)
        assert np.abs(over - ideal).max() <= 2
    # Across the edge nothing gets darker over white than red is, or lighter over black.
    assert on(big, 255)[..., 0].min() >= RED[0] - 2
    assert on(big, 0)[..., 1].max() <= RED[1] + 2
    assert {int(big.alpha.min()), int(big.alpha.max())} == {0, 255}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 99), tile=st.sampled_from(["off", 20, 37]), deep=st.booleans())
def test_hidden_colours_have_no_influence(seed, tile, deep):
    picture = noise(75, 90, 4, "u2" if deep else "u1")
    rng = np.random.default_rng(seed)
    others = rng.integers(0, np.iinfo(picture.pixels.dtype).max, picture.pixels.shape)
    pixels = np.where(picture.alpha[..., None] == 0, others, picture.pixels)
    changed = Picture(pixels.astype(picture.pixels.dtype), picture.alpha)
    upscaler = Upscaler(Sharpen(), (2,), "a", tile=tile)
    assert np.array_equal(whole(upscaler.upscale(picture)), whole(upscaler.upscale(changed)))
    assert (pixels != picture.pixels).any()


def test_opaque_alpha_changes_nothing(models):
    picture = Picture(np.asarray(drawn()))
    opaque = Picture(picture.pixels, np.full(picture.pixels.shape[:2], 255, np.uint8))
    for model in ("bicubic-x2", "edsr-x4"):
        big = models(model).upscale(opaque)
        assert np.array_equal(big.pixels, models(model).upscale(picture).pixels)
        assert (big.alpha == 255).all()


@pytest.mark.parametrize("model", ["bicubic-x4", "edsr-x4"])
def test_clear_stays_clear_and_opaque_opaque(models, model):
    """Alpha is exact wherever a pixel and its neighbours have one value; and it never rings."""
    picture = disc()
    big = models(model).upscale(picture).alpha.repeat(1, 0)
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(picture.alpha, 1, mode="edge"), (3, 3)
    )
    low, high = (
        np.kron(e, np.ones((4, 4), int)) for e in (windows.min((2, 3)), windows.max((2, 3)))
    )
    assert ((big >= low) & (big <= high)).all()
    assert (big[low == high] == low[low == high]).all()


def test_edges_of_alpha_are_as_sharp_as_the_models(models):
    soft = models("bicubic-x4").upscale(disc()).alpha
    sharp = models("edsr-x4").upscale(disc()).alpha
    between = [int(((alpha > 30) & (alpha < 225)).sum()) for alpha in (soft, sharp)]
    assert between[1] < 0.7 * between[0]


def test_shadows_keep_their_detail(models):
    """Where all is half transparent, colours are those of the opaque picture."""
    pixels = np.asarray(drawn())
    half = models("bicubic-x2").upscale(Picture(pixels, np.full(pixels.shape[:2], 100, np.uint8)))
    assert np.array_equal(half.pixels, models("bicubic-x2")(pixels))
    assert (half.alpha == 100).all()


def test_all_transparent_is_no_trouble(models):
    clear = Picture(np.asarray(drawn()), np.zeros((31, 45), np.uint8))
    assert (models("bicubic-x2").upscale(clear).alpha == 0).all()


@pytest.fixture(scope="module")
def models():
    """Released models by name, each loaded once."""
    loaded: dict[str, Upscaler] = {}

    def get(name: str) -> Upscaler:
        if name not in loaded:
            loaded[name] = srzoo.load(name)
        return loaded[name]

    return get


def test_memory_is_given_back_between_tiles_where_it_would_be_missing(monkeypatch):
    calls: list[int] = []
    monkeypatch.setattr("srzoo.common.memory.give_back", lambda: calls.append(1))
    monkeypatch.setattr("srzoo.upscaling.stitching.TIDY_EVERY", 0.0)
    picture = np.zeros((200, 300, 3), np.uint8)
    upscaler = Upscaler(Sharpen(), (2,), "a", tile=50, memory=10**11)
    used = psutil.Process().memory_info().rss
    monkeypatch.setattr("srzoo.common.memory.used", lambda: 0)
    upscaler(picture)
    assert calls == []
    monkeypatch.setattr("srzoo.common.memory.used", lambda: 2 * used)
    upscaler(picture)
    assert len(calls) == 24
