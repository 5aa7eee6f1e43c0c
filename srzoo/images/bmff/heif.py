"""Facts on the main picture of an AVIF or HEIC file (ISO/IEC 23008-12).

The decoders do not report colours by number (``nclx``), the clean aperture, or the other items of
the file.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

from . import av1
from .boxes import DAMAGED, Box, Boxes, Items, brands, items

SEQUENCES = {b"avis", b"msf1", b"hevc", b"hevx", b"hevm", b"hevs"}
CODED = {b"av01", b"hvc1", b"avc1", b"vvc1", b"jpeg", b"j2k1", b"unci"}
DERIVED = {b"grid", b"iovl", b"iden", b"tmap"}
ALPHA = {
    "urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
    "urn:mpeg:hevc:2015:auxid:1",
    "urn:mpeg:avc:2015:auxid:1",
}
GAIN_MAP = "the gain map (Ultra HDR) is gone"
DEPTH = "the depth map is gone"
MATTE = "the portrait's mattes are gone"
VIDEO = "the motion photo's video is gone"
AUXILIARIES = (
    ("gainmap", GAIN_MAP), ("21496", GAIN_MAP), ("depth", DEPTH), ("disparity", DEPTH),
    ("auxid:2", DEPTH), ("matte", MATTE),
)  # fmt: skip
"""The parts of an auxiliary picture's URN, in lower case, that identify it."""


@dataclass
class HeifFacts:
    """Facts on a file's main picture.

    Attributes:
        brands: of the file, its major one first.
        bits: of a channel; 0 if unknown.
        gray: whether it is gray.
        cicp: primaries, transfer, matrix and full range, as in ITU-T H.273.
        nclx: beginning and end of the content of the box with these numbers.
        profile: of the box with an ICC profile.
        properties: of the box that contains both.
        premultiplied: whether its colours are multiplied by alpha.
        crop: the clean aperture: left, top, width, height; before rotation.
        aspect: of a pixel, width to height.
        dropped: other contents of the file that cannot be kept, one sentence each.
        others: the number of other pictures of equal standing.
    """

    brands: tuple[bytes, ...] = ()
    bits: int = 0
    gray: bool = False
    cicp: tuple[int, int, int, int] | None = None
    nclx: tuple[int, int] | None = None
    profile: tuple[int, int] | None = None
    properties: tuple[int, int] = (0, 0)
    premultiplied: bool = False
    crop: tuple[int, int, int, int] | None = None
    aspect: tuple[int, int] = (1, 1)
    dropped: list[str] = field(default_factory=list[str])
    others: int = 0

    @property
    def sequence(self) -> bool:
        """Whether the file is mainly a sequence."""
        return bool(self.brands) and self.brands[0] in SEQUENCES


def read_facts(file: BinaryIO) -> HeifFacts:
    """Facts from a file's boxes; restores the file's position. Damaged boxes are skipped."""
    place = file.tell()
    found = HeifFacts()
    try:
        boxes = Boxes(file)
        moving = seen = False
        for box in boxes.outermost():
            if box[0] == b"ftyp" and not found.brands:
                file.seek(box[1] - 8)
                found.brands = brands(file.read(min(box[2] - box[1], 1024) + 8))
            elif box[0] == b"meta" and not seen:
                seen = True
                _main(boxes, items(boxes, box), found)
            moving = moving or box[0] in (b"moov", b"mpvd")
        if moving and not found.sequence:
            found.dropped.append(VIDEO)
    except DAMAGED:
        pass  # the decoder reports whether it can be read
    finally:
        file.seek(place)
    return found


def _main(boxes: Boxes, meta: Items, found: HeifFacts) -> None:
    """Read the facts of the main item."""
    data, main = meta.data, meta.primary
    tiles = meta.referenced_by(b"dimg", main)
    own = meta.properties_of(main)
    known = meta.properties_of(tiles[0]) | own if tiles else own
    if box := known.get(b"colrnclx"):
        cicp = struct.unpack_from(">3HB", data, box[1] + 4)
        found.cicp = (*cicp[:3], cicp[3] >> 7)
        found.nclx = (meta.start + box[1], meta.start + box[2])
    if box := known.get(b"colrprof") or known.get(b"colrrICC"):
        found.profile = (meta.start + box[1], meta.start + box[2])
    found.properties = (meta.start + meta.held[0], meta.start + meta.held[1])
    if box := known.get(b"pixi"):
        found.bits = max(data[box[1] + 5 : min(box[2], box[1] + 5 + data[box[1] + 4])], default=0)
        found.gray = data[box[1] + 4] == 1
    if box := known.get(b"av1C"):
        deep = data[box[1] + 2]
        found.bits = (12 if deep & 0x20 else 10) if deep & 0x40 else 8
        found.gray = bool(deep & 0x10)
        if found.cicp is None:
            found.cicp = _by_bitstream(boxes, meta, tiles[0] if tiles else main, box)
    if box := known.get(b"hvcC"):
        found.gray = not data[box[1] + 16] & 3
        found.bits = 8 + (data[box[1] + 17] & 7)
    if box := own.get(b"pasp"):
        aspect = struct.unpack_from(">2I", data, box[1])
        found.aspect = (aspect[0], aspect[1]) if all(aspect) else (1, 1)
    if (clap := own.get(b"clap")) and (size := own.get(b"ispe")):
        found.crop = _crop(data, clap, struct.unpack_from(">2I", data, size[1] + 4))
    found.premultiplied = bool(meta.referenced_by(b"prem", main))
    _add_other_items(meta, tiles, found)


def _by_bitstream(
    boxes: Boxes, meta: Items, item: int, box: Box
) -> tuple[int, int, int, int] | None:
    """The colours in the coded data, if no box states them."""
    if cicp := av1.cicp(meta.data[box[1] + 4 : box[2]]):
        return cicp
    where, length = meta.places.get(item, (0, 0))
    boxes.file.seek(where)
    return av1.cicp(boxes.file.read(min(length, 1024))) if where else None


def with_cicp(data: bytes, cicp: tuple[int, int, int, int]) -> bytes:
    """An encoded file with other numbers for the colours of its main picture, of the same length.

    Matrix and range stay the encoder's own. The numbers replace existing ones, or the profile.
    """
    told_now = read_facts(io.BytesIO(data))
    numbers = struct.pack(">2H", *cicp[:2])
    if told_now.nclx:
        at = told_now.nclx[0] + 4
        return data[:at] + numbers + data[at + 4 :]
    if not told_now.profile:
        return data
    own = told_now.cicp or (2, 2, 2, 1)
    matrix = 6 if own[2] == 2 else own[2]
    box = struct.pack(">I4s4s2H", 19, b"colr", b"nclx", *cicp[:2])
    box += struct.pack(">HB", matrix, own[3] << 7)
    begin, end = told_now.profile[0] - 8, told_now.profile[1]
    last = told_now.properties[1]
    free = struct.pack(">I4s", end - begin - len(box), b"free")
    free += bytes(end - begin - len(box) - len(free))
    return data[:begin] + box + data[end:last] + free + data[last:]


def _crop(data: bytes, clap: Box, size: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """The clean aperture in whole pixels; None if it is not inside the picture."""
    numbers = struct.unpack_from(">8i", data, clap[1])
    if not all(numbers[1::2]):
        return None
    width, height, right, down = (numbers[at] / numbers[at + 1] for at in range(0, len(numbers), 2))
    left, top = right + (size[0] - width) / 2, down + (size[1] - height) / 2
    crop = (round(left), round(top), round(width), round(height))
    inside = left >= 0 and top >= 0 and left + width <= size[0] and top + height <= size[1]
    if not inside or min(crop[2:]) < 1 or crop == (0, 0, *size):
        return None
    return crop


def _add_other_items(meta: Items, tiles: list[int], found: HeifFacts) -> None:
    """Report the other items of the file."""
    data, main = meta.data, meta.primary
    parts = {main, *tiles}
    for kind, source, to in meta.references:
        if kind == b"dimg" and meta.items.get(source, (b"",))[0] == b"tmap":
            parts |= {source, *to}
            if main in to and GAIN_MAP not in found.dropped:
                found.dropped.append(GAIN_MAP)
        elif kind == b"dimg":
            parts.update(to)
        elif kind in (b"thmb", b"auxl"):
            parts.add(source)
        if kind == b"auxl" and main in to:
            box = meta.properties_of(source).get(b"auxC")
            urn = data[box[1] + 4 : box[2]].split(b"\0")[0].decode("latin-1") if box else ""
            other = f"an auxiliary picture ({urn[:80] or 'of no kind'}) is gone"
            what = next((what for part, what in AUXILIARIES if part in urn.lower()), other)
            if urn not in ALPHA and what not in found.dropped:
                found.dropped.append(what)
    found.others = sum(
        kind in CODED | DERIVED and not hidden and item not in parts
        for item, (kind, hidden) in meta.items.items()
    )
