"""What degradations did before they had arguments: the numbers stand where they are used.

Only the order of draws and the numbers are told again; kernels, noise and JPEG are the plugin's.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from srzoo_plugins.degradations import _kernels, _steps
from srzoo_plugins.degradations._camera import _downscale, _gaussian, _motion_blurred

within = _steps.sample_range


def realistic(hr, scale, rng):
    size = hr.shape[0] // scale, hr.shape[1] // scale
    x = _blur(hr.astype(np.float32), (0.2, 3.0), rng)
    x = _rest(x, hr.shape[:2], 0.2, 0.7, (0.15, 1.5), (1, 30), (0.05, 3.0), rng)
    x = _steps.jpeg(np.clip(x, 0, 255), round(within(rng, (30, 95))))
    if rng.random() < 0.8:
        x = _blur(x, (0.2, 1.5), rng)
    x = _rest(x, size, 0.3, 0.4, (0.3, 1.2), (1, 25), (0.05, 2.5), rng)
    quality = round(within(rng, (30, 95)))
    if rng.random() < 0.5:
        return _steps.to_uint8(_steps.jpeg(_last(x, size, rng), quality))
    return _steps.to_uint8(_last(_steps.jpeg(x, quality), size, rng))


def _blur(x, sigma, rng):
    size = int(rng.choice(tuple(range(7, 22, 2))))
    if rng.random() < 0.1:
        least = math.pi / 3 if size < 13 else math.pi / 5
        return _kernels.blur(x, _kernels.sinc(size, within(rng, (least, math.pi))))
    shape = int(rng.choice(3, p=(0.70, 0.15, 0.15)))
    first, second = within(rng, sigma), within(rng, sigma)
    if rng.random() < (0.64, 0.80, 0.80)[shape]:
        second = first
    angle = within(rng, (0, math.pi))
    if shape == 2:
        return _kernels.blur(x, _kernels.plateau(size, first, second, angle, within(rng, (1, 2))))
    if shape == 1:
        beta = within(rng, (0.5, 1)) if rng.random() < 0.5 else within(rng, (1, 4))
        return _kernels.blur(x, _kernels.gaussian(size, first, second, angle, beta))
    return _kernels.blur(x, _kernels.gaussian(size, first, second, angle))


def _rest(x, base, up, down, factors, noise, light, rng):
    draw, factor = rng.random(), 1.0
    if draw < up:
        factor = within(rng, (1, factors[1]))
    elif draw < up + down:
        factor = within(rng, (factors[0], 1))
    size = max(round(base[0] * factor), 1), max(round(base[1] * factor), 1)
    x = _steps.resize(x, size, str(rng.choice(_steps.METHODS)))
    gray = bool(rng.random() < 0.4)
    if rng.random() < 0.5:
        return _steps.gaussian_noise(x, within(rng, noise), gray, rng)
    return _steps.poisson_noise(x, within(rng, light), gray, rng)


def _last(x, size, rng):
    x = _steps.resize(x, size, str(rng.choice(_steps.METHODS)))
    side = int(rng.choice(tuple(range(7, 22, 2))))
    kernel = _kernels.sinc(side, within(rng, (math.pi / 3, math.pi)))
    return _kernels.blur(x, kernel) if rng.random() < 0.8 else x


def camera(hr, scale, rng, *, sigma, shake, noise, light, jpeg, often, varied):
    strength = float(rng.random()) if varied else 1.0
    kernel = _gaussian(scale, sigma, rng)
    moved = strength * within(rng, shake) * scale
    lr = _downscale(_motion_blurred(hr.astype(np.float32), moved, rng), scale, kernel)
    gray = bool(rng.random() < 0.3)
    lr = _steps.poisson_noise(lr, strength * within(rng, light), gray, rng)
    lr = _steps.gaussian_noise(lr, strength * within(rng, noise), gray, rng)
    quality = round(within(rng, jpeg))
    return _steps.to_uint8(_steps.jpeg(lr, quality) if rng.random() < often else lr)


MADE = {
    "realistic": realistic,
    "mild": partial(
        camera, sigma=(0.25, 0.45), shake=(0, 0.6), noise=(0.5, 3), light=(0.1, 0.5),
        jpeg=(100, 100), often=0.0, varied=False,
    ),
    "difficult": partial(
        camera, sigma=(0.4, 0.8), shake=(0.5, 2.5), noise=(2, 8), light=(0.4, 1.2),
        jpeg=(100, 100), often=0.0, varied=False,
    ),
    "wild": partial(
        camera, sigma=(0.2, 1.0), shake=(0, 4), noise=(1, 18), light=(0.2, 2.5),
        jpeg=(50, 95), often=0.5, varied=True,
    ),
}  # fmt: skip
