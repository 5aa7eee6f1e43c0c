"""Animations: composes a frame from its layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEEP, CLEAR, RESTORE = range(3)
MAX_TOTAL = 4
"""Pixels drawn for one frame, as a multiple of the largest picture."""


@dataclass(frozen=True)
class Layer:
    """A stored frame.

    Attributes:
        box: left, top, width and height on the canvas.
        dispose: what happens before the next one: ``KEEP`` it, ``CLEAR`` its box, or
            ``RESTORE`` the previous contents.
        over: whether it is blended over the canvas; otherwise it replaces it, including alpha.
    """

    box: tuple[int, int, int, int]
    dispose: int = KEEP
    over: bool = True


def compose(
    size: tuple[int, int],
    layers: Sequence[Layer],
    draw: Callable[[int], NDArray[Any]],
    most: int,
) -> NDArray[Any]:
    """The visible picture when the last of ``layers`` is displayed.

    Args:
        size: width and height of the canvas.
        layers: all up to that one.
        draw: returns the pixels of a layer by its index: h x w x C, the last channel alpha.
        most: the limit for the canvas in pixels; ``MAX_TOTAL`` times as many may be drawn.

    Returns:
        H x W x C, transparent in undrawn areas.

    Raises:
        PictureError: the layers exceed that limit together.
    """
    width, height = size
    first = _first_visible(size, layers)
    check_total(sum(layer.box[2] * layer.box[3] for layer in layers[first:]), most)
    canvas: NDArray[Any] | None = None
    for at in range(first, len(layers)):
        layer = layers[at]
        x, y, w, h = layer.box
        pixels = draw(at)
        last = at == len(layers) - 1
        if last and canvas is None and layer.box == (0, 0, width, height):
            return pixels
        if canvas is None:
            canvas = np.zeros((height, width, pixels.shape[2]), pixels.dtype)
        place = canvas[y : y + h, x : x + w]
        before = place.copy() if layer.dispose == RESTORE and not last else None
        pixels = pixels[: place.shape[0], : place.shape[1]]
        place[:] = _blend_over(place, pixels) if layer.over else pixels
        if not last and layer.dispose == CLEAR:
            place[:] = 0
        elif before is not None:
            place[:] = before
    assert canvas is not None
    return canvas


def check_total(total: int, most: int) -> None:
    """Refuse an animation that would take too long to draw.

    Raises:
        PictureError: more than ``MAX_TOTAL`` times ``most`` pixels.
    """
    if total > MAX_TOTAL * most:
        raise PictureError(
            f"the frames up to it have {total:,} pixels together",
            f"Choose an earlier one, or give max_pixels={-(-total // MAX_TOTAL)} if you trust it",
        )


def join_alpha(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> NDArray[Any]:
    """Colours and alpha as h x w x C; opaque without alpha."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    if alpha is None:
        alpha = np.full(pixels.shape[:2], np.iinfo(pixels.dtype).max, pixels.dtype)
    return np.concatenate([pixels, alpha[:, :, None]], axis=2)


def part_alpha(planes: NDArray[Any], clear: bool) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """Split colours and alpha; alpha is None if all is opaque and ``clear`` is False."""
    alpha = planes[:, :, -1]
    clear = clear or alpha.min() < np.iinfo(planes.dtype).max
    pixels = planes[:, :, 0] if planes.shape[2] == 2 else planes[:, :, :3]
    return np.ascontiguousarray(pixels), np.ascontiguousarray(alpha) if clear else None


def _first_visible(size: tuple[int, int], layers: Sequence[Layer]) -> int:
    """The first layer that must be drawn: earlier ones are invisible."""
    last = len(layers) - 1
    for at in range(last, 0, -1):
        layer = layers[at]
        stays = at == last or layer.dispose != RESTORE
        if layer.box == (0, 0, *size) and not layer.over and stays:
            return at
        if layers[at - 1].box == (0, 0, *size) and layers[at - 1].dispose == CLEAR:
            return at
    return 0


def _blend_over(below: NDArray[Any], above: NDArray[Any]) -> NDArray[Any]:
    """``above`` laid over ``below``; colours are not multiplied by alpha."""
    white = np.iinfo(above.dtype).max
    alpha = above[:, :, -1]
    laid = np.where(alpha[:, :, None] == 0, below, above)
    partly = (alpha > 0) & (alpha < white)
    if partly.any():
        top, bottom = above[partly].astype(np.float64), below[partly].astype(np.float64)
        weight = bottom[:, -1:] * (1 - top[:, -1:] / white)
        both = top[:, -1:] + weight
        mixed = (top[:, :-1] * top[:, -1:] + bottom[:, :-1] * weight) / both
        laid[partly] = np.rint(np.concatenate([mixed, both], axis=1)).astype(above.dtype)
    return laid
