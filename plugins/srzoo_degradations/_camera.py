"""Single-round degradations in the spirit of DIV2K's tracks: lens, shake, sensor, file.

DIV2K's unknown tracks (NTIRE 2017) and realistic tracks (Timofte et al., "NTIRE 2018 Challenge
on Single Image Super-Resolution", CVPRW 2018: operators that simulate how a camera takes
pictures) come from operators that were never published. What stands here follows their
description only; to train on the official pictures, use the dataset ``div2k``.

All lengths are in LR pixels, so that they mean the same at every scale.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import _kernels, _steps
from ._imresize import check_hr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]
    F32 = NDArray[np.float32]


def _shrink(hr: F32, scale: int, kernel: F32) -> F32:
    """Blur, then keep the value at the middle of each LR pixel: no shift."""
    start = (scale - 1) // 2
    return _kernels.blur(hr, kernel)[start::scale, start::scale]


def _kernel_size(radius: float, scale: int) -> int:
    """Odd for odd scales and even for even ones, so that it sits on the LR pixel's middle."""
    return 2 * math.ceil(radius) + scale % 2


def _gaussian(scale: int, sigma: Sequence[float], rng: np.random.Generator) -> F32:
    first, second = (_steps.within(rng, sigma) * scale for _ in range(2))
    angle = _steps.within(rng, (0, math.pi))
    size = _kernel_size(3 * max(first, second) + 1, scale)
    return _kernels.gaussian(size, first, second, angle)


def _shaken(hr: F32, length: float, rng: np.random.Generator) -> F32:
    """Moved along a straight line of ``length`` HR pixels while the shutter was open."""
    angle = _steps.within(rng, (0, math.pi))
    if length < 1:
        return hr
    size = 2 * math.ceil(length / 2 + 1) + 1
    return _kernels.blur(hr, _kernels.motion(size, length, angle, sigma=0.5))


class Unknown:
    """A random anisotropic Gaussian blur, then decimation; no noise.

    Stands for DIV2K's unknown tracks (Agustsson, Timofte, "NTIRE 2017 Challenge on Single Image
    Super-Resolution", CVPRW 2017), whose kernels are not published. Kernels are drawn as in
    Bell-Kligler, Shocher, Irani, "Blind Super-Resolution Kernel Estimation using an
    Internal-GAN", NeurIPS 2019, https://arxiv.org/abs/1909.06581: two widths and an angle.

    Args:
        sigma: least and greatest standard deviation of the blur, in LR pixels.
    """

    deterministic = False

    def __init__(self, *, sigma: Sequence[float] = (0.3, 0.9)) -> None:
        self.sigma = _steps.limits("sigma", sigma, 0.05)

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size no multiple of ``scale``.
        """
        check_hr(hr, scale)
        kernel = _gaussian(scale, self.sigma, rng)
        return _steps.to_uint8(_shrink(hr.astype(np.float32), scale, kernel))


@dataclass(frozen=True)
class _Setting:
    """Limits that one picture's values are drawn from.

    ``sigma`` and ``shake`` are in LR pixels; ``noise`` and ``light`` are the strength of
    Gaussian noise in levels and of Poisson noise (1: white is 255 counts); ``jpeg`` is a
    range of qualities, used with probability ``jpeg_chance``. ``varied`` multiplies shake and
    noise by one more draw from 0 to 1, so that some pictures are hardly touched.
    """

    sigma: tuple[float, float]
    shake: tuple[float, float]
    noise: tuple[float, float]
    light: tuple[float, float]
    jpeg: tuple[float, float] = (100, 100)
    jpeg_chance: float = 0.0
    varied: bool = False


MILD = _Setting(sigma=(0.25, 0.45), shake=(0, 0.6), noise=(0.5, 3), light=(0.1, 0.5))
DIFFICULT = _Setting(sigma=(0.4, 0.8), shake=(0.5, 2.5), noise=(2, 8), light=(0.4, 1.2))
WILD = _Setting(
    sigma=(0.2, 1.0), shake=(0, 4), noise=(1, 18), light=(0.2, 2.5),
    jpeg=(50, 95), jpeg_chance=0.5, varied=True,
)  # fmt: skip


class _Camera:
    deterministic = False
    _setting: _Setting

    def __init__(self, *, strength: float = 1.0) -> None:
        self.strength = _steps.number("strength", strength, 0)

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size no multiple of ``scale``.
        """
        check_hr(hr, scale)
        limits = self._setting
        strength = self.strength * (float(rng.random()) if limits.varied else 1.0)
        kernel = _gaussian(scale, limits.sigma, rng)
        shake = strength * _steps.within(rng, limits.shake) * scale
        lr = _shrink(_shaken(hr.astype(np.float32), shake, rng), scale, kernel)
        gray = bool(rng.random() < 0.3)
        lr = _steps.poisson_noise(lr, strength * _steps.within(rng, limits.light), gray, rng)
        lr = _steps.gaussian_noise(lr, strength * _steps.within(rng, limits.noise), gray, rng)
        quality = round(_steps.within(rng, limits.jpeg))
        if rng.random() < limits.jpeg_chance:
            lr = _steps.jpeg(lr, quality)
        return _steps.to_uint8(lr)


class Mild(_Camera):
    """A good camera: slight blur, hardly any shake, little noise; one round.

    Stands for DIV2K's realistic mild track, whose operators are not published.

    Args:
        strength: multiplies shake and noise.
    """

    _setting = MILD


class Difficult(_Camera):
    """A poor camera in poor light: blur, shake of a few pixels, clear noise; one round.

    Stands for DIV2K's realistic difficult track, whose operators are not published.

    Args:
        strength: multiplies shake and noise.
    """

    _setting = DIFFICULT


class Wild(_Camera):
    """From hardly touched to worse than difficult, another camera for each picture; one round.

    Stands for DIV2K's realistic wild track, whose operators are not published. Half of the
    pictures also go through a JPEG of quality 50 to 95.

    Args:
        strength: multiplies shake and noise.
    """

    _setting = WILD
