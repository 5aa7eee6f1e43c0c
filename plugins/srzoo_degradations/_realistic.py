"""Real-ESRGAN's second-order degradation.

Wang, Xie, Dong, Shan, "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
Synthetic Data", ICCVW 2021, https://arxiv.org/abs/2107.10833, section 3 and table 3 of its
supplement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import _kernels, _steps
from ._imresize import check_hr

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]
    F32 = NDArray[np.float32]

SINC_CHANCE = 0.1
SECOND_BLUR_CHANCE = 0.8
FINAL_SINC_CHANCE = 0.8
GRAY_CHANCE = 0.4
SIZES = tuple(range(7, 22, 2))
SHAPES = ("gaussian", "generalised", "plateau")
SHAPE_CHANCES = (0.70, 0.15, 0.15)
ROUND_CHANCES = (0.64, 0.80, 0.80)
"""How often a kernel of each shape is isotropic (0.45 of 0.70, and so on)."""


@dataclass(frozen=True)
class _Round:
    """The ranges of one round; ``up``, ``down``: chances to grow and to shrink."""

    sigma: tuple[float, float]
    up: float
    down: float
    resize: tuple[float, float]
    noise: tuple[float, float]
    light: tuple[float, float]
    quality: tuple[float, float] = (30, 95)


FIRST = _Round((0.2, 3.0), 0.2, 0.7, (0.15, 1.5), (1, 30), (0.05, 3.0))
SECOND = _Round((0.2, 1.5), 0.3, 0.4, (0.3, 1.2), (1, 25), (0.05, 2.5))


class Realistic:
    """Two rounds of blur, resize, noise and JPEG, then a sinc filter: what photos go through.

    The chances and ranges are Real-ESRGAN's. Differs from its reference: the peak of the
    Poisson noise is always 255 counts (the reference takes the next power of two above the
    number of different values), and JPEG is Pillow's, not a differentiable one.
    """

    deterministic = False

    def __call__(self, hr: U8, scale: int, rng: np.random.Generator) -> U8:
        """Uint8 H x W x 3 to uint8 H/scale x W/scale x 3.

        Raises:
            ValueError: ``hr`` has another dtype, shape, or a size no multiple of ``scale``.
        """
        check_hr(hr, scale)
        height, width = hr.shape[0] // scale, hr.shape[1] // scale
        x = _blur(hr.astype(np.float32), FIRST, rng)
        x = _rest(x, hr.shape[:2], FIRST, rng)
        x = np.clip(x, 0, 255)
        x = _steps.jpeg(x, round(_steps.within(rng, FIRST.quality)))
        if rng.random() < SECOND_BLUR_CHANCE:
            x = _blur(x, SECOND, rng)
        x = _rest(x, (height, width), SECOND, rng)
        quality = round(_steps.within(rng, SECOND.quality))
        # The last resize and the sinc filter come before or after the JPEG: ringing over
        # blocks and blocks over ringing both exist (section 3.5).
        if rng.random() < 0.5:
            x = _steps.jpeg(_last(x, (height, width), rng), quality)
        else:
            x = _last(_steps.jpeg(x, quality), (height, width), rng)
        return _steps.to_uint8(x)


def _blur(x: F32, limits: _Round, rng: np.random.Generator) -> F32:
    size = int(rng.choice(SIZES))
    if rng.random() < SINC_CHANCE:
        least = math.pi / 3 if size < 13 else math.pi / 5
        return _kernels.blur(x, _kernels.sinc(size, _steps.within(rng, (least, math.pi))))
    shape = int(rng.choice(len(SHAPES), p=SHAPE_CHANCES))
    first, second = (_steps.within(rng, limits.sigma) for _ in range(2))
    if rng.random() < ROUND_CHANCES[shape]:
        second = first
    angle = _steps.within(rng, (0, math.pi))
    if SHAPES[shape] == "plateau":
        kernel = _kernels.plateau(size, first, second, angle, _shape_value(rng, (1, 2)))
    elif SHAPES[shape] == "generalised":
        kernel = _kernels.gaussian(size, first, second, angle, _shape_value(rng, (0.5, 4)))
    else:
        kernel = _kernels.gaussian(size, first, second, angle)
    return _kernels.blur(x, kernel)


def _rest(x: F32, base: tuple[int, ...], limits: _Round, rng: np.random.Generator) -> F32:
    """Resize to a random multiple of ``base``, then noise."""
    draw = rng.random()
    factor = 1.0
    if draw < limits.up:
        factor = _steps.within(rng, (1, limits.resize[1]))
    elif draw < limits.up + limits.down:
        factor = _steps.within(rng, (limits.resize[0], 1))
    size = max(round(base[0] * factor), 1), max(round(base[1] * factor), 1)
    x = _steps.resize(x, size, str(rng.choice(_steps.METHODS)))
    gray = bool(rng.random() < GRAY_CHANCE)
    if rng.random() < 0.5:
        return _steps.gaussian_noise(x, _steps.within(rng, limits.noise), gray, rng)
    return _steps.poisson_noise(x, _steps.within(rng, limits.light), gray, rng)


def _shape_value(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """As often below 1 as above, where the range has both sides."""
    if limits[0] < 1 and rng.random() < 0.5:
        return _steps.within(rng, (limits[0], 1))
    return _steps.within(rng, (1, limits[1]))


def _last(x: F32, size: tuple[int, int], rng: np.random.Generator) -> F32:
    """To the exact LR size, then the sinc filter."""
    x = _steps.resize(x, size, str(rng.choice(_steps.METHODS)))
    kernel = _kernels.sinc(int(rng.choice(SIZES)), _steps.within(rng, (math.pi / 3, math.pi)))
    return _kernels.blur(x, kernel) if rng.random() < FINAL_SINC_CHANCE else x
