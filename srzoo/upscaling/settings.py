"""Checks of a caller's settings: wrong ones raise an error at once."""

from __future__ import annotations

import math
from numbers import Real
from typing import cast

from ..common import amounts, devices
from ..errors import DeviceError, PictureError, SrzooError, did_you_mean
from .planner import SMALLEST, Tile
from .sizing import Sizing

Size = str | tuple[int, int]
"""(width, height), "3840x2160", or one side: "long=4096", "short=", "width=", "height="."""


def check_tile(tile: object) -> Tile:
    """ "auto", "off", or a side in LR pixels.

    Raises:
        PictureError: it is none of these.
    """
    if isinstance(tile, str) and tile in ("auto", "off"):
        return tile
    side = amounts.whole(tile)
    if side is not None and side >= SMALLEST:
        return side
    raise PictureError(
        f"tile is {tile!r}", f'It is "auto", "off", or a whole number of pixels from {SMALLEST}'
    )


def check_memory(memory: object) -> int | None:
    """Bytes from a number or a text like "2GB"; None if not set.

    Raises:
        SrzooError: it is not an amount of memory.
    """
    if isinstance(memory, str):
        return amounts.memory_size(memory)
    if memory is None:
        return None
    found = int(memory) if isinstance(memory, float) and memory < math.inf else memory
    bytes_ = amounts.whole(found)
    if bytes_ is not None and bytes_ > 0:
        return bytes_
    raise SrzooError(f"memory is {memory!r}", 'It is a number of bytes, or a text like "2GB"')


def check_strength(strength: object) -> float:
    """The model's share, 0 to 1.

    Raises:
        PictureError: it is not a number from 0 to 1.
    """
    if (
        isinstance(strength, bool)
        or not isinstance(strength, Real)
        or not 0 <= float(strength) <= 1
    ):
        raise PictureError(
            f"strength is {strength!r}", "It is a number from 0 (bicubic) to 1 (the model)"
        )
    return float(strength)


def check_precision(precision: object) -> None:
    """Raise a DeviceError if it is none of ``devices.PRECISIONS``."""
    if precision not in devices.PRECISIONS:
        raise DeviceError(
            f"{precision!r} is not a precision", did_you_mean(str(precision), devices.PRECISIONS)
        )


def check_size(size: object) -> Sizing | None:
    """The requested size, if any.

    Raises:
        PictureError: it is not a size.
    """
    if size is None or isinstance(size, Sizing):
        return size
    if isinstance(size, str):
        return Sizing.parse(size=size)
    if isinstance(size, tuple | list):
        sides = cast("tuple[object, ...]", size)
        width, height = map(amounts.whole, sides) if len(sides) == 2 else (None, None)
        if width and height and min(width, height) > 0 and max(width, height) < 10**9:
            return Sizing(size=(width, height))
    raise PictureError(
        f"size is {size!r}", 'It is (width, height), or a text like "3840x2160" or "long=4096"'
    )


def check_asked(scale: object, size: object) -> Sizing | None:
    """The size that a call requests, if any.

    Raises:
        PictureError: it is not a size, or a scale is given too.
    """
    if scale is not None and size is not None:
        raise PictureError("a scale and a size are both given", "Give one of them")
    return check_size(size)


def check_reading(max_pixels: object, page: object) -> None:
    """Raise a PictureError if a file's limit or its page is not a whole number of at least 1."""
    if (found := amounts.whole(max_pixels)) is None or found < 1:
        raise PictureError(f"max_pixels is {max_pixels!r}", "It is a whole number from 1")
    if page is not None and ((number := amounts.whole(page)) is None or number < 1):
        raise PictureError(f"page is {page!r}", "It is a whole number from 1")


def check_progress(progress: object) -> None:
    """Raise a SrzooError if it is set, but cannot be called."""
    if progress is not None and not callable(progress):
        raise SrzooError(f"progress is {progress!r}", "Give a function of (done, total)")
