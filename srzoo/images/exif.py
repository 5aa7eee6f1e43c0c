"""EXIF: tags that are kept, and tags that are adapted to the new picture.

Fields are read and written as raw bytes, so that none can fail when a picture is written. If only
Pillow has access to them (TIFF, images in memory), Pillow writes them.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, cast

import numpy as np
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from .picture import Picture
from .xmp import orientation as told_by_xmp

ORIENTATION = 0x0112
XMP_NAMES = ("xmp", "XML:com.adobe.xmp")
"""The key under which Pillow stores XMP."""
DPI_X, DPI_Y, DPI_UNIT = 0x011A, 0x011B, 0x0128
CAMERA, GPS, INTEROP = 0x8769, 0x8825, 0xA005
MAKER_NOTE = 0x927C
EXIF_WIDTH, EXIF_HEIGHT = 0xA002, 0xA003
DESCRIPTIVE = {
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298,  # description to copyright
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0x4746, 0x4749,  # Windows' title to rating
}  # fmt: skip
WRITTEN = DESCRIPTIVE | {CAMERA, GPS, DPI_X, DPI_Y, DPI_UNIT}
"""Tags of the main directory to keep; the others describe the layout of the old file."""
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 1, 7: 1, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4}
"""Bytes per value of a field type; for rationals per half, as byte order applies to halves."""
RATIONALS = (5, 10)
SHORT, LONG, RATIONAL, LONG8 = 3, 4, 5, 16
BELOW = {0: (CAMERA, GPS), CAMERA: (INTEROP,)}
"""The tags of nested directories; no others are followed, so there are no loops."""
MOST = 1000
"""The largest number of tags in a directory; cameras write about a hundred."""
UNFORESEEN = (
    ArithmeticError, AssertionError, AttributeError, BufferError, EOFError, LookupError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError, Warning, struct.error,
)  # fmt: skip
"""The errors of Pillow for EXIF data, which depend on the value's type."""
DPI_RANGE = (0.1, 1e6)
"""The range of DPI in every format but JPEG: whole pixels per metre, or 16-bit rationals."""

Entry = tuple[int, int, bytes]
"""Type, count, data."""
Directory = dict[int, "Entry | Directory"]


@dataclass
class Fields:
    """EXIF data, as stored in a file.

    Attributes:
        order: of bytes, as in ``struct``.
        entries: the fields.
        bad: names of tags that are cut off.
        broken: whether a directory is missing.
    """

    order: str = "<"
    entries: Directory = field(default_factory=dict[int, Any])
    bad: list[str] = field(default_factory=list[str])
    broken: bool = False


def read_fields(exif: bytes) -> Fields:
    """Parse the fields of EXIF data, without those outside the data. Never raises."""
    data = exif.removeprefix(b"Exif\0\0").removeprefix(b"Exif\0\0")
    found = Fields("<" if data[:2] == b"II" else ">")
    if len(data) >= 8 and data[:2] in (b"II", b"MM"):
        (start,) = struct.unpack_from(f"{found.order}I", data, 4)
        found.entries = _directory(data, start, found, 0, [len(data)])
    else:
        found.broken = True
    return found


def _directory(data: bytes, at: int, found: Fields, name: int, left: list[int]) -> Directory:
    entries: Directory = {}
    if not 8 <= at <= len(data) - 2:
        found.broken = True
        return entries
    (count,) = struct.unpack_from(f"{found.order}H", data, at)
    for start in range(at + 2, at + 2 + 12 * min(count, MOST), 12):
        if start + 12 > len(data):
            break
        tag, kind, length = struct.unpack_from(f"{found.order}HHI", data, start)
        if kind not in SIZES or tag in entries:
            continue
        size = SIZES[kind] * length * (2 if kind in RATIONALS else 1)
        (pointer,) = struct.unpack_from(f"{found.order}I", data, start + 8)
        if tag in (CAMERA, GPS, INTEROP):
            below = tag in BELOW.get(name, ())
            if below and (inner := _directory(data, pointer, found, tag, left)):
                entries[tag] = inner
            continue
        begin = start + 8 if size <= 4 else pointer
        if not size or begin + size > len(data) or size > left[0]:
            found.bad.append(_tag_name(tag, name))
            continue
        left[0] -= size if size > 4 else 0  # valid data do not overlap
        entries[tag] = (kind, length, data[begin : begin + size])
    return entries


def swap_byte_order(entry: Entry) -> Entry:
    """A field in the other byte order."""
    kind, count, data = entry
    width = SIZES[kind]
    if width > 1:
        data = np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes()
    return kind, count, data


def pack_fields(found: Fields) -> bytes | None:
    """EXIF data from fields; None if there are none."""
    if not found.entries:
        return None
    head = (b"II*\0" if found.order == "<" else b"MM\0*") + struct.pack(f"{found.order}I", 8)
    return b"Exif\0\0" + head + pack_directory(found.entries, found.order, 8)


def pack_directory(entries: Directory, order: str, at: int, *, big: bool = False) -> bytes:
    """A TIFF directory, followed by the data of its fields.

    Args:
        entries: by their tags.
        order: of bytes, as in ``struct``.
        at: the offset at which it is written, an even number.
        big: whether it is for a BigTIFF.
    """
    lines: list[bytes] = []
    behind = io.BytesIO()
    several, code = ("Q", "Q") if big else ("H", "I")
    room = struct.calcsize(f"={code}")
    place = at + struct.calcsize(f"={several}") + (4 + 2 * room) * len(entries) + room
    for tag, entry in sorted(entries.items()):
        where = place + behind.tell()
        if isinstance(entry, dict):
            kind, count, value = LONG8 if big else LONG, 1, struct.pack(f"{order}{code}", where)
            behind.write(pack_directory(entry, order, where, big=big))
        else:
            kind, count, value = entry
            if len(value) > room:
                behind.write(value + bytes(len(value) % 2))
                value = struct.pack(f"{order}{code}", where)
        lines.append(struct.pack(f"{order}HH{code}", tag, kind, count) + value.ljust(room, b"\0"))
    head = struct.pack(f"{order}{several}", len(lines))
    return head + b"".join(lines) + bytes(room) + behind.getvalue()  # no further page


def number_field(kind: int, *values: int) -> Entry:
    """A field of integers in little-endian order: SHORT, LONG or LONG8."""
    width = {SHORT: 2, LONG: 4, LONG8: 8}[kind]
    return kind, len(values), np.array(values, f"<u{width}").tobytes()


def load_exif(image: Image.Image, lost: list[str]) -> Image.Exif:
    """An image's EXIF data from Pillow; if it cannot read them, none, with a note."""
    # Pillow searches XMP for an orientation by a pattern, which also matches captions.
    xmp = {key: image.info.pop(key) for key in XMP_NAMES if key in image.info}
    try:
        return image.getexif()
    except UNFORESEEN as error:
        lost.append(_damaged_note(error))
        return Image.Exif()
    finally:
        image.info.update(xmp)


def orientation(exif: Image.Exif, xmp: bytes | None = None) -> int:
    """The orientation of an image, 1 to 8 as in EXIF; if EXIF has none, from XMP."""
    try:
        value: object = exif.get(ORIENTATION)
    except UNFORESEEN:
        return 1
    if value is None and xmp:
        return told_by_xmp(xmp)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def descriptive_exif(found: Image.Exif, lost: list[str]) -> bytes | None:
    """The descriptive part of the EXIF data, without tags on the old file's layout.

    Args:
        found: the file's EXIF data.
        lost: gets a sentence for each unreadable part.
    """
    bad: list[str] = []
    kept = Image.Exif()
    kept.endian = found.endian  # which maker notes use too
    for tag in sorted(DESCRIPTIVE & set(found)):
        if _is_valid(tag, found, 0, bad):
            kept[tag] = found[tag]
    for pointer in sorted({CAMERA, GPS} & set(found)):
        try:
            values = {
                tag: value
                for tag, value in found.get_ifd(pointer).items()
                if tag not in (EXIF_WIDTH, EXIF_HEIGHT)
            }
            if INTEROP in values and not _read_nested(found, values):
                del values[INTEROP]
        except UNFORESEEN:
            bad.append(_tag_name(pointer, 0))
            continue
        if len(values) > MOST or not _written(pointer, values, 0):
            values = {
                tag: value
                for tag, value in sorted(values.items())[:MOST]
                if _is_valid(tag, values, pointer, bad)
            }
        if values:
            kept[pointer] = values
    if bad:
        lost.append(_dropped_note(bad))
    return kept.tobytes() if len(kept) else None


def _read_nested(exif: Image.Exif, camera: dict[int, Any]) -> bool:
    """Replace an offset by its directory; False if there is none."""
    camera[INTEROP] = dict(exif.get_ifd(INTEROP))
    return bool(camera[INTEROP])


def _is_valid(tag: int, values: Any, group: int, bad: list[str]) -> bool:
    """Whether a tag can be read and written; otherwise its name is added to ``bad``."""
    try:
        sound = _written(tag, values[tag], group)
    except UNFORESEEN:
        sound = False
    if not sound:
        bad.append(_tag_name(tag, group))
    return sound


def _written(tag: int, value: Any, group: int) -> bool:
    try:
        alone = ImageFileDirectory_v2(b"II*\0\x08\0\0\0", group=group or None)
        alone[tag] = value
        return bool(alone.tobytes(8))
    except UNFORESEEN:
        return False


def _tag_name(tag: int, group: int) -> str:
    names: Mapping[int, str] = ExifTags.GPSTAGS if group == GPS else ExifTags.TAGS
    return names.get(tag, f"0x{tag:04X}")


def _dropped_note(names: list[str]) -> str:
    some = list(dict.fromkeys(names))
    more = f" and {len(some) - 8} more" if len(some) > 8 else ""
    return f"damaged EXIF tags were dropped: {', '.join(some[:8])}{more}"


def _damaged_note(error: BaseException) -> str:
    return f"the EXIF data is damaged and was dropped ({error})"


def with_size_and_dpi(picture: Picture, *, dpi: bool) -> bytes | None:
    """A picture's EXIF data with its size, and with its DPI where the format has no other place.

    It never raises: what cannot be read is left out.
    """
    resolution = valid_dpi(picture.dpi) if dpi else None
    if picture.exif is None and not resolution:
        return None
    found = read_fields(picture.exif or b"II")
    found.entries = {tag: entry for tag, entry in found.entries.items() if tag in WRITTEN}
    camera = found.entries.get(CAMERA)
    if isinstance(camera, dict):
        for tag, side in zip((EXIF_WIDTH, EXIF_HEIGHT), picture.size, strict=True):
            camera[tag] = (LONG, 1, struct.pack(f"{found.order}I", side))
    if resolution:
        for tag, value in zip((DPI_X, DPI_Y), resolution, strict=True):
            ratio = Fraction(value).limit_denominator(4000)
            parts = struct.pack(f"{found.order}2I", ratio.numerator, ratio.denominator)
            found.entries[tag] = (RATIONAL, 1, parts)
        found.entries[DPI_UNIT] = (SHORT, 1, struct.pack(f"{found.order}H", 2))
    return pack_fields(found)


def without_maker_note(exif: bytes) -> bytes:
    """EXIF data without the part that only its camera's maker understands."""
    found = read_fields(exif)
    camera = found.entries.get(CAMERA)
    if isinstance(camera, dict):
        camera.pop(MAKER_NOTE, None)
        if not camera:
            del found.entries[CAMERA]
    return pack_fields(found) or b""


def valid_dpi(dpi: object) -> tuple[float, float] | None:
    """A resolution as two numbers that make sense; None for anything else, of any type."""
    try:
        x, y = (float(value) for value in dpi)  # type: ignore[union-attr]
    except UNFORESEEN:
        return None
    low, high = DPI_RANGE
    return (x, y) if low <= x < high and low <= y < high else None


def exif_dpi(exif: Image.Exif, lost: list[str]) -> tuple[float, float] | None:
    """The resolution in EXIF data."""
    try:
        unit: object = exif.get(DPI_UNIT, 2)
        if unit == 1 or DPI_X not in exif:
            return None  # no unit: at most the pixels' aspect ratio
        inch = {2: 1.0, 3: 2.54}[cast("int", unit)]
        resolution = valid_dpi((float(exif[DPI_X]) * inch, float(exif[DPI_Y]) * inch))
    except UNFORESEEN:
        resolution = None
    if not resolution:
        lost.append("the resolution in the EXIF data makes no sense and was dropped")
    return resolution


def exif_and_dpi(
    found: Image.Exif, dpi: Any, lost: list[str], raw: object = None
) -> tuple[bytes | None, tuple[float, float] | None]:
    """EXIF data to keep, and the DPI of the file or of its EXIF data.

    Args:
        found: the file's EXIF data.
        dpi: the file's own resolution, of any type.
        lost: gets a sentence for everything that could not be kept.
        raw: the EXIF data as stored in the file, if known.
    """
    resolution = valid_dpi(dpi)
    if dpi and not resolution and dpi != (0, 0):
        lost.append("the resolution makes no sense and was dropped")
    resolution = resolution or exif_dpi(found, lost)
    try:
        return descriptive_bytes(raw, lost) if isinstance(raw, bytes) else descriptive_exif(
            found, lost
        ), resolution
    except UNFORESEEN as error:
        lost.append(_damaged_note(error))
        return None, resolution


def descriptive_bytes(raw: bytes, lost: list[str]) -> bytes | None:
    """Like :func:`descriptive_exif`, for EXIF data as stored in a file."""
    found = read_fields(raw)
    if found.bad:
        lost.append(_dropped_note(found.bad))
    if found.broken:
        lost.append("a part of the EXIF data is damaged and was dropped")
    keeps = DESCRIPTIVE | {CAMERA, GPS}
    found.entries = {tag: entry for tag, entry in found.entries.items() if tag in keeps}
    camera = found.entries.get(CAMERA)
    if isinstance(camera, dict):
        for tag in (EXIF_WIDTH, EXIF_HEIGHT):
            camera.pop(tag, None)
        if not camera:
            del found.entries[CAMERA]
    return pack_fields(found)
