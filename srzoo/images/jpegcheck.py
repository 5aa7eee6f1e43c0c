"""Whether a JPEG's data are all there: decoders fill what is missing with gray and say nothing.

Data that end too early are decoded differently when other bytes follow them, and data that go on
behind the last pixel are decoded the same without their end. An eighth of the size is enough.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from .jpegfile import ARITHMETIC, Layout, Scan
from .spliced import Part

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER = bytes((at * 73 + at * at // 7 + 0xA5) % 255 for at in range(4096)).replace(b"\\", b"/")
"""Bytes that mean something else than nothing, without 0xFF."""
BLOCK = 208
"""The most bytes that a block takes: 64 coefficients of 26 bits."""
EMPTY = (127, 128)
"""The gray of what was not decoded, also turned round as in CMYK."""
RESTART = re.compile(rb"\xff[\xd0-\xd7]")

NOWHERE = (np.zeros(0, np.int64), np.zeros(0, np.int64))
SHORT, LONG = "short", "long"
"""What may be wrong: data are missing; there are more than the pixels take."""


def checked(file: BinaryIO, layout: Layout) -> tuple[str, int] | None:
    """What is wrong with a picture's data, and from which row on; None where nothing is found."""
    if layout.marker in ARITHMETIC:
        return None  # its coder leaves out what is nothing
    single = len(layout.scans) == 1 and len(layout.scans[0].components) == len(layout.components)
    small = layout.ended or single
    plain = _decoded(file, layout, None, small=small)
    last = _last(layout, layout.scans[0]) if single else NOWHERE
    empty = np.isin(plain[last], EMPTY).all(axis=-1) if single else np.ones(1, bool)
    if empty.any() or not layout.ended:
        other = _decoded(file, layout, _followed(file, layout, OTHER), small=small)
        differs = (plain != other).reshape(len(plain), -1).any(axis=1)
        if differs.any():
            return SHORT, _row(layout, int(differs.argmax()), plain)
    if single and not empty.all():
        other = _decoded(file, layout, _followed(file, layout, b""), small=small)
        same = (plain[last] == other[last]).all(axis=-1) & ~empty
        if same.any():
            return LONG, _row(layout, int(last[0][same.argmax()]), plain)
    return None


def _row(layout: Layout, row: int, pixels: NDArray[np.uint8]) -> int:
    """Where the MCUs begin that a row of a smaller picture lies in."""
    step = 8 * layout.unit[1]
    return row * (1 if len(pixels) == layout.height else 8) // step * step


def _decoded(
    file: BinaryIO, layout: Layout, parts: list[Part] | None, *, small: bool
) -> NDArray[np.uint8]:
    """H x W x C of a picture with other scans, an eighth of its size where it has that."""
    image = JpegImageFile(layout.stream(file, parts))
    if small and min(image.size) >= 8:
        image.draft(None, (image.width // 8, image.height // 8))
    image.load()
    pixels = np.asarray(image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _last(layout: Layout, scan: Scan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the last MCU of each restart interval begins, down and across."""
    wide, high = layout.unit
    scale = 1 if min(layout.width, layout.height) >= 8 else 8  # pixels of a block
    units = layout.units(scan)
    last = np.append(np.arange(scan.interval or units, units, scan.interval or units), units) - 1
    across = -(-layout.width // (8 * wide))
    return last // across * high * scale, last % across * wide * scale


def _followed(file: BinaryIO, layout: Layout, other: bytes) -> list[Part]:
    """The scans, with the end of each restart interval's data cut off, or with more behind it."""
    parts: list[Part] = []
    at = layout.first
    for scan in layout.scans:
        file.seek(scan.data)
        data = file.read(scan.end - scan.data)
        each = other[: max(16, 4_000_000 // (scan.restarts + 1))]
        marks = RESTART.findall(data) if scan.interval else []
        pieces = RESTART.split(data) if scan.interval else [data]
        # Half a marker at the end would become another one.
        pieces = [piece.rstrip(b"\xff") if other else _shorter(piece) for piece in pieces]
        coded = [piece + each + mark for piece, mark in zip(pieces, [*marks, b""], strict=True)]
        parts += [(at, scan.data), b"".join(coded)]
        at = scan.end
    return [*parts, (at, layout.end)]


def _shorter(data: bytes) -> bytes:
    """Coded data without padding and their last block; other data where there are no more."""
    padded = len(data) - len(data.rstrip(data[-1:] or b"\0"))
    return data[: max(0, len(data) - padded - BLOCK)].rstrip(b"\xff") or OTHER[:BLOCK]
