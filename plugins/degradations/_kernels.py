"""Blur kernels and fast convolution, using numpy only.

Every kernel is symmetric about its middle, sums to 1 and is float32 N x N. ``even`` puts the
middle between four pixels, for decimation by an even factor.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    F32 = NDArray[np.float32]


def offsets(size: int) -> tuple[F32, F32]:
    """The x and y of each pixel of a ``size`` x ``size`` kernel, from its middle."""
    line = np.arange(size, dtype=np.float32) - (size - 1) / 2
    return np.broadcast_to(line[None, :], (size, size)), np.broadcast_to(
        line[:, None], (size, size)
    )


def _squared(size: int, sigma_x: float, sigma_y: float, angle: float) -> F32:
    """The squared distance from the middle, in sigmas, along two turned axes."""
    x, y = offsets(size)
    along = (math.cos(angle) * x + math.sin(angle) * y) / sigma_x
    across = (-math.sin(angle) * x + math.cos(angle) * y) / sigma_y
    return (along**2 + across**2).astype(np.float32)


def gaussian(
    size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, beta: float = 1.0
) -> F32:
    """A (generalised) Gaussian: exp(-d^beta / 2); beta = 1 is the usual one."""
    kernel = np.exp(-0.5 * _squared(size, sigma_x, sigma_y, angle) ** beta)
    return (kernel / kernel.sum()).astype(np.float32)


def plateau(
    size: int, sigma_x: float, sigma_y: float, angle: float = 0.0, beta: float = 1.0
) -> F32:
    """A plateau: 1 / (1 + d^beta), flatter in the middle than a Gaussian."""
    kernel = 1 / (1 + _squared(size, sigma_x, sigma_y, angle) ** beta)
    return (kernel / kernel.sum()).astype(np.float32)


def motion(size: int, length: float, angle: float, sigma: float) -> F32:
    """A straight line of ``length`` pixels, blurred by a Gaussian."""
    x, y = offsets(size)
    total = np.zeros((size, size), np.float32)
    for step in np.linspace(-length / 2, length / 2, 2 * math.ceil(length) + 1):
        away = (x - step * math.cos(angle)) ** 2 + (y - step * math.sin(angle)) ** 2
        total += np.exp(-away / (2 * sigma**2))
    return (total / total.sum()).astype(np.float32)


def sinc(size: int, cutoff: float) -> F32:
    """The circular low-pass filter with cutoff at ``cutoff`` radians per pixel; it rings.

    h(r) = cutoff / (2 pi r) J1(cutoff r), equation 6 of arXiv 2107.10833.
    """
    x, y = offsets(size)
    radius = np.hypot(x, y)
    values, where = np.unique(radius, return_inverse=True)
    safe = np.maximum(values, 1e-6)
    kernel = (cutoff * _bessel_j1(cutoff * safe) / (2 * np.pi * safe))[where].reshape(size, size)
    return (kernel / kernel.sum()).astype(np.float32)


def _bessel_j1(x: NDArray[np.floating]) -> NDArray[np.floating]:
    """J1(x) = mean over t of cos(t - x sin t): the midpoint rule is exact for x below 40."""
    t = (np.arange(64) + 0.5) * np.pi / 64
    return np.cos(t - x[:, None] * np.sin(t)).mean(axis=1)


@lru_cache(maxsize=4096)
def _fast_length(least: int) -> int:
    """The next length whose only prime factors are 2, 3 and 5."""
    length = least
    while True:
        rest = length
        for prime in (2, 3, 5):
            while rest % prime == 0:
                rest //= prime
        if rest == 1:
            return length
        length += 1


def blur(picture: F32, kernel: F32) -> F32:
    """Convolve H x W x 3 with a kernel; edges are reflected, the size is kept.

    With a kernel of even size, pixel (i, j) of the result is the value half a pixel to the
    right of and below it.
    """
    size = kernel.shape[0]
    before, after = (size - 1) // 2, size // 2
    rims = ((before, after), (before, after), (0, 0))
    padded = np.pad(picture, rims, mode="symmetric").transpose(2, 0, 1)
    height, width = picture.shape[:2]
    shape = _fast_length(padded.shape[1]), _fast_length(padded.shape[2])
    # Wrapping around affects only the first size - 1 rows and columns, which are cropped.
    spectrum = np.fft.rfft2(padded, shape) * np.fft.rfft2(kernel, shape)
    result = np.fft.irfft2(spectrum, shape)
    cut = result[:, size - 1 : size - 1 + height, size - 1 : size - 1 + width]
    return np.ascontiguousarray(cut.transpose(1, 2, 0), dtype=np.float32)
