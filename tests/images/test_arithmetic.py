"""Pixels on white and in fewer bits: right to the last bit, and with little memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from srzoo.images import picture


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", [(70, 90, 3), (70, 90)])
def test_on_white_to_the_last_bit(dtype, shape, monkeypatch):
    """As whole numbers of any size would have it, however few rows are computed at a time."""
    monkeypatch.setattr("srzoo.images.picture.STRIP", 1000)
    white = np.iinfo(dtype).max
    dice = np.random.default_rng(0)
    pixels = dice.integers(0, white, shape, dtype, endpoint=True)
    alpha = dice.integers(0, white, shape[:2], dtype, endpoint=True)
    pixels[:9], alpha[5:20], alpha[20:30], alpha[30:40] = white, white, 0, 1
    opacity = alpha.astype(object) if len(shape) == 2 else alpha[:, :, None].astype(object)
    want = (pixels * opacity + white * (white - opacity) + white // 2) // white
    got = picture.on_white(pixels, alpha)
    assert got.dtype == dtype
    assert np.array_equal(got, want.astype(dtype))
    assert picture.on_white(pixels, None) is pixels


def test_arithmetic_on_pixels_takes_little_memory():
    pixels = np.full((3000, 2000, 3), 50_000, np.uint16)
    alpha = np.full((3000, 2000), 7000, np.uint16)
    for make, result in (
        (lambda: picture.on_white(pixels, alpha), pixels.nbytes),
        (lambda: picture.to_8_bits(pixels), pixels.nbytes // 2),
    ):
        tracemalloc.start()
        make()
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert most < result + 16_000_000
