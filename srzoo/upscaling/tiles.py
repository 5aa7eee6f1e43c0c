"""Tiles as arrays: cutting, bounding, blending and rounding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images.rectangles import Rectangle
from . import alpha as alpha_
from .planner import LOOK

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..contracts import F32
    from .planner import TilePlan

DEEPEST = {np.dtype(np.uint8): 255, np.dtype(np.uint16): 65_535}
"""The value of white for each integer type."""


def rows_of(size: tuple[int, int], plan: TilePlan) -> Iterator[list[Rectangle]]:
    """The tiles of a picture (width, height), one row after the other."""
    rows, columns = plan.tile
    for y in range(0, size[1], rows):
        yield [
            Rectangle(x, y, min(columns, size[0] - x), min(rows, size[1] - y))
            for x in range(0, size[0], columns)
        ]


@dataclass(frozen=True)
class TileSource:
    """A picture from which tiles are cut.

    Attributes:
        pixels: H x W or H x W x 3, uint8, uint16 or float 0..1.
        alpha: H x W of the same type, or None; colours are extended under it.
        slack: how far a value may leave its neighbourhood's range in any case.
        freedom: how far beyond that, as a multiple of that range.
        look: size of the neighbourhood, in pixels on each side, at most ``LOOK``.
        flat: whether tiles of a single value skip the network.
        gray: whether the three channels are equal, so that computing one is enough.
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    slack: float = 1.5 / 255
    freedom: float = 2.0
    look: int = LOOK
    flat: bool = False
    gray: bool = False

    @property
    def channels(self) -> tuple[int, ...]:
        """The axes after height and width in the shape of a result."""
        return self.pixels.shape[2:]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def cut(self, place: Rectangle) -> F32:
        """The pixels of a place, reflected beyond the edges: float32 h x w x 1 or 3, in 0..1."""
        columns = _mirrored(place.x, place.right, self.size[0])
        rows = _mirrored(place.y, place.bottom, self.size[1])
        left, top = int(columns.min()), int(rows.min())
        inside = Rectangle(left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
        if self.alpha is None:
            x = as_floats(self._some(inside))
        else:
            x = self._extended(inside, self.alpha)
        if place == inside:
            return x
        return x[rows[:, None] - top, columns - left]

    def _some(self, place: Rectangle) -> NDArray[Any]:
        part = place.cut(self.pixels)
        return part[:, :, :1] if self.gray else part

    def _extended(self, place: Rectangle, alpha: NDArray[Any]) -> F32:
        if place.cut(alpha).min() == DEEPEST.get(alpha.dtype, 1):
            return as_floats(self._some(place))
        # Blocks are on one grid over the whole picture, so that every tile uses the same ones.
        outer = place.grown(alpha_.BLOCK, self.size, multiple=alpha_.BLOCK)
        around = as_floats(outer.cut(alpha))[:, :, 0]
        filled = alpha_.extend_colours(as_floats(self._some(outer)), around)
        return place.relative_to(outer).cut(filled)

    def constant(self, place: Rectangle) -> float | None:
        """The single value of a place, or None if it has several."""
        part = place.grown(0, self.size).cut(self.pixels)
        if part.min() != part.max():
            return None
        return float(as_floats(part[:1, :1])[0, 0, 0])


def _mirrored(low: int, high: int, length: int) -> NDArray[np.intp]:
    """The indices of pixels from ``low`` to ``high`` on a side with repeated reflection."""
    at = np.arange(low, high) % (2 * length)
    return np.minimum(at, 2 * length - 1 - at)


def all_gray(pixels: NDArray[Any], rows: int = 64) -> bool:
    """Whether a picture H x W x 3 has R = G = B everywhere; colour is mostly found at once."""
    return all(
        bool((part[:, :, :1] == part[:, :, 1:]).all())
        for part in (pixels[top : top + rows] for top in range(0, len(pixels), rows))
    )


def whole_rows(source: TileSource, rows: int = 64) -> Iterator[NDArray[Any]]:
    """The picture itself in strips, colours extended under transparency, for a resize only."""
    width, height = source.size
    for top in range(0, height, rows):
        strip = Rectangle(0, top, width, min(rows, height - top))
        if source.alpha is None:
            yield strip.cut(source.pixels)
        else:
            band = np.empty((strip.height, width, *source.channels), source.pixels.dtype)
            quantize_into(source.cut(strip), band)
            yield band


def join_channels(planes: list[Iterator[NDArray[Any]]], rows: int = 64) -> Iterator[NDArray[Any]]:
    """Combine strips of colours, and of alpha if any, into blocks of rows with all channels.

    The rows are copies, so that they do not keep a strip in memory.
    """
    for strip in planes[0]:
        more = [next(plane) for plane in planes[1:]]
        yield from _some_rows([strip, *more], rows)
        del strip, more


def _some_rows(parts: list[NDArray[Any]], rows: int) -> Iterator[NDArray[Any]]:
    for top in range(0, len(parts[0]), rows):
        some = [part[top : top + rows] for part in parts]
        yield np.dstack(some) if len(some) > 1 else some[0].copy()


def as_floats(part: NDArray[Any]) -> F32:
    """Float32 h x w x 1 or 3; integers are divided by their white."""
    x = part.astype(np.float32)
    if part.dtype in DEEPEST:
        x /= DEEPEST[part.dtype]
    return x[:, :, None] if x.ndim == 2 else x


def quantize_into(y: F32, target: NDArray[Any]) -> None:
    """Write values in 0..1 to ``target`` in its type; overwrites ``y``.

    Args:
        y: h x w x 1 or 3.
        target: h x w or h x w x 3; a single channel is written to all three.
    """
    if target.dtype in DEEPEST:
        y *= DEEPEST[target.dtype]
        np.rint(y, out=y)
    np.copyto(target, y if target.ndim == 3 else y[:, :, 0], casting="unsafe")


def clip_to_neighbours(y: F32, x: F32, source: TileSource, factor: int) -> F32:
    """Keep values near the range of the picture around them, and in 0..1.

    A trained network misses some flat colours by several levels. Where the picture is flat the
    answer is known. The more it varies, the further a value may leave the range, so detail is kept.

    Args:
        y: sH x sW x C, from the network; it is overwritten and returned.
        x: the picture with ``LOOK`` pixels more on each side: (H + 2 LOOK) x (W + 2 LOOK) x C.
        source: states the bounds.
        factor: s.
    """
    spare = LOOK - source.look
    x = x[spare : len(x) - spare, spare : x.shape[1] - spare]
    low, high = _nearby(x, np.minimum, source.look), _nearby(x, np.maximum, source.look)
    room = source.slack + source.freedom * (high - low)
    low, high = _planar(low - room), _planar(high + room)
    height, width, channels = low.shape
    blocks = y.reshape(height, factor, width, factor, channels)  # splitting axes makes no copy
    np.clip(blocks, low[:, None, :, None], high[:, None, :, None], out=blocks)
    return y


def _planar(bounds: NDArray[Any]) -> F32:
    """H x W x C in 0..1, stored channel after channel, as engines return it."""
    planes = np.ascontiguousarray(bounds.transpose(2, 0, 1))
    return np.clip(planes, 0, 1, out=planes).transpose(1, 2, 0)


def _nearby(x: F32, extreme: np.ufunc, look: int) -> F32:
    """The minimum or maximum within ``look`` pixels, for pixels with a full neighbourhood."""
    span = 2 * look + 1
    rows = x[: x.shape[0] - span + 1].copy()
    for by in range(1, span):
        extreme(rows, x[by : x.shape[0] - span + 1 + by], out=rows)
    found = rows[:, : x.shape[1] - span + 1].copy()
    for by in range(1, span):
        extreme(found, rows[:, by : x.shape[1] - span + 1 + by], out=found)
    return found


def ramps(grown: Rectangle, own: Rectangle, margin: int, factor: int) -> F32:
    """Weights for a blended tile, sH x sW x 1; they and the neighbours' weights add up to one."""

    def ramp(low: int, own_low: int, own_high: int, high: int) -> F32:
        at = (np.arange(low * factor, high * factor) + 0.5) / factor
        weight = np.ones(len(at), np.float64)
        if low < own_low:
            weight = np.minimum(weight, (at - (own_low - margin)) / (2 * margin))
        if high > own_high:
            weight = np.minimum(weight, (own_high + margin - at) / (2 * margin))
        return np.clip(weight, 0, 1).astype(np.float32)

    rows = ramp(grown.y, own.y, own.bottom, grown.bottom)
    columns = ramp(grown.x, own.x, own.right, grown.right)
    return (rows[:, None] * columns[None, :])[:, :, None]
