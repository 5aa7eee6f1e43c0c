"""Converts the samples of a TIFF to gray or RGB and alpha, 8 or 16 bits, with full range."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from . import ifd
from .layout import (
    ICC_LAB,
    INKS,
    ITU_LAB,
    JPEG,
    LAB,
    OLD_JPEG,
    PALETTE,
    WEBP,
    WHITE,
    YCC,
    TIFFLayout,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..picture import Pixels
    from .strips import Samples

COEFFICIENTS, REFERENCE, DECODE = 529, 532, 433
LUMA = (0.299, 0.587, 0.114)
FULL_RANGE = (0.0, 255.0, 128.0, 255.0, 128.0, 255.0)
FAX_LAB = (0.0, 100.0, -85.0, 85.0, -75.0, 125.0)
"""The ranges of L*, a* and b* in ITU-T T.42."""
WHITE_D50 = np.array([0.9642, 1.0, 0.8249], np.float32)
TO_SRGB = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ],
    np.float32,
)
"""XYZ under D50 to linear sRGB, by Bradford adaptation."""


class ColourConverter:
    """The conversion of a picture's samples.

    Args:
        layout: of the picture.

    Attributes:
        channels: 1 (gray), 3 (RGB), or 4 (CMYK, full ink is the largest value).
        dtype: uint8 or uint16.

    Raises:
        ValueError: the colour map is damaged.
    """

    def __init__(self, layout: TIFFLayout) -> None:
        self.layout = layout
        self.channels = layout.colours
        self.photometric = layout.photometric
        if self.photometric == YCC and layout.compression in (JPEG, OLD_JPEG, WEBP):
            self.photometric = 2  # its decoder converts it to RGB
        used = [*range(layout.colours), *([] if layout.alpha is None else [layout.alpha])]
        deep = max(layout.bits[each] for each in used) > 8
        if self.photometric == PALETTE:
            self.table = _table(layout)
            self.channels = 1 if self.table.ndim == 1 else 3
            deep = self.table.dtype == np.uint16
        self.dtype: type[np.uint8] | type[np.uint16] = np.uint16 if deep else np.uint8
        self.most = 65_535 if deep else 255
        rationals = layout.directory.rationals
        self.luma = rationals(COEFFICIENTS)[:3]
        if len(self.luma) < 3 or min(self.luma) <= 0 or not 0.9 < sum(self.luma) < 1.1:
            self.luma = LUMA
        self.range = rationals(REFERENCE)[:6]
        if len(self.range) < 6 or any(a >= b for a, b in zip(*[iter(self.range)] * 2, strict=True)):
            self.range = FULL_RANGE

    def convert(self, block: Samples) -> tuple[Pixels, Pixels | None]:
        """Samples H x W x C to colours H x W (x 3 or 4), and alpha H x W or None."""
        layout, photometric = self.layout, self.photometric
        alpha = (
            None
            if layout.alpha is None
            else self._scale_to_full(block[..., layout.alpha], layout.alpha)
        )
        samples = block[..., : layout.colours]
        if photometric == PALETTE:
            return self.table[samples[..., 0]], alpha
        if photometric in (LAB, ICC_LAB, ITU_LAB):
            colours = self._lab(samples)
        elif photometric == YCC:
            colours = self._ycc(samples)
        elif len(set(layout.bits[: layout.colours])) == 1:
            colours = self._scale_to_full(samples, 0)
        else:
            every = range(layout.colours)
            colours = np.stack([self._scale_to_full(samples[..., at], at) for at in every], axis=2)
        if alpha is not None and layout.multiplied:
            colours = self._unpremultiply(colours, alpha)
        if photometric == WHITE or (photometric == INKS and _is_reversed(layout)):
            colours = (self.most - colours).astype(self.dtype)
        return (colours[..., 0] if self.channels == 1 else colours), alpha

    def _scale_to_full(self, values: Samples, channel: int) -> Pixels:
        """A channel's values, scaled to the depth of the whole picture."""
        bits = self.layout.bits[channel]
        if bits == (16 if self.dtype == np.uint16 else 8):
            return values.astype(self.dtype, copy=False)
        if 8 <= bits < 16 and self.dtype == np.uint16:
            wide = values.astype(np.uint16)
            return wide << np.uint16(16 - bits) | wide >> np.uint16(2 * bits - 16)
        levels = 2**bits - 1
        exact = (values.astype(np.uint32) * self.most + levels // 2) // levels
        return exact.astype(self.dtype)

    def _unpremultiply(self, colours: Pixels, alpha: Pixels) -> Pixels:
        """Colours before they were multiplied by alpha."""
        wide = alpha.astype(np.uint32)[..., None]
        whole = (colours * np.uint32(self.most) + wide // 2) // np.maximum(wide, 1)
        return np.where(wide > 0, np.minimum(whole, self.most), colours).astype(self.dtype)

    def _ycc(self, samples: Samples) -> Pixels:
        low, high = np.array(self.range[::2]), np.array(self.range[1::2])
        scale = np.array([255.0, 127.0, 127.0]) / (high - low)
        values: NDArray[Any] = ((samples - low) * scale).astype(np.float32)
        light, to_blue, to_red = values[..., 0], values[..., 1], values[..., 2]
        red, green, blue = self.luma
        r = light + to_red * (2 - 2 * red)
        b = light + to_blue * (2 - 2 * blue)
        g = (light - red * r - blue * b) / green
        return np.rint(np.stack([r, g, b], axis=2)).clip(0, 255).astype(self.dtype)

    def _lab(self, samples: Samples) -> Pixels:
        """L*a*b* under D50 to sRGB."""
        wide = samples.dtype == np.uint16
        unit = 256 if wide else 1
        if self.photometric == ITU_LAB:
            ends = self.layout.directory.rationals(DECODE)
            ends = np.array(ends if len(ends) == 6 else FAX_LAB, np.float32).reshape(3, 2)
            lab = samples / np.float32(self.most) * (ends[:, 1] - ends[:, 0]) + ends[:, 0]
        else:
            lightest = 0xFF00 if wide and self.photometric == ICC_LAB else self.most
            lab = np.empty(samples.shape, np.float32)
            lab[..., 0] = samples[..., 0] * np.float32(100 / lightest)
            if self.photometric == LAB:
                signed = np.ascontiguousarray(samples[..., 1:]).view(np.int16 if wide else np.int8)
                lab[..., 1:] = signed / np.float32(unit)
            else:
                lab[..., 1:] = samples[..., 1:] / np.float32(unit) - 128
        y = (lab[..., 0] + 16) / 116
        f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=2)
        xyz = np.where(f > 6 / 29, f * f * f, (f - 4 / 29) * (108 / 841)) * WHITE_D50
        light = (xyz.astype(np.float32) @ TO_SRGB.T).clip(0, 1)
        srgb = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
        return np.rint(srgb * self.most).clip(0, self.most).astype(self.dtype)


def _table(layout: TIFFLayout) -> Any:
    """The colours of a palette, N (gray) or N x 3; in 8 bits if that is enough.

    Raises:
        ValueError: some are missing.
    """
    entries = 2 ** layout.bits[0]
    values = layout.directory.numbers(ifd.COLOUR_MAP, 3 * entries)
    if len(values) < 3 * entries:
        raise ValueError("its colour map is damaged")
    table = values.reshape(3, entries).T
    if table.min() < 0 or table.max() > 65_535:
        raise ValueError("its colour map is damaged")
    if table.max() < 256:
        found = table.astype(np.uint8)  # a common mistake of writers
    elif (table % 257 == 0).all() or (table % 256 == 0).all():
        found = (table >> 8).astype(np.uint8)
    else:
        found = table.astype(np.uint16)
    gray = bool((found == found[:, :1]).all())
    return found[:, 0].copy() if gray else found


def _is_reversed(layout: TIFFLayout) -> bool:
    """Whether the largest value means no ink, as its range is descending."""
    ends = layout.directory.numbers(ifd.DOT_RANGE, 2)
    return len(ends) == 2 and ends[0] > ends[1]
