"""Any size: what is asked for, which way leads there, and a resize that strips do not change."""

from __future__ import annotations

import math

import numpy as np
import pytest
from helpers import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srzoo.errors import PictureError
from srzoo.upscaling.sizing import BAND, NEARLY_EXACT, Route, Sizing, resized, rows_held


@pytest.mark.parametrize(
    ("scale", "size", "want"),
    [
        (None, None, Sizing()),
        ("3", None, Sizing(scale=3)),
        ("1.5", None, Sizing(scale=1.5)),
        ("x4", None, Sizing(scale=4)),
        ("4x", None, Sizing(scale=4)),
        (".5", None, Sizing(scale=0.5)),
        (None, "3840x2160", Sizing(size=(3840, 2160))),
        (None, " 3840 X 2160 ", Sizing(size=(3840, 2160))),
        (None, "width=3840", Sizing(side=("width", 3840))),
        (None, "height = 2160", Sizing(side=("height", 2160))),
        (None, "long=4096", Sizing(side=("long", 4096))),
        (None, "short=1080", Sizing(side=("short", 1080))),
    ],
)
def test_what_can_be_asked_for(scale, size, want):
    assert Sizing.parse(scale, size) == want


@pytest.mark.parametrize(
    ("scale", "size", "message"),
    [
        ("0", None, "not a scale"),
        ("-2", None, "not a scale"),
        ("nan", None, "not a scale"),
        ("inf", None, "not a scale"),
        ("1e9", None, "not a scale"),
        ("two", None, "'two' is not a scale. Write a number"),
        ("", None, "not a scale"),
        (None, "", "not a size"),
        (None, "3840", "not a size. Write 3840x2160, width=3840"),
        (None, "0x100", "at least one pixel"),
        (None, "99999999999x1", "not a size"),
        (None, "widht=3840", "no side 'widht'. Did you mean width"),
        (None, "width=-1", "not a size"),
        (None, "width=1.5", "not a size"),
        ("2", "10x10", "both"),
    ],
)
def test_what_cannot(scale, size, message):
    with pytest.raises(PictureError, match=message):
        Sizing.parse(scale, size)


@pytest.mark.parametrize(
    ("scale", "size", "source", "scales", "passes", "target", "told"),
    [
        (None, None, (10, 7), (4,), (4,), (40, 28), "x4"),
        ("4", None, (10, 7), (4,), (4,), (40, 28), "x4"),
        ("3", None, (10, 7), (4, 3, 2), (3,), (30, 21), "x3"),
        ("8", None, (10, 7), (4, 3, 2), (2, 4), (80, 56), "x2, x4"),
        ("1.5", None, (10, 7), (4,), (4,), (15, 11), "x4, then resized to 15x11"),
        ("3", None, (10, 7), (4,), (4,), (30, 21), "x4, then resized to 30x21"),
        ("8", None, (10, 7), (2,), (2, 2, 2), (80, 56), "x2, x2, x2"),
        ("8", None, (10, 7), (2, 3, 4), (2, 4), (80, 56), "x2, x4"),
        ("5", None, (10, 7), (2, 3, 4), (2, 3), (50, 35), "x2, x3, then resized to 50x35"),
        ("8", None, (10, 7), (4,), (4, 4), (80, 56), "x4, x4, then resized to 80x56"),
        ("0.5", None, (10, 7), (4,), (), (5, 4), "resized to 5x4"),
        ("1", None, (10, 7), (4,), (), (10, 7), "not changed"),
        (None, "long=4096", (1024, 768), (4,), (4,), (4096, 3072), "x4"),
        (None, "long=4096", (768, 1024), (4,), (4,), (3072, 4096), "x4"),
        (None, "short=20", (10, 7), (2,), (2, 2), (29, 20), "x2, x2, then resized to 29x20"),
        (None, "width=1000", (333, 333), (3,), (3,), (1000, 1000), "x3, then resized to 1000x1000"),
        (None, "3840x2160", (1920, 1080), (2, 4), (2,), (3840, 2160), "x2"),
        (None, "300x100", (100, 100), (2,), (2, 2), (300, 100),
         "x2, x2, then resized to 300x100 (stretched: 200% wider)"),
        (None, "50x100", (100, 100), (2,), (), (50, 100),
         "resized to 50x100 (stretched: 50% narrower)"),
    ],
)  # fmt: skip
def test_the_way(scale, size, source, scales, passes, target, told):
    route = Sizing.parse(scale, size).route(source, scales)
    assert (route.passes, route.size, str(route)) == (passes, target, told)
    assert route.source == source


def test_a_model_with_several_scales_has_none_of_its_own():
    with pytest.raises(PictureError, match="can enlarge by 2, 3. Choose the scale"):
        Sizing().route((10, 7), (2, 3))
    with pytest.raises(PictureError, match="enlarges only by 1"):
        Sizing(scale=2).route((10, 7), (1,))


@given(
    width=st.integers(1, 5000), height=st.integers(1, 5000),
    scale=st.floats(0.01, 40), scales=st.sampled_from([(2,), (3,), (4,), (2, 3, 4), (8,), (1, 2)]),
)  # fmt: skip
def test_passes_reach_the_size_and_no_pass_is_too_many(width, height, scale, scales):
    route = Sizing(scale=scale).route((width, height), scales)
    assert all(abs(a - b * scale) <= 0.51 for a, b in zip(route.size, (width, height), strict=True)
               if b * scale >= 1)  # fmt: skip
    reached = math.prod(route.passes) * NEARLY_EXACT
    assert reached * width >= route.size[0] - 1
    assert reached * height >= route.size[1] - 1
    if route.passes:  # without the largest pass it would be too small
        needed = max(route.size[0] / width, route.size[1] / height)
        fewer = math.prod(route.passes) // max(route.passes)
        assert fewer * NEARLY_EXACT < needed + 1e-9
    assert list(route.passes) == sorted(route.passes)


def cut(picture: np.ndarray, lengths: list[int]):
    top = 0
    for length in lengths:
        if top < len(picture):
            yield picture[top : top + length]
            top += length
    if top < len(picture):
        yield picture[top:]


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 150), st.integers(1, 300)),
    target=st.tuples(st.integers(1, 200), st.integers(1, 300)),
    lengths=st.lists(st.integers(1, 120), max_size=8), dtype=st.sampled_from(["u1", "u2", "f4"]),
    channels=st.sampled_from([(), (2,), (3,), (4,)]),
)  # fmt: skip
def test_strips_do_not_change_a_resize(size, target, lengths, dtype, channels):
    rng = np.random.default_rng(0)
    picture = rng.random((size[1], size[0], *channels), np.float32)
    if dtype != "f4":
        picture = (picture * np.iinfo(dtype).max).astype(dtype)
    whole = np.concatenate(list(resized(iter([picture]), size, target)))
    parts = list(resized(cut(picture, lengths), size, target))
    assert np.array_equal(np.concatenate(parts), whole)
    assert whole.shape == (target[1], target[0], *channels)
    assert whole.dtype == picture.dtype
    assert all(len(part) <= BAND for part in parts)


@pytest.mark.parametrize("target", [(31, 22), (45, 31), (60, 31), (46, 32), (90, 62)])
@pytest.mark.parametrize("height", [31, 400])
def test_it_is_pillows_lanczos(target, height):
    # Pillow rounds and clips between its two passes, which shows where a line overshoots.
    picture = drawn(45, height).point(lambda value: 80 + value // 3)
    target = target[0], target[1] * height // 31
    found = np.concatenate(list(resized(iter([np.asarray(picture)]), (45, height), target)))
    want = np.asarray(picture.resize(target, Image.Resampling.LANCZOS))
    assert np.abs(found.astype(int) - want).max() <= 1


def test_it_is_antialiased():
    """A checkerboard made three times smaller is gray, not another checkerboard."""
    board = ((np.indices((120, 120)).sum(axis=0) % 2) * 255).astype(np.uint8)
    found = np.concatenate(list(resized(iter([board]), (120, 120), (37, 41))))
    assert np.abs(found[3:-3, 3:-3].astype(int) - 127.5).max() < 12


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("part", [0, 0.5, 1])
def test_flat_stays_flat(dtype, part):
    value = int(np.iinfo(dtype).max * part)
    flat = np.full((50, 40, 3), value, dtype)
    found = np.concatenate(list(resized(iter([flat]), (40, 50), (61, 23))))
    assert (found == value).all()


def test_16_bits_are_not_8():
    ramp = np.tile(np.arange(1000, dtype=np.uint16), (300, 1))
    found = np.concatenate(list(resized(iter([ramp]), (1000, 300), (500, 150))))
    assert len(np.unique(found[75])) == 500
    assert np.abs(found[75, 5:-5].astype(int) - (np.arange(500) * 2 + 0.5)[5:-5]).max() <= 1


def test_only_some_rows_are_held():
    """No more rows are taken in than are needed for what has come out."""
    taken = 0

    def rows():
        nonlocal taken
        for _ in range(4000):
            taken += 1
            yield np.zeros((1, 20, 3), np.uint8)

    out = resized(rows(), (20, 4000), (10, 1500))
    given = 0
    for part in out:
        given += len(part)
        assert taken - given * 4000 / 1500 <= rows_held((20, 4000), (10, 1500))
    assert given == 1500


def test_a_route_knows_what_the_passes_make():
    route = Route((2, 4), (70, 50), (10, 7))
    assert route.model_size == (80, 56)
    assert route.resized
    assert not Route((2,), (20, 14), (10, 7)).resized
