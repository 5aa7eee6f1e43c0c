"""Metrics: the distance of a result from its HR picture.

PSNR and SSIM as super-resolution papers measure them (the protocol of EDSR-PyTorch), a feature
distance on any backbone of timm, and access to the metrics of pyiqa. Importing this module needs
only numpy.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import numpy as np
from annotated_types import Ge, Le

from ._features import FeatureDistance
from ._planes import GAUSSIAN, compared, luma, picture, ssim, weighted
from ._pyiqa import PyIQA, create_pyiqa

if TYPE_CHECKING:
    from srzoo.contracts import U8

__all__ = [
    "PSNRRGB",
    "PSNRY",
    "SSIMRGB",
    "SSIMY",
    "ColourShift",
    "FeatureDistance",
    "PyIQA",
    "Sharpness",
    "create_pyiqa",
]

LUMA = "Y of BT.601 (16..235, not rounded)"
WINDOW = "11x11 Gaussian window, sigma 1.5, valid region, K 0.01/0.03"


def _shaved(shave: int | None) -> str:
    return f"{'scale' if shave is None else shave} pixels shaved off each side"


def _decibels(error: np.ndarray) -> float:
    """10 log10(255^2 / MSE); infinite for equal pictures."""
    # By rows: their sums are exact for integers, and the picture is not copied.
    mse = sum(float(np.square(row, dtype=np.float64).sum()) for row in error) / error.size
    return 10 * math.log10(255**2 / mse) if mse else math.inf


class PSNRY:
    """Peak signal-to-noise ratio on luma, in dB: the PSNR of the papers' tables.

    10 log10(255^2 / MSE) with Y = 16 + (65.481 R + 128.553 G + 24.966 B) / 255 in float64, as
    in Lim et al. 2017, https://arxiv.org/abs/1707.02921. Identical pictures give infinity.

    Args:
        shave: pixels cropped from each side; None for the scale.
    """

    higher_is_better = True
    reference = True
    thread_safe = True
    unit = "dB"
    label = "PSNR"
    tolerance = 0.02

    def __init__(self, *, shave: Annotated[int, Ge(0), Le(65_536)] | None = None) -> None:
        self.shave = shave
        self.protocol = f"PSNR in dB, {LUMA}, peak 255, {_shaved(shave)}, mean over pictures"

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3; decibels."""
        sr, hr = compared(sr, hr, scale if self.shave is None else self.shave)
        return _decibels(weighted(np.subtract(sr, hr, dtype=np.int16)))


class PSNRRGB:
    """Peak signal-to-noise ratio over the three colour channels, in dB.

    10 log10(255^2 / MSE), with the mean over all pixels and channels. DIV2K's own
    tables (Timofte et al. 2017) shave scale + 6 pixels.

    Args:
        shave: pixels cropped from each side; None for the scale.
    """

    higher_is_better = True
    reference = True
    thread_safe = True
    unit = "dB"
    label = "PSNR"
    tolerance = 0.02

    def __init__(self, *, shave: Annotated[int, Ge(0), Le(65_536)] | None = None) -> None:
        self.shave = shave
        self.protocol = f"PSNR in dB, RGB, peak 255, {_shaved(shave)}, mean over pictures"

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3; decibels."""
        sr, hr = compared(sr, hr, scale if self.shave is None else self.shave)
        return _decibels(np.subtract(sr, hr, dtype=np.int16))


class SSIMY:
    """Structural similarity on luma, up to 1: the SSIM of the papers' tables.

    Wang et al., "Image quality assessment: from error visibility to structural similarity",
    IEEE TIP 2004, eq. 13, on the same Y plane as ``psnr_y``.

    Args:
        shave: pixels cropped from each side; None for the scale.
    """

    higher_is_better = True
    reference = True
    thread_safe = True
    label = "SSIM"
    tolerance = 0.001

    def __init__(self, *, shave: Annotated[int, Ge(0), Le(65_536)] | None = None) -> None:
        self.shave = shave
        self.protocol = f"SSIM, {LUMA}, {WINDOW}, {_shaved(shave)}, mean over pictures"

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3; at most 1."""
        shave = scale if self.shave is None else self.shave
        sr, hr = compared(sr, hr, shave, least=GAUSSIAN.size)
        return ssim(luma(sr), luma(hr))


class SSIMRGB:
    """Structural similarity (Wang et al. 2004), averaged over the three colour channels.

    Args:
        shave: pixels cropped from each side; None for the scale.
    """

    higher_is_better = True
    reference = True
    thread_safe = True
    label = "SSIM"
    tolerance = 0.001

    def __init__(self, *, shave: Annotated[int, Ge(0), Le(65_536)] | None = None) -> None:
        self.shave = shave
        self.protocol = f"SSIM, mean of R, G and B, {WINDOW}, {_shaved(shave)}, mean over pictures"

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3; at most 1."""
        shave = scale if self.shave is None else self.shave
        sr, hr = compared(sr, hr, shave, least=GAUSSIAN.size)
        planes = [(sr[:, :, c].astype(float), hr[:, :, c].astype(float)) for c in range(3)]
        return sum(ssim(x, y) for x, y in planes) / 3


class Sharpness:
    """Mean magnitude of the gradient of luma, in levels per pixel; larger for a sharper picture.

    Central differences. It cannot distinguish detail from noise: read it beside another metric, and
    beside the value of the HR picture. Krotkov, "Focusing", 1987 (Tenengrad) squares it.
    """

    higher_is_better = True
    reference = False
    thread_safe = True
    protocol = f"mean magnitude of the gradient, {LUMA}, central differences, mean over pictures"

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Measure a uint8 picture H x W x 3, 2 x 2 at least; ``hr`` is ignored."""
        down, right = np.gradient(luma(picture(sr, least=2)))
        return float(np.mean(np.hypot(down, right)))


class ColourShift:
    """The shift of the picture's mean colour, in levels of 255; 0 is best.

    It is the largest distance, of the three channels, between the mean of SR and the mean of HR.
    Downscaling keeps the mean, so this is also the distance of the downscaled SR from LR.
    Adversarial training can shift colours, which a fidelity metric hides.
    """

    higher_is_better = False
    reference = True
    thread_safe = True
    protocol = (
        "distance of the mean of SR from that of HR, largest of R, G and B, in levels of 255,"
        " mean over pictures"
    )

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3."""
        sr, hr = compared(sr, hr, 0)
        means = [x.mean((0, 1), dtype=np.float64) for x in (sr, hr)]
        return float(np.abs(means[0] - means[1]).max())
