"""Metadata in a TIFF's directory, validated: damaged parts are dropped."""

from __future__ import annotations

import contextlib
import struct

from PIL import Image

from .. import exif, metadata
from ..exif import DESCRIPTIVE, DPI_UNIT, DPI_X, DPI_Y
from ..pillow import FileMetadata
from . import ifd
from .ifd import Directory
from .pages import Page, number

ICC, XMP, IPTC, PHOTOSHOP = 34675, 700, 33723, 34377
TEXT, RATING, DPI = {1, 2, 6, 7}, {3}, {5}
KINDS = {
    **dict.fromkeys(DESCRIPTIVE, TEXT),
    0x4746: RATING, 0x4749: RATING,
    DPI_X: DPI, DPI_Y: DPI, DPI_UNIT: {3},
}  # fmt: skip
"""The valid types of fields in EXIF's main directory."""
SINGLE = {DPI_X, DPI_Y, DPI_UNIT, 0x4746, 0x4749}
BYTES = {1, 2, 4, 6, 7}
PROFILE = 132
"""The largest size of an invalid profile in bytes."""
ASPECT = 0.01
"""The accepted difference of resolutions for square pixels."""
MOST, LARGEST = 2000, 8_000_000
"""The largest number of fields, and bytes, of EXIF data."""
EXIF_TYPES = range(1, 14)


def read_metadata(page: Page, lost: list[str]) -> FileMetadata:
    """A page's metadata; ``lost`` gets a sentence for everything that cannot be kept."""
    own = page.directory
    found = FileMetadata(lost=lost)
    damaged: set[int] = set()
    found.exif = _exif(page, damaged)
    found.xmp = _data(page, XMP, damaged)
    found.iptc = _iptc(page, damaged)
    icc = own.data(ICC) or b""
    if ICC in own and len(icc) < PROFILE:
        damaged.add(ICC)
        icc = None
    found.info = {"icc_profile": icc} if icc else {}
    found.orientation = orientation(page)
    if ifd.LAYERS in own:
        lost.append("Photoshop's layers were dropped: the flat picture is taken")
    _note_aspect(own, lost)
    if damaged:
        several = ", ".join(map(str, sorted(damaged)[:8]))
        lost.append(f"damaged tags were dropped: {several}")
    return found


def orientation(page: Page) -> int:
    """The orientation of a page, 1 to 8 as in EXIF."""
    found = number(_holder(page, ifd.ORIENTATION), ifd.ORIENTATION, 1)
    return found if 1 <= found <= 8 else 1


def _holder(page: Page, tag: int) -> Directory:
    return page.directory if tag in page.directory else page.first


def _data(page: Page, tag: int, damaged: set[int]) -> bytes | None:
    holder = _holder(page, tag)
    field = holder.fields.get(tag)
    data = holder.data(tag)
    several = tag in SINGLE and field and field.many > 1
    if field and (not data or several or field.kind not in KINDS.get(tag, BYTES)):
        damaged.add(tag)
        return None
    return data or None


def _exif(page: Page, damaged: set[int]) -> Image.Exif:
    """The EXIF data: the valid fields."""
    main: exif.Directory = {}
    for tag in KINDS:
        field = _holder(page, tag).fields.get(tag)
        data = _data(page, tag, damaged)
        if field and data and len(data) <= LARGEST:
            main[tag] = (field.kind, field.many, data)
        elif data:
            damaged.add(tag)
    for tag in (metadata.CAMERA, metadata.GPS):
        if tag in _holder(page, tag) and (inner := _nested(page, tag, damaged)):
            main[tag] = inner
    found = Image.Exif()
    if data := exif.pack_fields(exif.Fields(page.directory.file.order, main)):
        found.load(data)
    return found


def _nested(page: Page, pointer: int, damaged: set[int]) -> exif.Directory:
    """The fields of a nested directory, including EXIF's own one in it."""
    holder = _holder(page, pointer)
    try:
        directory = holder.file.directory(number(holder, pointer))
    except ValueError:
        damaged.add(pointer)
        return {}
    fields = _fields(directory, damaged)
    fields.pop(metadata.INTEROP, None)
    if fields and metadata.INTEROP in directory:
        with contextlib.suppress(ValueError):  # an invalid offset, which many programs leave behind
            at = number(directory, metadata.INTEROP)
            if inner := _fields(holder.file.directory(at), damaged):
                fields[metadata.INTEROP] = inner
    return fields


def _fields(directory: Directory, damaged: set[int]) -> exif.Directory:
    found: exif.Directory = {}
    size = 0
    for tag, field in directory.fields.items():
        length = directory.file.sizes[field.kind] * field.many
        size += length
        usable = field.kind in EXIF_TYPES and size <= LARGEST and len(found) < MOST
        data = directory.data(tag) if usable else None
        if data is None:
            damaged.add(tag)
            size -= length
        else:
            found[tag] = (field.kind, field.many, data)
    return found


def _iptc(page: Page, damaged: set[int]) -> bytes | None:
    """IPTC records: from their own tag, or from Photoshop's block."""
    holder = _holder(page, IPTC)
    data = _data(page, IPTC, damaged)
    if data:
        field = holder.fields[IPTC]
        if field.kind == 4 and data[0] != 0x1C and data[3:4] == b"\x1c":
            # Stored as 32-bit numbers, which libtiff swaps if byte orders differ.
            data = struct.pack(f">{field.many}I", *struct.unpack(f"<{field.many}I", data))
        return data
    block = _data(page, PHOTOSHOP, damaged) or b""
    at = 0
    while block[at : at + 4] == b"8BIM" and at + 12 <= len(block):
        name = block[at + 6] + 1
        begin = at + 6 + name + name % 2
        length = int.from_bytes(block[begin : begin + 4], "big")
        if block[at + 4 : at + 6] == metadata.IPTC_RESOURCE.to_bytes(2, "big"):
            return block[begin + 4 : begin + 4 + length] or None
        at = begin + 4 + length + length % 2
    return None


def _note_aspect(directory: Directory, lost: list[str]) -> None:
    """Report pixels that are not square."""
    x = directory.rationals(DPI_X)
    y = directory.rationals(DPI_Y)
    if x and y and 0 < x[0] < 1e6 and 0 < y[0] < 1e6 and abs(x[0] / y[0] - 1) > ASPECT:
        lost.append(f"its pixels are not square ({x[0]:g} by {y[0]:g}): they are taken as they are")
