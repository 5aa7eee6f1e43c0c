"""Bicubic interpolation by an integer factor in numpy, to mix with a model's result.

Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981, with
a = -0.5, as in MATLAB's ``imresize``. Every value is computed in the same way at any place of a
tile, so tiles give the whole picture's values to the last bit.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..contracts import F32

A = -0.5
REACH = 2
"""Half the width of the kernel, in pixels of the smaller picture."""
TAPS = 2 * REACH + 1


def enlarge(x: F32, factor: int) -> F32:
    """Enlarge the inner part of a picture.

    Args:
        x: with ``REACH`` pixels more on each side: (H + 4) x (W + 4) x C, float32.
        factor: s, from 1.

    Returns:
        Float32 sH x sW x C, which may ring beyond the range of ``x``.
    """
    return _along(_along(x, factor, 0), factor, 1)


def _along(x: F32, factor: int, axis: int) -> F32:
    """Enlarge along one axis, which loses the pixels at its ends."""
    x = np.moveaxis(x, axis, 0)
    length = len(x) - 2 * REACH
    out = np.empty((length, factor, *x.shape[1:]), np.float32)
    for phase, weights in enumerate(_weights(factor)):
        total = out[:, phase]
        np.multiply(x[:length], weights[0], out=total)
        for tap in range(1, TAPS):
            total += x[tap : tap + length] * weights[tap]
    return np.moveaxis(out.reshape(length * factor, *x.shape[1:]), 0, axis)


@cache
def _weights(factor: int) -> F32:
    """A row of filter taps for each of the ``factor`` outputs of a pixel."""
    offset = (np.arange(factor) + 0.5) / factor - 0.5
    t = np.abs(offset[:, None] - np.arange(-REACH, REACH + 1)[None, :])
    near = (A + 2) * t**3 - (A + 3) * t**2 + 1
    far = A * t**3 - 5 * A * t**2 + 8 * A * t - 4 * A
    return np.where(t <= 1, near, np.where(t < 2, far, 0)).astype(np.float32)


class Interpolation:
    """Bicubic interpolation as a runner, in place of a network."""

    reach = REACH
    multiple = 1
    model = None
    parameters = 0

    def __call__(self, x: F32, scale: int) -> F32:
        """Float32 1 x 3 x H x W to 1 x 3 x sH x sW."""
        planes = np.pad(
            x[0].transpose(1, 2, 0), ((REACH, REACH), (REACH, REACH), (0, 0)), "symmetric"
        )
        return enlarge(planes, scale).transpose(2, 0, 1)[None]

    def bytes_per_pixel(self, scale: int) -> int:
        """Memory for the padded picture, rows, and the result."""
        return 12 * (2 + 2 * scale + scale**2)

    def bytes_aside(self, scale: int) -> int:
        """0."""
        return 0

    def free_memory(self) -> int | None:
        """None: it works in the host's memory."""
        return None
