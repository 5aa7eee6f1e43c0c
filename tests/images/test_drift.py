"""Formats with loss do not shift colours, however often a picture goes through them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from srzoo import images

LOSSY = ("avif", "heic", "webp", "jpg")


def lifelike(side: int = 160) -> np.ndarray:
    """Colours over many scales, away from black and white, as photos have them."""
    rng = np.random.default_rng(8)
    whole = np.zeros((side, side, 3))
    for scale in (2, 4, 8, 16, 32, 64):
        small = Image.fromarray(rng.integers(0, 256, (scale, scale, 3), np.uint8))
        whole += np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)) / scale**0.7
    whole -= whole.min()
    return (30 + 190 * whole / whole.max()).round().astype(np.uint8)


def through(pixels: np.ndarray, format: str, quality: int) -> np.ndarray:
    if format == "heic":
        pytest.importorskip("pillow_heif", reason="the extra heic is not installed")
    buffer = io.BytesIO()
    images.write(images.Picture(pixels), buffer, format, quality)
    return images.read(buffer).pixels


def shift(after: np.ndarray, before: np.ndarray) -> float:
    return float(np.abs(after.mean((0, 1)) - before.mean((0, 1))).max())


@pytest.mark.parametrize("quality", [60, 85, 95, 100])
def test_avif_does_not_drift(quality):
    first = pixels = lifelike()
    far = []
    for _ in range(10):
        pixels = through(pixels, "avif", quality)
        far.append(shift(pixels, first))
    assert far[0] < 0.25
    assert far[9] < 1


@pytest.mark.parametrize("colour", [(200, 40, 40), (40, 200, 40), (40, 40, 200), (200, 200, 40)])
def test_strong_colours_come_back_to_a_level(colour):
    """At the quality that loses nothing but by the change of colours; libyuv is two levels off."""
    noise = np.random.default_rng(0).integers(-20, 20, (96, 96, 3))
    pixels = (np.array(colour) + noise).astype(np.uint8)
    found = through(pixels, "avif", 100)
    assert np.abs(found.astype(int) - pixels).max() <= 1
    assert shift(found, pixels) < 0.2


@pytest.mark.parametrize("subsampling", ["4:2:0", "4:4:4"])
def test_what_is_mended_is_there(subsampling):
    """Pillow's usual way, by both sides: if this fails, the mending can go."""
    first = lifelike()
    buffer = io.BytesIO()
    Image.fromarray(first).save(buffer, "AVIF", quality=85, subsampling=subsampling)
    assert shift(np.asarray(Image.open(buffer)), first) > 0.4


@pytest.mark.parametrize("quality", [60, 90])
def test_avif_with_alpha_does_not_shift(quality):
    pixels = lifelike()
    alpha = np.full(pixels.shape[:2], 200, np.uint8)
    buffer = io.BytesIO()
    images.write(images.Picture(pixels, alpha), buffer, "avif", quality)
    found = images.read(buffer)
    assert shift(found.pixels, pixels) < 0.25
    assert np.abs(found.alpha.astype(int) - 200).max() <= 2


def test_an_opaque_alpha_is_not_written():
    buffer = io.BytesIO()
    images.write(images.Picture(lifelike(64)), buffer, "avif")
    assert b"auxC" not in buffer.getvalue()
    assert b"prem" not in buffer.getvalue()
    assert images.read(buffer).alpha is None


@pytest.mark.parametrize("quality", [60, 85, 90, 95, 100])
@pytest.mark.parametrize("format", LOSSY)
def test_gray_stored_as_rgb_stays_gray(format, quality):
    gray = lifelike(96)[:, :, :1].repeat(3, axis=2)
    found = through(gray, format, quality)
    assert found.shape == gray.shape
    assert np.ptp(found, axis=2).max() == 0
    assert np.ptp(through(found, format, quality), axis=2).max() == 0


def test_gray_with_alpha_becomes_rgb_in_avif_with_a_word():
    gray = images.Picture(lifelike(64)[:, :, 0], np.full((64, 64), 99, np.uint8))
    buffer = io.BytesIO()
    written = images.write(gray, buffer, "avif")
    assert written.lost == ("AVIF with transparency has no gray: written as RGB",)
    assert np.ptp(images.read(buffer).pixels, axis=2).max() == 0
