"""Preparation of pictures for comparison, their luma, and SSIM of one plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from srzoo.errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from srzoo.contracts import U8

    F64 = NDArray[np.float64]

GAUSSIAN = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
GAUSSIAN /= GAUSSIAN.sum()
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
WEIGHTS = 65.481 / 255, 128.553 / 255, 24.966 / 255
"""The weights of R, G and B in Y."""
ROWS = 32
TILE = 48
"""Rows, and the side of squares, per step: small enough for a core's cache, and for matrix products
that run in one thread, so that several pictures can be measured at a time."""


def compared(sr: U8, hr: U8 | None, shave: int, least: int = 1) -> tuple[U8, U8]:
    """Both pictures without their borders.

    Args:
        sr: uint8 H x W x 3, and ``hr`` the same.
        hr: the reference.
        shave: pixels cropped from each side.
        least: the least side of the rest.

        Raises:
            PictureError: no reference, not two uint8 RGB pictures of one size, or too small.
    """
    hr = check(sr, hr)
    height, width = sr.shape[0] - 2 * shave, sr.shape[1] - 2 * shave
    if min(height, width) < least:
        raise PictureError(
            f"a picture of {sr.shape[1]}x{sr.shape[0]} pixels is too small to be measured:"
            f" {shave} are shaved off each side, and at least {least}x{least} must remain",
            "Leave it out",
        )
    inner = slice(shave, shave + height), slice(shave, shave + width)
    return sr[inner], hr[inner]


def check(sr: U8, hr: U8 | None) -> U8:
    """Refuse pictures that cannot be compared; return ``hr``.

    Raises:
        PictureError: no reference, or not two uint8 RGB pictures of one size.
    """
    if hr is None:
        raise PictureError("this metric needs the HR picture", "Give a set with HR pictures")
    picture(sr)
    picture(hr)
    if sr.shape != hr.shape:
        raise PictureError(
            f"the result has {sr.shape[1]}x{sr.shape[0]} pixels,"
            f" its reference {hr.shape[1]}x{hr.shape[0]}",
            "Crop the reference to a multiple of the scale, and check the scale",
        )
    return hr


def picture(array: U8, least: int = 0) -> U8:
    """Refuse an array that is not a uint8 RGB picture with sides of at least ``least``; return it.

    Raises:
        PictureError: it is not.
    """
    if array.ndim != 3 or array.shape[2] != 3 or array.dtype != np.uint8:
        raise PictureError(
            f"cannot measure an array of {array.dtype}, shape {array.shape}",
            "Give uint8 H x W x 3",
        )
    if min(array.shape[:2]) < least:
        raise PictureError(
            f"a picture of {array.shape[1]}x{array.shape[0]} pixels is too small to be measured",
            "Leave it out",
        )
    return array


def luma(picture: U8) -> F64:
    """Y of ITU-R BT.601 in 16..235, float64 H x W, not rounded."""
    return 16 + weighted(picture)


def weighted(picture: NDArray[Any]) -> F64:
    """Y without the offset of 16, which cancels in differences; for any number type."""
    out = np.empty(picture.shape[:2])
    red, green, blue = WEIGHTS
    for top in range(0, len(out), ROWS):
        rows, part = out[top : top + ROWS], picture[top : top + ROWS]
        np.multiply(part[:, :, 0], red, out=rows)
        rows += part[:, :, 1] * green
        rows += part[:, :, 2] * blue
    return out


def ssim(x: F64, y: F64) -> float:
    """Mean SSIM of two planes H x W in 0..255, from 11 x 11, over the valid region.

    Each square is filtered as ``G s G'`` with G the window's band matrix: two small matrix
    products for the rows and the columns of all four moments.
    """
    height, width = x.shape[0] - GAUSSIAN.size + 1, x.shape[1] - GAUSSIAN.size + 1
    total = 0.0
    for top in range(0, height, TILE):
        rows = _band(min(TILE, height - top))
        for left in range(0, width, TILE):
            columns = _band(min(TILE, width - left))
            part = slice(top, top + rows.shape[1]), slice(left, left + columns.shape[1])
            total += _similarity(x[part], y[part], rows, columns.T)
    return total / (height * width)


def _similarity(x: F64, y: F64, rows: F64, columns: F64) -> float:
    """The sum of the SSIM map of one square."""
    mx, my, both, xy = rows @ np.stack([x, y, x * x + y * y, x * y]) @ columns
    product, squares = mx * my, mx * mx + my * my
    above = (2 * product + C1) * (2 * (xy - product) + C2)
    return float(np.sum(above / ((squares + C1) * (both - squares + C2))))


def _band(length: int) -> F64:
    """The window as a matrix: from length x (length + 10) values to their local means."""
    band = np.zeros((length, length + GAUSSIAN.size - 1))
    for at in range(length):
        band[at, at : at + GAUSSIAN.size] = GAUSSIAN
    return band
