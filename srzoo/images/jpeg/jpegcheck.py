"""Checks that a JPEG is complete: decoders fill missing data with gray without a warning.

If data end too early, the decoded pixels change with the bytes that follow. If data continue
beyond the last pixel, the decoded pixels do not change with the last bytes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from .. import decoding
from ..spliced import Part
from .jpegfile import ARITHMETIC, JPEGLayout, Scan

if TYPE_CHECKING:
    from numpy.typing import NDArray

OTHER = bytes((at * 73 + at * at // 7 + 0xA5) % 255 for at in range(4096)).replace(b"\\", b"/")
"""Bytes that affect decoding, without 0xFF."""
END = 4
"""The number of changed bytes at the end; the last one may contain a single bit of data."""
SMOOTHED = 2
"""Pixels at an MCU's edge that are mixed with colours of the next one."""
RESTART = re.compile(rb"\xff[\xd0-\xd7]")

MISSING, INCOMPLETE, LONG = "missing", "incomplete", "long"
"""Data are missing; only in the last MCU; or there are more data than pixels."""


def find_damage(file: BinaryIO, layout: JPEGLayout) -> tuple[str, int] | None:
    """The damage to a picture's data, and its first row; None if none is found.

    Large pictures are decoded at an eighth of their size, which shows less damage.
    """
    small = layout.width * layout.height >= decoding.LARGE
    plain = _decoded(file, layout, None, small=small)
    other = _decoded(file, layout, _with_cut_intervals(file, layout, 0), small=small)
    whole = range(0 if _are_equal(plain, other) else 2**16)
    differs = _differing_units(layout, plain, other, whole, small=small)
    row = int(differs.any(axis=1).argmax()) * 8 * layout.unit[1]
    if layout.marker in ARITHMETIC:  # its coder omits zeros at the end
        return (MISSING, row) if differs[:-1].any() else None
    if differs.any():
        return (MISSING if differs.sum() > 1 else INCOMPLETE), row
    if small or len(layout.scans) > 1:
        return None
    del other
    other = _decoded(file, layout, _with_cut_intervals(file, layout, END), small=False)
    ends = _last_units(layout, layout.scans[0])
    same = ~_differing_units(layout, plain, other, np.unique(ends[0]), small=False)[ends]
    return (LONG, int(ends[0][same.argmax()]) * 8 * layout.unit[1]) if same.any() else None


def _decoded(
    file: BinaryIO, layout: JPEGLayout, parts: list[Part] | None, *, small: bool
) -> JpegImageFile:
    """A picture with other scans, optionally at an eighth of its size."""
    image = JpegImageFile(layout.stream(file, parts))
    if small and min(image.size) >= 8:
        image.draft(None, (image.width // 8, image.height // 8))
    image.load()
    return image


def _are_equal(one: JpegImageFile, other: JpegImageFile) -> bool:
    """Whether two images of one size are equal; compared in bands, to save memory."""
    boxes = ((0, top, one.width, min(top + 256, one.height)) for top in range(0, one.height, 256))
    return all(one.crop(box).tobytes() == other.crop(box).tobytes() for box in boxes)


def _differing_units(
    layout: JPEGLayout,
    one: JpegImageFile,
    other: JpegImageFile,
    rows: Iterable[int],
    *,
    small: bool,
) -> NDArray[np.bool_]:
    """For each MCU, down and across, whether two images of one size differ in it.

    Only some rows of MCUs are compared; those after the last one are skipped.
    """
    scale = 1 if small and one.width < layout.width else 8  # pixels per block
    wide, high = (scale * side for side in layout.unit)
    across, down = -(-one.width // wide), -(-one.height // high)
    inner = _is_inside_unit(one.width, wide)
    found = np.zeros((down, across), bool)
    for row in itertools.takewhile(lambda row: row < down, rows):
        lines = _is_inside_unit(min(high, one.height - row * high), high).nonzero()[0] + row * high
        box = (0, int(lines[0]), one.width, int(lines[-1]) + 1)
        same = np.asarray(one.crop(box)) == np.asarray(other.crop(box))
        differs = (~same).reshape(len(same), one.width, -1).any(axis=(0, 2)) & inner
        padded = np.pad(differs, (0, across * wide - one.width))
        found[row] = padded.reshape(across, wide).any(axis=1)
    return found


def _is_inside_unit(length: int, step: int) -> NDArray[np.bool_]:
    """For each pixel along a side, whether it is so far inside an MCU that no other affects it."""
    at = np.arange(length)
    edge = SMOOTHED if step > 8 else 0
    inner = (at % step >= edge) & (at % step < step - edge)
    last = length - length % step
    if length - last <= edge:
        inner[last:] = True
    return inner


def _last_units(layout: JPEGLayout, scan: Scan) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The last MCU of each restart interval, down and across."""
    units = layout.units(scan)
    last = np.append(np.arange(scan.interval or units, units, scan.interval or units), units) - 1
    across = -(-layout.width // (8 * layout.unit[0]))
    return last // across, last % across


def _with_cut_intervals(file: BinaryIO, layout: JPEGLayout, cut: int) -> list[Part]:
    """The scans, with the last bytes of each restart interval replaced."""
    parts: list[Part] = []
    at = layout.first
    for scan in layout.scans:
        file.seek(scan.data)
        data = file.read(scan.end - scan.data)
        other = OTHER[: max(16, 4_000_000 // (scan.restarts + 1))]
        marks = RESTART.findall(data) if scan.interval else []
        pieces = RESTART.split(data) if scan.interval else [data]
        coded = [_cut_data(p, cut) + other + m for p, m in zip(pieces, [*marks, b""], strict=True)]
        parts += [(at, scan.data), b"".join(coded)]
        at = scan.end
    return [*parts, (at, layout.end)]


def _cut_data(data: bytes, cut: int) -> bytes:
    """Coded data without their last bytes and their padding; never ending in half a marker."""
    if cut:
        padded = len(data) - len(data.rstrip(data[-1:] or b"\0"))
        data = data[: max(0, len(data) - padded - cut)]
    return data.rstrip(b"\xff")
