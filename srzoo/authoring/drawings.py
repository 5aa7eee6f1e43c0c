"""Synthetic pictures for trials without files: edges, gradients, and fine texture."""

from __future__ import annotations

import numpy as np

from ..contracts import U8

SIDE = 160


def picture(number: int, side: int = SIDE) -> U8:
    """The picture with a number, uint8 side x side x 3: discs, some striped, on a gradient."""
    chance = np.random.default_rng(number)
    y, x = np.mgrid[0:side, 0:side] / side
    drawn = 255 * (y[..., None] * chance.random(3) + x[..., None] * chance.random(3)) / 2
    for count in range(14):
        down, right, radius = chance.random(3) * (1, 1, 0.25)
        angle = chance.uniform(0, np.pi)
        along = np.sin((x * np.cos(angle) + y * np.sin(angle)) * side * chance.uniform(0.3, 1.5))
        inside = np.hypot(y - down, x - right) < radius
        colour = 255 * chance.random(3) + (count % 2) * 40 * along[inside][:, None]
        drawn[inside] = colour
    return np.clip(np.rint(drawn), 0, 255).astype(np.uint8)


def pictures(count: int = 8, side: int = SIDE) -> tuple[U8, ...]:
    """The first pictures."""
    return tuple(picture(number, side) for number in range(count))
