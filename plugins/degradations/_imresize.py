"""MATLAB's antialiased bicubic ``imresize``, bit for bit, with Pillow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]

MARGIN = 4
"""LR pixels of padding, so that the filter ignores what is outside; its half width is 2."""


def check_hr(hr: U8, scale: int) -> None:
    """Refuse a picture that cannot be downscaled by ``scale``.

    Args:
        hr: uint8 H x W or H x W x 3.
        scale: H and W must be multiples of it.

    Raises:
        ValueError: another dtype or shape, or a size that is not a multiple of the scale.
    """
    if hr.dtype != np.uint8 or hr.ndim not in (2, 3) or (hr.ndim == 3 and hr.shape[2] != 3):
        raise ValueError(f"hr is {hr.dtype} {hr.shape}, not uint8 H x W x 3")
    height, width = hr.shape[:2]
    if scale < 1 or height % scale or width % scale or not height or not width:
        raise ValueError(f"hr is {width}x{height}, not a multiple of the scale {scale}: crop it")


def imresize(hr: U8, scale: int) -> U8:
    """Downscale a picture as MATLAB's ``imresize(hr, 1 / scale)`` does.

    MATLAB filters rows (vertically) first, rounds to uint8, filters columns, and replicates
    the edges. Pillow's ``BICUBIC`` has the same kernel (a = -0.5, widened by the scale) and
    also rounds between its passes, but filters columns last and ignores everything outside the
    edges; so the picture is padded and transposed before, and back after.

    Args:
        hr: uint8 H x W or H x W x 3, H and W multiples of ``scale``.
        scale: 1 or more.

    Returns:
        uint8 H/scale x W/scale (x 3).

    Raises:
        ValueError: ``hr`` has another dtype, shape or size.
    """
    check_hr(hr, scale)
    rim = MARGIN * scale
    padded = np.pad(hr, [(rim, rim), (rim, rim), (0, 0)][: hr.ndim], mode="edge")
    turned = Image.fromarray(np.ascontiguousarray(padded.swapaxes(0, 1)))
    small = turned.resize((turned.width // scale, turned.height // scale), Image.Resampling.BICUBIC)
    result = np.asarray(small).swapaxes(0, 1)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return np.ascontiguousarray(result)
