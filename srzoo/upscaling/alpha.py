"""Colour under transparency: visible colours are extended over hidden ones.

An invisible pixel has a colour too, mostly black. A network, or any interpolation, mixes it into
its visible neighbours, which gives cut-out pictures a dark fringe. So before a picture is upscaled,
its visible colours are extended under its transparent parts, from coarse to fine: means of blocks,
weighted by alpha, then bilinear between blocks that have any visible pixel (after the pull-push of
Gortler et al., "The Lumigraph", SIGGRAPH 1996).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..contracts import F32

LEVELS = 4
BLOCK = 2**LEVELS
"""Side of the largest blocks, in pixels. A pixel depends on its own block and the eight around it:
a part of a picture is filled like the whole if it is made of whole blocks and one more all round.
"""
TRANSPARENT = 0.5
"""The colour where no visible pixel is near."""


def extend_colours(colour: F32, alpha: F32) -> F32:
    """A picture with its colours extended under its transparent parts.

    Opaque pixels, and pixels at least half as visible as their neighbours, do not change. The
    colour of a pixel with alpha 0 does not influence the result.

    Args:
        colour: H x W x C in 0..1.
        alpha: H x W in 0..1.
    """
    weight = alpha[:, :, None]
    levels = [(colour * weight, weight)]
    for _ in range(LEVELS):
        levels.append((_halved(levels[-1][0]), _halved(levels[-1][1])))
    value, known = _mean(*levels[-1])
    for sums, weights in reversed(levels[1:-1]):
        own, has = _mean(sums, weights)
        above, there = _between(value, known, own.shape)
        value = np.where(has > 0, own, above)
        known = np.maximum(has, there)
    above, there = _between(value, known, colour.shape)
    above = np.where(there > 0, above, np.float32(TRANSPARENT))
    # An edge pixel that is much less visible than its neighbours takes their colour, as
    # premultiplied interpolation would have it. A shadow, faint all over, keeps its own.
    greatest = np.maximum(_greatest_nearby(weight), np.float32(1e-6))
    trust: F32 = np.minimum(2 * weight / greatest, np.float32(1))
    return np.where(trust < 1, above + trust * (colour - above), colour)


def _halved(x: F32) -> F32:
    """Sums of 2 x 2 pixels; an odd side is extended with zeros."""
    x = np.pad(x, ((0, x.shape[0] % 2), (0, x.shape[1] % 2), (0, 0)))
    rows: F32 = x[0::2] + x[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _mean(sums: F32, weights: F32) -> tuple[F32, F32]:
    """Means where the weight is above 0 (else 0), and 1 where it is."""
    some = weights > 0
    return np.where(some, sums / np.where(some, weights, 1), 0), some.astype(np.float32)


def _between(value: F32, known: F32, shape: tuple[int, ...]) -> tuple[F32, F32]:
    """Bilinear values at twice the size, from known values only; and 1 where there are any."""
    weights = _doubled(known)[: shape[0], : shape[1]]
    sums = _doubled(value * known)[: shape[0], : shape[1]]
    return _mean(sums, weights)


def _doubled(x: F32) -> F32:
    """Bilinear enlargement by 2, with zeros beyond the edges."""
    for axis in (0, 1):
        x = np.moveaxis(x, axis, 0)
        none = np.zeros_like(x[:1])
        before = np.concatenate([none, x[:-1]])
        after = np.concatenate([x[1:], none])
        doubled = np.empty((2 * len(x), *x.shape[1:]), np.float32)
        doubled[0::2] = 0.75 * x + 0.25 * before
        doubled[1::2] = 0.75 * x + 0.25 * after
        x = np.moveaxis(doubled, 0, axis)
    return x


def _greatest_nearby(x: F32) -> F32:
    """The greatest value among a pixel and its eight neighbours."""
    rows = x.copy()
    np.maximum(rows[1:], x[:-1], out=rows[1:])
    np.maximum(rows[:-1], x[1:], out=rows[:-1])
    found = rows.copy()
    np.maximum(found[:, 1:], rows[:, :-1], out=found[:, 1:])
    np.maximum(found[:, :-1], rows[:, 1:], out=found[:, :-1])
    return found
