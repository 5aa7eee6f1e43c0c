"""Whether a JPEG's data are all there: decoders fill what is missing with gray and say nothing.

A scan whose data end too early is decoded differently when other bytes follow them, and one whose
data go on after the last pixel is decoded the same without these. An eighth of the size is enough.
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

OTHER = bytes((at * 73 + at * at // 7 + 0xA5) % 255 for at in range(4096))
"""Bytes that mean something else than nothing, without 0xFF."""
UNIT = 2048
"""Bytes that one MCU may take."""
EMPTY = (127, 128)
"""The gray of what was not decoded, also turned round as in CMYK."""


def missing(file: BinaryIO, layout: Layout) -> int | None:
    """The row from which on data are missing; None where there are all."""
    if layout.marker in ARITHMETIC:
        return None  # its coder leaves out what is nothing
    single = len(layout.scans) == 1 and len(layout.scans[0].components) == len(layout.components)
    small = layout.ended or single
    plain = _decoded(file, layout, None, small=small)
    if single and layout.ended and not _empty(plain, layout, layout.scans[0]):
        return None
    other = _decoded(file, layout, _followed(file, layout), small=small)
    differs = (plain != other).reshape(len(plain), -1).any(axis=1)
    if not differs.any():
        return None
    step = 8 * layout.unit[1]
    row = int(differs.argmax()) * (1 if len(plain) == layout.height else 8)
    return row // step * step


def too_much(file: BinaryIO, layout: Layout) -> bool:
    """Whether a picture of one scan has far more data than its pixels take."""
    scan = layout.scans[0]
    if (
        len(scan.components) < len(layout.components)
        or scan.interval
        or layout.marker in ARITHMETIC
    ):
        return False
    file.seek(max(scan.data, scan.end - 4 * UNIT))
    end = file.read(min(4 * UNIT, scan.end - scan.data))
    cut = scan.end - (len(end) - len(end.rstrip(end[-1:]))) - UNIT
    if cut <= scan.data + UNIT or end.rstrip(end[-1:]) == b"":
        return False
    small = _decoded(file, layout, [(layout.first, cut)], small=True)
    return not _empty(small, layout, scan)


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


def _empty(pixels: NDArray[np.uint8], layout: Layout, scan: Scan) -> bool:
    """Whether the last MCU of any restart interval may not have been decoded."""
    wide, high = layout.unit
    scale = 1 if min(layout.width, layout.height) >= 8 else 8  # pixels of a block
    units = layout.units(scan)
    last = np.append(np.arange(scan.interval or units, units, scan.interval or units), units) - 1
    across = -(-layout.width // (8 * wide))
    found = pixels[last // across * high * scale, last % across * wide * scale]
    return bool(np.isin(found, EMPTY).all(axis=1).any())


def _followed(file: BinaryIO, layout: Layout) -> list[Part]:
    """The scans, with other bytes behind the data of each restart interval."""
    parts: list[Part] = []
    at = layout.first
    for scan in layout.scans:
        if scan.interval and len(layout.scans) == 1:
            parts.append((at, scan.data))
            file.seek(scan.data)
            data = file.read(scan.end - scan.data)
            other = OTHER[: max(16, min(len(OTHER), 4_000_000 // (scan.restarts + 1)))]
            parts.append(
                re.sub(rb"\xff[\xd0-\xd7]", rb"%b\g<0>" % other.replace(b"\\", b"/"), data)
            )
        else:
            parts.append((at, scan.end))
        parts.append(OTHER)
        at = scan.end
    return [*parts, (at, layout.end)]
