"""Any size: passes of a model, then an antialiased resize to the exact size."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import PictureError, did_you_mean
from ..models.scales import choose

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDES = ("width", "height", "long", "short")
NEARLY_EXACT = 1.02
"""The relative enlargement up to which the resize replaces a further pass."""
STRETCHED = 0.01
"""A change of aspect ratio by more than this share is mentioned in the notes."""
BAND = 64
"""Rows per resize step: the same for a whole picture and for strips."""
SUPPORT = 3
"""Half the width of the Lanczos kernel, in pixels of the smaller picture."""


@dataclass(frozen=True)
class Route:
    """The passes from a picture's size to the result's.

    Attributes:
        passes: the model's factors, one after the other.
        size: (width, height) at the end.
        source: (width, height) at the beginning.
    """

    passes: tuple[int, ...]
    size: tuple[int, int]
    source: tuple[int, int]

    @property
    def model_size(self) -> tuple[int, int]:
        """(width, height) after the passes."""
        factor = math.prod(self.passes)
        return self.source[0] * factor, self.source[1] * factor

    @property
    def resized(self) -> bool:
        """Whether a resize comes after the passes."""
        return self.model_size != self.size

    def __str__(self) -> str:
        steps = [f"x{factor}" for factor in self.passes]
        if self.resized:
            then = "then " if steps else ""
            steps.append(f"{then}resized to {self.size[0]}x{self.size[1]}{self._stretch()}")
        return ", ".join(steps) or "not changed"

    def _stretch(self) -> str:
        across, down = self.size[0] / self.source[0], self.size[1] / self.source[1]
        wider, half = across / down - 1, 0.6 / min(self.size)  # ignore rounding
        if abs(wider) <= max(STRETCHED, half):
            return ""
        return f" (stretched: {abs(wider):.0%} {'wider' if wider > 0 else 'narrower'})"


@dataclass(frozen=True)
class Sizing:
    """The requested size: at most one of these is set; none means the model's scale.

    Attributes:
        scale: a factor; it need not be a whole number.
        size: exactly (width, height).
        side: one of ``SIDES``, and its length; the other follows.
    """

    scale: float | None = None
    size: tuple[int, int] | None = None
    side: tuple[str, int] | None = None

    @classmethod
    def parse(cls, scale: str | None = None, size: str | None = None) -> Sizing:
        """Parse a requested size.

        Args:
            scale: "1.5", "3", "x4".
            size: "3840x2160", or the length of one side: "width=3840", "height=2160",
                "long=4096", "short=1080".

        Raises:
            PictureError: it is invalid, or both are given.
        """
        if scale is not None and size is not None:
            raise PictureError("a scale and a size are both given", "Give one of them")
        if scale is not None:
            return cls(scale=_factor(scale))
        if size is None:
            return cls()
        if match := re.fullmatch(r"\s*(\d+)\s*[xX×]\s*(\d+)\s*", size):
            return cls(size=(_length(match[1], size), _length(match[2], size)))
        name, equals, length = (part.strip() for part in size.partition("="))
        if equals and name not in SIDES:
            raise PictureError(f"the size {size!r} has no side {name!r}", did_you_mean(name, SIDES))
        if not equals or not length.isdecimal():
            raise PictureError(
                f"{size!r} is not a size", "Write 3840x2160, width=3840, height=, long= or short="
            )
        return cls(side=(name, _length(length, size)))

    def route(self, size: tuple[int, int], scales: Sequence[int]) -> Route:
        """The passes for a picture, and its exact size.

        Args:
            size: (width, height) of the picture.
            scales: the factors of the model in one pass.

        Raises:
            PictureError: no scale is requested and the model has several; or it cannot upscale.
        """
        if not (self.scale or self.size or self.side):
            factor = choose("the model", scales, None)
            return Route((factor,), (size[0] * factor, size[1] * factor), size)
        target = self._target(size)
        needed = max(target[0] / size[0], target[1] / size[1])
        return Route(_passes(needed, scales), target, size)

    def _target(self, size: tuple[int, int]) -> tuple[int, int]:
        if self.size:
            return self.size
        factor = self.scale or 1.0
        if self.side:
            name, length = self.side
            width, height = size
            sides = {"width": width, "height": height, "long": max(size), "short": min(size)}
            factor = length / sides[name]
        return _scaled(size[0], factor), _scaled(size[1], factor)


def _factor(text: str) -> float:
    match = re.fullmatch(r"\s*[xX×]?\s*(\d+(?:\.\d*)?|\.\d+)\s*[xX×]?\s*", text)
    factor = float(match[1]) if match else 0.0
    if not 0 < factor < 1e6:
        raise PictureError(f"{text!r} is not a scale", "Write a number, like 4 or 1.5")
    return factor


def _length(text: str, size: str) -> int:
    length = int(text) if len(text) < 10 else 0
    if length < 1:
        raise PictureError(f"{size!r} is not a size", "A side has at least one pixel")
    return length


def _scaled(length: int, factor: float) -> int:
    # Half a pixel is rounded up; 1e-9 keeps 3 * (1 / 3) and the like from rounding down.
    return max(1, math.floor(length * factor + 0.5 + 1e-9))


def _passes(needed: float, scales: Sequence[int]) -> tuple[int, ...]:
    """The fewest passes whose product is the least factor that is at least ``needed``.

    Small factors come first, so that fewer pixels pass through the network.
    """
    needed /= NEARLY_EXACT
    if needed <= 1:
        return ()
    enlarging = sorted(scale for scale in scales if scale > 1)
    if not enlarging:
        alone = ", ".join(map(str, scales))
        raise PictureError(f"the model enlarges only by {alone}", "Choose another model")
    most = math.ceil(math.log(needed) / math.log(enlarging[0]) - 1e-9)
    choices = [
        passes
        for count in range(1, max(most, 1) + 1)
        for passes in itertools.combinations_with_replacement(enlarging, count)
        if math.prod(passes) >= needed
    ]
    return min(choices, key=lambda passes: (math.prod(passes), len(passes)))


def rows_held(source: tuple[int, int], size: tuple[int, int]) -> int:
    """The most input rows that :func:`resized` needs at a time."""
    ratio = source[1] / size[1]
    return min(source[1], math.ceil(BAND * ratio) + 2 * _beyond(ratio) + 1)


def _beyond(ratio: float) -> int:
    """How many rows beyond its place the kernel reads."""
    return math.ceil(SUPPORT * max(ratio, 1)) + 1


def resized(
    strips: Iterator[NDArray[Any]], source: tuple[int, int], size: tuple[int, int]
) -> Iterator[NDArray[Any]]:
    """Rows of a picture to rows of another size: Lanczos, antialiased when it shrinks.

    The result does not depend on the strips that the picture is cut into.

    Args:
        strips: from top to bottom, h x W x C or h x W, uint8, uint16 or float 0..1.
        source: (width, height) of the input.
        size: (width, height) of the output.
    """
    ratio = source[1] / size[1]
    beyond = _beyond(ratio)
    held, first = next(strips), 0  # rows, and the number of the first of them
    for top in range(0, size[1], BAND):
        bottom = min(top + BAND, size[1])
        start = max(0, math.floor(top * ratio) - beyond)
        stop = min(source[1], math.ceil(bottom * ratio) + beyond)
        held, first = held[start - first :], start
        parts = [held]
        while first + sum(map(len, parts)) < stop:
            parts.append(next(strips))
        held = np.concatenate(parts) if len(parts) > 1 else held
        box = (0, top * ratio - start, source[0], bottom * ratio - start)
        yield _lanczos(held[: stop - start], (size[0], bottom - top), box)


def _lanczos(
    rows: NDArray[Any], size: tuple[int, int], box: tuple[float, float, float, float]
) -> NDArray[Any]:
    """A part of a picture at another size, each channel in float to avoid intermediate rounding."""
    planes = rows[:, :, None] if rows.ndim == 2 else rows
    out = np.empty((size[1], size[0], planes.shape[2]), rows.dtype)
    for channel in range(planes.shape[2]):
        plane = Image.fromarray(planes[:, :, channel].astype(np.float32))
        found = np.asarray(plane.resize(size, Image.Resampling.LANCZOS, box=box))
        if rows.dtype.kind == "u":
            out[:, :, channel] = np.rint(np.clip(found, 0, np.iinfo(rows.dtype).max))
        else:
            out[:, :, channel] = np.clip(found, 0, 1)
    return out[:, :, 0] if rows.ndim == 2 else out
