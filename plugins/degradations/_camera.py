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
from typing import TYPE_CHECKING

import numpy as np

from . import _kernels, _steps
from ._imresize import check_hr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]
    F32 = NDArray[np.float32]


def _downscale(hr: F32, scale: int, kernel: F32) -> F32:
    """Blur, then keep the value at the middle of each LR pixel: no shift."""
    start = (scale - 1) // 2
    return _kernels.blur(hr, kernel)[start::scale, start::scale]


def _kernel_size(radius: float, scale: int) -> int:
    """Odd for odd scales and even for even ones, so that it sits on the LR pixel's middle."""
    return 2 * math.ceil(radius) + scale % 2


def _gaussian(scale: int, sigma: Sequence[float], rng: np.random.Generator) -> F32:
    first, second = (_steps.sample_range(rng, sigma) * scale for _ in range(2))
    angle = _steps.sample_range(rng, (0, math.pi))
    size = _kernel_size(3 * max(first, second) + 1, scale)
    return _kernels.gaussian(size, first, second, angle)


def _motion_blurred(hr: F32, length: float, rng: np.random.Generator) -> F32:
    """Moved along a straight line of ``length`` HR pixels while the shutter was open."""
    angle = _steps.sample_range(rng, (0, math.pi))
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
    clean = False

    def __init__(self, *, sigma: Sequence[float] = (0.3, 0.9)) -> None:
        self.sigma = _steps.limits("sigma", sigma, 0.05)

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size no multiple of ``scale``.
        """
        check_hr(hr, scale)
        kernel = _gaussian(scale, self.sigma, rng)
        return _steps.to_uint8(_downscale(hr.astype(np.float32), scale, kernel))


class _Camera:
    """What the three cameras share.

    ``varied`` multiplies shake and noise by one more draw from 0 to 1, so that some pictures are
    hardly touched.
    """

    deterministic = False
    clean = False
    varied = False

    def __init__(
        self,
        *,
        strength: float,
        sigma: Sequence[float],
        shake: Sequence[float],
        noise: Sequence[float],
        light: Sequence[float],
        jpeg: Sequence[float],
        jpeg_prob: float,
        gray_prob: float,
    ) -> None:
        self.strength = _steps.number("strength", strength, 0)
        self.sigma = _steps.limits("sigma", sigma, 0.05)
        self.shake = _steps.limits("shake", shake, 0)
        self.noise = _steps.limits("noise", noise, 0)
        self.light = _steps.limits("light", light, 0)
        self.jpeg = _steps.limits("jpeg", jpeg, 1, 100)
        self.jpeg_prob = _steps.number("jpeg_prob", jpeg_prob, 0, 1)
        self.gray_prob = _steps.number("gray_prob", gray_prob, 0, 1)

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size no multiple of ``scale``.
        """
        check_hr(hr, scale)
        strength = self.strength * (float(rng.random()) if self.varied else 1.0)
        kernel = _gaussian(scale, self.sigma, rng)
        shake = strength * _steps.sample_range(rng, self.shake) * scale
        lr = _downscale(_motion_blurred(hr.astype(np.float32), shake, rng), scale, kernel)
        gray = bool(rng.random() < self.gray_prob)
        lr = _steps.poisson_noise(lr, strength * _steps.sample_range(rng, self.light), gray, rng)
        lr = _steps.gaussian_noise(lr, strength * _steps.sample_range(rng, self.noise), gray, rng)
        quality = round(_steps.sample_range(rng, self.jpeg))
        if rng.random() < self.jpeg_prob:
            lr = _steps.jpeg(lr, quality)
        return _steps.to_uint8(lr)


class Mild(_Camera):
    """A good camera: slight blur, hardly any shake, little noise; one round.

    Stands for DIV2K's realistic mild track, whose operators are not published.

    Args:
        strength: multiplies shake and noise.
        sigma: least and greatest standard deviation of the blur, in LR pixels.
        shake: of the length of the shake, in LR pixels.
        noise: of the strength of Gaussian noise, in levels of 255.
        light: of the strength of Poisson noise (1: white is 255 counts).
        jpeg: of the JPEG's quality, from 1 to 100.
        jpeg_prob: how often there is a JPEG, from 0 to 1.
        gray_prob: how often noise is the same in all channels.

    Raises:
        ArgumentError: a range or probability makes no sense.
    """

    def __init__(
        self,
        *,
        strength: float = 1.0,
        sigma: Sequence[float] = (0.25, 0.45),
        shake: Sequence[float] = (0, 0.6),
        noise: Sequence[float] = (0.5, 3),
        light: Sequence[float] = (0.1, 0.5),
        jpeg: Sequence[float] = (100, 100),
        jpeg_prob: float = 0.0,
        gray_prob: float = 0.3,
    ) -> None:
        super().__init__(
            strength=strength, sigma=sigma, shake=shake, noise=noise, light=light, jpeg=jpeg,
            jpeg_prob=jpeg_prob, gray_prob=gray_prob,
        )  # fmt: skip


class Difficult(_Camera):
    """A poor camera in poor light: blur, shake of a few pixels, clear noise; one round.

    Stands for DIV2K's realistic difficult track, whose operators are not published.

    Args:
        strength: multiplies shake and noise.
        sigma: least and greatest standard deviation of the blur, in LR pixels.
        shake: of the length of the shake, in LR pixels.
        noise: of the strength of Gaussian noise, in levels of 255.
        light: of the strength of Poisson noise (1: white is 255 counts).
        jpeg: of the JPEG's quality, from 1 to 100.
        jpeg_prob: how often there is a JPEG, from 0 to 1.
        gray_prob: how often noise is the same in all channels.

    Raises:
        ArgumentError: a range or probability makes no sense.
    """

    def __init__(
        self,
        *,
        strength: float = 1.0,
        sigma: Sequence[float] = (0.4, 0.8),
        shake: Sequence[float] = (0.5, 2.5),
        noise: Sequence[float] = (2, 8),
        light: Sequence[float] = (0.4, 1.2),
        jpeg: Sequence[float] = (100, 100),
        jpeg_prob: float = 0.0,
        gray_prob: float = 0.3,
    ) -> None:
        super().__init__(
            strength=strength, sigma=sigma, shake=shake, noise=noise, light=light, jpeg=jpeg,
            jpeg_prob=jpeg_prob, gray_prob=gray_prob,
        )  # fmt: skip


class Wild(_Camera):
    """From hardly touched to worse than difficult, another camera for each picture; one round.

    Stands for DIV2K's realistic wild track, whose operators are not published. Half of the
    pictures also go through a JPEG of quality 50 to 95.

    Args:
        strength: multiplies shake and noise.
        sigma: least and greatest standard deviation of the blur, in LR pixels.
        shake: of the length of the shake, in LR pixels.
        noise: of the strength of Gaussian noise, in levels of 255.
        light: of the strength of Poisson noise (1: white is 255 counts).
        jpeg: of the JPEG's quality, from 1 to 100.
        jpeg_prob: how often there is a JPEG, from 0 to 1.
        gray_prob: how often noise is the same in all channels.

    Raises:
        ArgumentError: a range or probability makes no sense.
    """

    varied = True

    def __init__(
        self,
        *,
        strength: float = 1.0,
        sigma: Sequence[float] = (0.2, 1.0),
        shake: Sequence[float] = (0, 4),
        noise: Sequence[float] = (1, 18),
        light: Sequence[float] = (0.2, 2.5),
        jpeg: Sequence[float] = (50, 95),
        jpeg_prob: float = 0.5,
        gray_prob: float = 0.3,
    ) -> None:
        super().__init__(
            strength=strength, sigma=sigma, shake=shake, noise=noise, light=light, jpeg=jpeg,
            jpeg_prob=jpeg_prob, gray_prob=gray_prob,
        )  # fmt: skip
