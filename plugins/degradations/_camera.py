"""Single-round degradations in the spirit of DIV2K's tracks: lens, shake, sensor, file.

DIV2K's unknown tracks (NTIRE 2017) and realistic tracks (Timofte et al., "NTIRE 2018 Challenge
on Single Image Super-Resolution", CVPRW 2018: operators that simulate how a camera takes
pictures) come from operators that were never published. The degradations here follow their
descriptions only; to train on the official pictures, use the dataset ``div2k``.

All lengths are in LR pixels, so that they have the same meaning at every scale.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import _kernels, _steps
from ._imresize import check_hr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]
    F32 = NDArray[np.float32]


def _downscale(hr: F32, scale: int, kernel: F32) -> F32:
    """Blur, then sample the middle of each LR pixel, without a shift."""
    start = (scale - 1) // 2
    return _kernels.blur(hr, kernel)[start::scale, start::scale]


def _kernel_size(radius: float, scale: int) -> int:
    """Odd for odd scales and even for even ones, so that its middle is that of an LR pixel."""
    return 2 * math.ceil(radius) + scale % 2


def _gaussian(scale: int, sigma: _steps.Widths, rng: np.random.Generator) -> F32:
    first, second = (_steps.sample_range(rng, sigma) * scale for _ in range(2))
    angle = _steps.sample_range(rng, (0, math.pi))
    size = _kernel_size(3 * max(first, second) + 1, scale)
    return _kernels.gaussian(size, first, second, angle)


def _motion_blurred(hr: F32, length: float, rng: np.random.Generator) -> F32:
    """Camera shake along a straight line of ``length`` HR pixels."""
    angle = _steps.sample_range(rng, (0, math.pi))
    if length < 1:
        return hr
    size = 2 * math.ceil(length / 2 + 1) + 1
    return _kernels.blur(hr, _kernels.motion(size, length, angle, sigma=0.5))


class Unknown:
    """A random anisotropic Gaussian blur, then decimation; no noise.

    A substitute for DIV2K's unknown tracks (Agustsson, Timofte, "NTIRE 2017 Challenge on Single
    Image Super-Resolution", CVPRW 2017), whose kernels are not published. Kernels are drawn as in
    Bell-Kligler, Shocher, Irani, "Blind Super-Resolution Kernel Estimation using an
    Internal-GAN", NeurIPS 2019, https://arxiv.org/abs/1909.06581: two widths and an angle.

    Args:
        sigma: least and greatest standard deviation of the blur, in LR pixels.
    """

    deterministic = False
    clean = False

    def __init__(self, *, sigma: _steps.Widths = (0.3, 0.9)) -> None:
        self.sigma = _steps.limits("sigma", sigma)

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size that is not a multiple of
                ``scale``.
        """
        check_hr(hr, scale)
        kernel = _gaussian(scale, self.sigma, rng)
        return _steps.to_uint8(_downscale(hr.astype(np.float32), scale, kernel))


class _Camera:
    """The common part of the three cameras.

    ``varied`` multiplies shake and noise by a further random number from 0 to 1, so that some
    pictures hardly change.
    """

    deterministic = False
    clean = False
    varied = False

    def __init__(
        self,
        *,
        strength: _steps.Amount,
        sigma: _steps.Widths,
        shake: _steps.Amounts,
        noise: _steps.Amounts,
        light: _steps.Amounts,
        jpeg: _steps.Qualities,
        jpeg_prob: _steps.Chance,
        gray_prob: _steps.Chance,
    ) -> None:
        self.strength = strength
        self.sigma = _steps.limits("sigma", sigma)
        self.shake = _steps.limits("shake", shake)
        self.noise = _steps.limits("noise", noise)
        self.light = _steps.limits("light", light)
        self.jpeg = _steps.limits("jpeg", jpeg)
        self.jpeg_prob = jpeg_prob
        self.gray_prob = gray_prob

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size that is not a multiple of
                ``scale``.
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

    A substitute for DIV2K's realistic mild track, whose operators are not published.

    Args:
        strength: multiplies shake and noise.
        sigma: least and greatest standard deviation of the blur, in LR pixels.
        shake: range of the length of the shake, in LR pixels.
        noise: range of the strength of Gaussian noise, in levels of 255.
        light: range of the strength of Poisson noise (1: white is 255 counts).
        jpeg: range of the JPEG quality, from 1 to 100.
        jpeg_prob: probability of a JPEG, from 0 to 1.
        gray_prob: probability that noise is the same in all channels.

    Raises:
        ArgumentError: the lower end of a range is above its upper end.
    """

    def __init__(
        self,
        *,
        strength: _steps.Amount = 1.0,
        sigma: _steps.Widths = (0.25, 0.45),
        shake: _steps.Amounts = (0, 0.6),
        noise: _steps.Amounts = (0.5, 3),
        light: _steps.Amounts = (0.1, 0.5),
        jpeg: _steps.Qualities = (100, 100),
        jpeg_prob: _steps.Chance = 0.0,
        gray_prob: _steps.Chance = 0.3,
    ) -> None:
        super().__init__(
            strength=strength, sigma=sigma, shake=shake, noise=noise, light=light, jpeg=jpeg,
            jpeg_prob=jpeg_prob, gray_prob=gray_prob,
        )  # fmt: skip


class Difficult(_Camera):
    """A poor camera in poor light: blur, shake of a few pixels, clear noise; one round.

    A substitute for DIV2K's realistic difficult track, whose operators are not published.

    Args:
        strength: multiplies shake and noise.
        sigma: least and greatest standard deviation of the blur, in LR pixels.
        shake: range of the length of the shake, in LR pixels.
        noise: range of the strength of Gaussian noise, in levels of 255.
        light: range of the strength of Poisson noise (1: white is 255 counts).
        jpeg: range of the JPEG quality, from 1 to 100.
        jpeg_prob: probability of a JPEG, from 0 to 1.
        gray_prob: probability that noise is the same in all channels.

    Raises:
        ArgumentError: the lower end of a range is above its upper end.
    """

    def __init__(
        self,
        *,
        strength: _steps.Amount = 1.0,
        sigma: _steps.Widths = (0.4, 0.8),
        shake: _steps.Amounts = (0.5, 2.5),
        noise: _steps.Amounts = (2, 8),
        light: _steps.Amounts = (0.4, 1.2),
        jpeg: _steps.Qualities = (100, 100),
        jpeg_prob: _steps.Chance = 0.0,
        gray_prob: _steps.Chance = 0.3,
    ) -> None:
        super().__init__(
            strength=strength, sigma=sigma, shake=shake, noise=noise, light=light, jpeg=jpeg,
            jpeg_prob=jpeg_prob, gray_prob=gray_prob,
        )  # fmt: skip


class Wild(_Camera):
    """A new camera for each picture, from almost perfect to worse than difficult; one round.

    A substitute for DIV2K's realistic wild track, whose operators are not published. Half of the
    pictures also go through a JPEG of quality 50 to 95.

    Args:
        strength: multiplies shake and noise.
        sigma: least and greatest standard deviation of the blur, in LR pixels.
        shake: range of the length of the shake, in LR pixels.
        noise: range of the strength of Gaussian noise, in levels of 255.
        light: range of the strength of Poisson noise (1: white is 255 counts).
        jpeg: range of the JPEG quality, from 1 to 100.
        jpeg_prob: probability of a JPEG, from 0 to 1.
        gray_prob: probability that noise is the same in all channels.

    Raises:
        ArgumentError: the lower end of a range is above its upper end.
    """

    varied = True

    def __init__(
        self,
        *,
        strength: _steps.Amount = 1.0,
        sigma: _steps.Widths = (0.2, 1.0),
        shake: _steps.Amounts = (0, 4),
        noise: _steps.Amounts = (1, 18),
        light: _steps.Amounts = (0.2, 2.5),
        jpeg: _steps.Qualities = (50, 95),
        jpeg_prob: _steps.Chance = 0.5,
        gray_prob: _steps.Chance = 0.3,
    ) -> None:
        super().__init__(
            strength=strength, sigma=sigma, shake=shake, noise=noise, light=light, jpeg=jpeg,
            jpeg_prob=jpeg_prob, gray_prob=gray_prob,
        )  # fmt: skip
