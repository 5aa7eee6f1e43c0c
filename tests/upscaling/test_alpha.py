"""Colour under transparency: what is visible is continued, what is hidden has no influence."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from srzoo.images.rectangles import Rectangle
from srzoo.upscaling.alpha import BLOCK, TRANSPARENT, extend_colours
from srzoo.upscaling.tiles import TileSource


def picture(height: int, width: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Random colours; alpha with holes of all sizes, hard and soft."""
    rng = np.random.default_rng(seed)
    colour = rng.random((height, width, 3), np.float32)
    alpha = rng.random((height, width), np.float32)
    alpha[rng.random((height, width)) < 0.3] = 1
    if seed % 2:  # hardly anything is visible, so colours come from far away
        alpha[rng.random((height, width)) < 0.998] = 0
    y, x = np.mgrid[:height, :width]
    for _ in range(3):
        top, left, radius = rng.integers(0, height), rng.integers(0, width), rng.integers(1, 90)
        alpha[(y - top) ** 2 + (x - left) ** 2 < radius**2] = 0
    return colour, alpha


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 99), top=st.integers(0, 200), left=st.integers(0, 230),
    height=st.integers(1, 80), width=st.integers(1, 80),
)  # fmt: skip
def test_a_part_is_as_in_the_whole(seed, top, left, height, width):
    """So tiles and strips agree, wherever they are cut."""
    colour, alpha = ((255 * plane).astype(np.uint8) for plane in picture(211, 243, seed))
    source = TileSource(colour, alpha)
    all_ = source.cut(Rectangle(0, 0, 243, 211))
    left, top = min(left, 242), min(top, 210)
    place = Rectangle(left, top, min(width, 243 - left), min(height, 211 - top))
    assert np.array_equal(source.cut(place), place.cut(all_))


def test_only_what_is_near_matters():
    colour, alpha = picture(400, 400)
    alpha[100:300, 100:300] = 0
    before = extend_colours(colour, alpha)
    far = colour.copy()
    far[: 192 - BLOCK] = 0
    after = extend_colours(far, alpha)
    assert np.array_equal(before[192:], after[192:])
    assert (before[190:210, 190:210] == TRANSPARENT).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 99))
def test_the_visible_stays_and_the_hidden_comes_from_the_visible(seed):
    colour, alpha = picture(90, 110, seed)
    found = extend_colours(colour, alpha)
    assert found.dtype == np.float32
    assert np.array_equal(found[alpha == 1], colour[alpha == 1])
    shown = colour[alpha > 0]
    low, high = shown.min(axis=0, initial=1) - 1e-6, shown.max(axis=0, initial=0) + 1e-6
    within = (found >= low) & (found <= high)
    assert (within | (found == TRANSPARENT)).all()
    other = np.where(alpha[..., None] == 0, 9, colour).astype(np.float32)
    assert np.array_equal(extend_colours(other, alpha), found)


def test_one_colour_is_continued_everywhere():
    alpha = np.zeros((60, 60), np.float32)
    alpha[20:40, 25:35] = 1
    colour = np.zeros((60, 60, 3), np.float32)
    colour[alpha == 1] = (0.9, 0.1, 0.2)
    found = extend_colours(colour, alpha)
    near = found[10:50, 15:45]
    assert np.allclose(near, (0.9, 0.1, 0.2), atol=1e-6)


def test_even_transparency_keeps_all_detail():
    colour, _ = picture(50, 60)
    assert np.array_equal(extend_colours(colour, np.full((50, 60), 0.2, np.float32)), colour)


def test_a_hardly_visible_edge_takes_on_the_colour_beside_it():
    """A dark pixel of alpha 3 beside red of 255 would be a dark fringe once it is enlarged."""
    colour = np.zeros((9, 9, 3), np.float32)
    colour[:, :5] = (1, 0, 0)
    alpha = np.zeros((9, 9), np.float32)
    alpha[:, :5], alpha[:, 5] = 1, 3 / 255
    found = extend_colours(colour, alpha)
    assert (found[:, 5, 0] > 0.9).all()
