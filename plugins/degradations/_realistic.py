"""Real-ESRGAN's second-order degradation.

Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
Synthetic Data", ICCVW 2021, https://arxiv.org/abs/2107.10833, section 3 and table 3 of its
supplement.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from annotated_types import MinLen

from srzoo.errors import ArgumentError

from . import _kernels, _steps
from ._imresize import check_hr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]
    F32 = NDArray[np.float32]

Size = Literal[3, 5, 7, 9, 11, 13, 15, 17, 19, 21]
"""The largest side of a kernel, in pixels: the sinc filter is exact up to it."""
SIZES: tuple[Size, ...] = (7, 9, 11, 13, 15, 17, 19, 21)
SHAPES = ("gaussian", "generalised", "plateau")


@dataclass(frozen=True)
class _Round:
    """The ranges of one round."""

    blur_sigma: tuple[float, float]
    resize_prob: tuple[float, ...]
    resize_range: tuple[float, float]
    gaussian_noise_prob: float
    noise_range: tuple[float, float]
    poisson_scale_range: tuple[float, float]
    gray_noise_prob: float
    jpeg_range: tuple[float, float]


class Realistic:
    """Two rounds of blur, resize, noise and JPEG, then a sinc filter, like a photo shared online.

    Probabilities and ranges are Real-ESRGAN's, under the names of its training options; a name
    that ends in 2 is for the second round. Differs from its reference: the peak of the Poisson
    noise is always 255 counts (the reference takes the next power of two above the number of
    different values), and JPEG is Pillow's, not a differentiable one.

    Args:
        kernel_sizes: sides of the blur kernels, odd, from 3 to 21 pixels.
        kernel_prob: probabilities of a Gaussian, a generalised Gaussian, and a plateau.
        isotropic_prob: probability that a kernel of each of these shapes is isotropic.
        betag_range, betap_range: exponents of generalised Gaussians and plateaus.
        sinc_prob: probability that a sinc filter replaces a blur.
        blur_sigma, blur_sigma2: standard deviations of the blur, in pixels.
        resize_prob, resize_prob2: probabilities that a picture is enlarged, shrunk, or kept.
        resize_range, resize_range2: the least and the greatest factor.
        gaussian_noise_prob, gaussian_noise_prob2: probability that noise is Gaussian, not Poisson.
        noise_range, noise_range2: strengths of Gaussian noise, in levels of 255.
        poisson_scale_range, poisson_scale_range2: of Poisson noise (1: white is 255 counts).
        gray_noise_prob, gray_noise_prob2: probability that noise is the same in all channels.
        jpeg_range, jpeg_range2: qualities, from 1 to 100.
        second_blur_prob: probability of a second blur.
        final_sinc_prob: probability of a sinc filter at the end.

    Raises:
        ArgumentError: the lower end of a range is above its upper end, or probabilities do not add
        up to 1.
    """

    deterministic = False
    clean = False

    def __init__(
        self,
        *,
        kernel_sizes: Annotated[Sequence[Size], MinLen(1)] = SIZES,
        kernel_prob: _steps.Chances = (0.70, 0.15, 0.15),
        isotropic_prob: _steps.Chances = (0.64, 0.80, 0.80),
        betag_range: _steps.Widths = (0.5, 4),
        betap_range: _steps.Widths = (1, 2),
        sinc_prob: _steps.Chance = 0.1,
        blur_sigma: _steps.Widths = (0.2, 3.0),
        resize_prob: _steps.Chances = (0.2, 0.7, 0.1),
        resize_range: _steps.Factors = (0.15, 1.5),
        gaussian_noise_prob: _steps.Chance = 0.5,
        noise_range: _steps.Amounts = (1, 30),
        poisson_scale_range: _steps.Amounts = (0.05, 3.0),
        gray_noise_prob: _steps.Chance = 0.4,
        jpeg_range: _steps.Qualities = (30, 95),
        second_blur_prob: _steps.Chance = 0.8,
        blur_sigma2: _steps.Widths = (0.2, 1.5),
        resize_prob2: _steps.Chances = (0.3, 0.4, 0.3),
        resize_range2: _steps.Factors = (0.3, 1.2),
        gaussian_noise_prob2: _steps.Chance = 0.5,
        noise_range2: _steps.Amounts = (1, 25),
        poisson_scale_range2: _steps.Amounts = (0.05, 2.5),
        gray_noise_prob2: _steps.Chance = 0.4,
        jpeg_range2: _steps.Qualities = (30, 95),
        final_sinc_prob: _steps.Chance = 0.8,
    ) -> None:
        self.kernel_sizes = tuple(kernel_sizes)
        self.kernel_prob = _steps.chances("kernel_prob", kernel_prob)
        self.isotropic_prob = isotropic_prob
        self.betag_range = _steps.limits("betag_range", betag_range)
        self.betap_range = _steps.limits("betap_range", betap_range)
        self.sinc_prob = sinc_prob
        self.second_blur_prob = second_blur_prob
        self.final_sinc_prob = final_sinc_prob
        self.first = _round(
            "", blur_sigma, resize_prob, resize_range, gaussian_noise_prob, noise_range,
            poisson_scale_range, gray_noise_prob, jpeg_range,
        )  # fmt: skip
        self.second = _round(
            "2", blur_sigma2, resize_prob2, resize_range2, gaussian_noise_prob2, noise_range2,
            poisson_scale_range2, gray_noise_prob2, jpeg_range2,
        )  # fmt: skip

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size that is not a multiple of
                ``scale``.
        """
        check_hr(hr, scale)
        height, width = hr.shape[0] // scale, hr.shape[1] // scale
        x = self._blur(hr.astype(np.float32), self.first, rng)
        x = _rest(x, hr.shape[:2], self.first, rng)
        x = np.clip(x, 0, 255)
        x = _steps.jpeg(x, round(_steps.sample_range(rng, self.first.jpeg_range)))
        if rng.random() < self.second_blur_prob:
            x = self._blur(x, self.second, rng)
        x = _rest(x, (height, width), self.second, rng)
        quality = round(_steps.sample_range(rng, self.second.jpeg_range))
        # The last resize and the sinc filter come before or after the JPEG: photos have ringing
        # over blocks as well as blocks over ringing (section 3.5).
        if rng.random() < 0.5:
            x = _steps.jpeg(self._last(x, (height, width), rng), quality)
        else:
            x = self._last(_steps.jpeg(x, quality), (height, width), rng)
        return _steps.to_uint8(x)

    def _blur(self, x: F32, limits: _Round, rng: np.random.Generator) -> F32:
        size = int(rng.choice(self.kernel_sizes))
        if rng.random() < self.sinc_prob:
            least = math.pi / 3 if size < 13 else math.pi / 5
            return _kernels.blur(x, _kernels.sinc(size, _steps.sample_range(rng, (least, math.pi))))
        shape = int(rng.choice(len(SHAPES), p=self.kernel_prob))
        first, second = (_steps.sample_range(rng, limits.blur_sigma) for _ in range(2))
        if rng.random() < self.isotropic_prob[shape]:
            second = first
        angle = _steps.sample_range(rng, (0, math.pi))
        if SHAPES[shape] == "plateau":
            beta = _shape_value(rng, self.betap_range)
            kernel = _kernels.plateau(size, first, second, angle, beta)
        elif SHAPES[shape] == "generalised":
            beta = _shape_value(rng, self.betag_range)
            kernel = _kernels.gaussian(size, first, second, angle, beta)
        else:
            kernel = _kernels.gaussian(size, first, second, angle)
        return _kernels.blur(x, kernel)

    def _last(self, x: F32, size: tuple[int, int], rng: np.random.Generator) -> F32:
        """Resize to the exact LR size, then apply the sinc filter."""
        x = _steps.resize(x, size, str(rng.choice(_steps.METHODS)))
        side, cutoff = (
            int(rng.choice(self.kernel_sizes)),
            _steps.sample_range(rng, (math.pi / 3, math.pi)),
        )
        kernel = _kernels.sinc(side, cutoff)
        return _kernels.blur(x, kernel) if rng.random() < self.final_sinc_prob else x


def _round(
    end: str,
    blur_sigma: _steps.Widths,
    resize_prob: _steps.Chances,
    resize_range: _steps.Factors,
    gaussian_noise_prob: _steps.Chance,
    noise_range: _steps.Amounts,
    poisson_scale_range: _steps.Amounts,
    gray_noise_prob: _steps.Chance,
    jpeg_range: _steps.Qualities,
) -> _Round:
    name = f"resize_range{end}"
    factors = _steps.limits(name, resize_range)
    if not factors[0] <= 1 <= factors[1]:
        raise ArgumentError(f"{name} is {resize_range!r}", "Give a range that contains 1")
    return _Round(
        blur_sigma=_steps.limits(f"blur_sigma{end}", blur_sigma),
        resize_prob=_steps.chances(f"resize_prob{end}", resize_prob),
        resize_range=factors,
        gaussian_noise_prob=gaussian_noise_prob,
        noise_range=_steps.limits(f"noise_range{end}", noise_range),
        poisson_scale_range=_steps.limits(f"poisson_scale_range{end}", poisson_scale_range),
        gray_noise_prob=gray_noise_prob,
        jpeg_range=_steps.limits(f"jpeg_range{end}", jpeg_range),
    )


def _rest(x: F32, base: tuple[int, ...], limits: _Round, rng: np.random.Generator) -> F32:
    """Resize to a random multiple of ``base``, then add noise."""
    draw = rng.random()
    factor = 1.0
    larger, smaller, _ = limits.resize_prob
    if draw < larger:
        factor = _steps.sample_range(rng, (1, limits.resize_range[1]))
    elif draw < larger + smaller:
        factor = _steps.sample_range(rng, (limits.resize_range[0], 1))
    size = max(round(base[0] * factor), 1), max(round(base[1] * factor), 1)
    x = _steps.resize(x, size, str(rng.choice(_steps.METHODS)))
    gray = bool(rng.random() < limits.gray_noise_prob)
    if rng.random() < limits.gaussian_noise_prob:
        return _steps.gaussian_noise(x, _steps.sample_range(rng, limits.noise_range), gray, rng)
    return _steps.poisson_noise(x, _steps.sample_range(rng, limits.poisson_scale_range), gray, rng)


def _shape_value(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """A value below 1 or above 1 with equal probability, if the range has both sides."""
    low, high = limits
    if low < 1 < high:
        return _steps.sample_range(rng, (low, 1) if rng.random() < 0.5 else (1, high))
    return _steps.sample_range(rng, limits)
