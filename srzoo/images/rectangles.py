"""Rectangles of pixels, and the crop for a comparison of models."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..contracts import on_grid
from ..errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..contracts import F32, U8

GRID = 64
"""Parts of pictures begin at multiples of this, so that networks on a grid give the same values as
for the whole."""
LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True)
class Rectangle:
    """A rectangle of pixels: its left top corner, and its size.

    Positions are relative to the left top corner of the picture; a rectangle may exceed its edges.
    """

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """The first column after it."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """The first row below it."""
        return self.y + self.height

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    @classmethod
    def parse(cls, text: str) -> Rectangle:
        """Parse "x,y,w,h".

        Raises:
            PictureError: it is not four whole numbers, or empty.
        """
        match = re.fullmatch(r"\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*,\s*(\d+)\s*", text, re.ASCII)
        place = cls(*(int(number) for number in match.groups())) if match else None
        if place is None or not place.width or not place.height:
            raise PictureError(
                f"{text!r} is not a place in a picture", "Write x,y,width,height in pixels, or auto"
            )
        return place

    def cut(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """This part of a picture H x W or H x W x C; a view."""
        return pixels[self.y : self.bottom, self.x : self.right]

    def moved(self, x: int, y: int) -> Rectangle:
        """The same size, moved to the right and down."""
        return Rectangle(self.x + x, self.y + y, self.width, self.height)

    def relative_to(self, outer: Rectangle, by: int = 1) -> Rectangle:
        """The same pixels in an array that contains only ``outer``, enlarged by ``by``."""
        return self.moved(-outer.x, -outer.y).scaled(by)

    def scaled(self, by: int) -> Rectangle:
        """The same pixels in a picture enlarged by ``by``."""
        return Rectangle(self.x * by, self.y * by, self.width * by, self.height * by)

    def divided(self, by: int) -> Rectangle:
        """The pixels that overlap this rectangle in a picture smaller by ``by``."""
        x, y = self.x // by, self.y // by
        right, bottom = -(-self.right // by), -(-self.bottom // by)
        return Rectangle(x, y, right - x, bottom - y)

    def snapped(self, unit: int) -> Rectangle:
        """The nearest rectangle to the left and top with corners at multiples of ``unit``."""
        width, height = max(1, self.width // unit), max(1, self.height // unit)
        return Rectangle(self.x // unit, self.y // unit, width, height).scaled(unit)

    def grown(self, by: int, size: tuple[int, int], edge: int = 0, multiple: int = 1) -> Rectangle:
        """With ``by`` pixels more on each side, at most ``edge`` beyond a picture (width, height).

        On a grid of ``multiple`` pixels, to which ``edge`` is aligned, it is made of whole cells.
        """
        x = max(-edge, (self.x - by) // multiple * multiple)
        y = max(-edge, (self.y - by) // multiple * multiple)
        right = on_grid(min(size[0] + edge, self.right + by), multiple)
        bottom = on_grid(min(size[1] + edge, self.bottom + by), multiple)
        return Rectangle(x, y, right - x, bottom - y)

    def aligned(self, by: int) -> Rectangle:
        """With its left top corner moved out to multiples of ``by``; the other corner is kept."""
        left, top = self.x % by, self.y % by
        return Rectangle(self.x - left, self.y - top, self.width + left, self.height + top)

    def within(self, whole: Rectangle, unit: int = 1) -> Rectangle:
        """The same, if it is inside the whole; messages count in pixels of ``unit``.

        Raises:
            PictureError: a part of it is outside.
        """
        if self.right > whole.width or self.bottom > whole.height:
            size = whole.divided(unit)
            raise PictureError(
                f"the place {self.divided(unit)} leaves the picture, which has"
                f" {size.width}x{size.height} pixels",
                "Write x,y,width,height of a place in it",
            )
        return self


def most_detailed_square(pictures: Sequence[U8], side: int) -> Rectangle:
    """A square with much detail on which the pictures differ.

    Each pixel counts by the gradient of the mean picture times the difference between the pictures;
    the square root makes much texture count more than one hard edge. The result is the square with
    the largest sum, the first of equal ones. The same pictures always give the same square.

    Args:
        pictures: uint8 H x W x 3, all of one size; for a single picture, its detail counts.
        side: of the square, in pixels.

    Returns:
        The square; smaller if the picture is.
    """
    low = high = mean = _luma(pictures[0])
    for number, picture in enumerate(pictures[1:], 2):
        luma = _luma(picture)
        low, high = np.minimum(low, luma), np.maximum(high, luma)
        mean = mean + (luma - mean) / number
    down, right = (np.gradient(mean, axis=axis) if mean.shape[axis] > 1 else 0 * mean
                   for axis in (0, 1))  # fmt: skip
    detail = np.hypot(down, right)
    score = np.sqrt(detail * (high - low) if len(pictures) > 1 else detail)
    height, width = score.shape
    wide, tall = min(side, width), min(side, height)
    # Sums over all squares at once, from the sums over all rectangles that begin at 0, 0.
    total = np.zeros((height + 1, width + 1))
    np.cumsum(np.cumsum(score, axis=0, dtype=np.float64), axis=1, out=total[1:, 1:])
    sums = total[tall:, wide:] - total[:-tall, wide:] - total[tall:, :-wide] + total[:-tall, :-wide]
    # Rounding differs between machines, so values that differ only by rounding count as equal.
    y, x = np.unravel_index(int(np.argmax(np.round(sums, 3))), sums.shape)
    return Rectangle(int(x), int(y), wide, tall)


def _luma(picture: U8) -> F32:
    return picture.astype(np.float32) @ np.array(LUMA, np.float32)
