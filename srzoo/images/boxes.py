"""What an AVIF or HEIC file's boxes tell of its main picture (ISO/IEC 14496-12 and 23008-12).

The readers tell neither the colours that stand in numbers (``nclx``), nor the clean aperture, nor
what else is in the file. A file may hold anything: what is looked at is bounded in bytes and count.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from . import av1

LARGEST = 2**22
"""Bytes of a box that are looked at."""
MOST = 50_000
"""Boxes, items, references and properties of one file that are looked at."""
DAMAGED = (ValueError, IndexError, struct.error)
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
"""By what parts of its URN, in lower case, an auxiliary picture is known."""

Box = tuple[bytes, int, int]
"""Its type, and where its content begins and ends."""


@dataclass
class Told:
    """What is known of a file's main picture.

    Attributes:
        brands: of the file, its major one first.
        bits: of a channel; 0 where it is not told.
        gray: whether it has no colours.
        cicp: primaries, transfer, matrix and full range, as in ITU-T H.273.
        nclx: where in the file the box with these numbers begins and ends, without its head.
        profile: likewise of the box with an ICC profile.
        properties: likewise of the box that holds both.
        premultiplied: whether its alpha is multiplied in.
        crop: the clean aperture: left, top, width, height; before it is turned.
        aspect: of a pixel, width to height.
        gone: what is in the file besides and cannot be kept, one sentence each.
        others: how many more pictures of equal standing there are.
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
    gone: list[str] = field(default_factory=list[str])
    others: int = 0

    @property
    def sequence(self) -> bool:
        """Whether the file is first of all a sequence."""
        return bool(self.brands) and self.brands[0] in SEQUENCES


def brands(head: bytes) -> tuple[bytes, ...]:
    """A file's brands by its first bytes, the major one first; none where it has no ``ftyp``."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(len(head), int.from_bytes(head[:4], "big"))
    return (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4)))


class _File:
    """A file's boxes, and how many were looked at."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = MOST
        self.length = file.seek(0, os.SEEK_END)

    def counted(self, count: int = 1) -> None:
        """Count what is looked at.

        Raises:
            ValueError: it was too much.
        """
        self.left -= count
        if self.left < 0:
            raise ValueError(f"more than {MOST} boxes and entries")

    def top(self) -> Iterator[Box]:
        """The outermost boxes."""
        at = 0
        while at + 8 <= self.length:
            self.counted()
            self.file.seek(at)
            head = self.file.read(16)
            size, kind = struct.unpack_from(">I4s", head)
            start = 8
            if size == 1 and len(head) == 16:
                (size,) = struct.unpack_from(">Q", head, 8)
                start = 16
            end = self.length if size == 0 else min(at + size, self.length)
            if end < at + start:
                return
            yield kind, at + start, end
            at = end

    def content(self, box: Box) -> bytes:
        """A box's content, with all that is before it left out."""
        if box[2] - box[1] > LARGEST:
            raise ValueError(f"a box of {box[2] - box[1]} bytes")
        self.file.seek(box[1])
        return self.file.read(box[2] - box[1])

    def inside(self, data: bytes, start: int, end: int) -> Iterator[Box]:
        """The boxes within a box's content; places are within ``data``."""
        at = start
        while at + 8 <= end:
            self.counted()
            size, kind = struct.unpack_from(">I4s", data, at)
            size = end - at if size == 0 else size
            if size < 8 or at + size > end:
                raise ValueError(f"a box of {size} bytes where {end - at} are left")
            yield kind, at + 8, at + size
            at += size


@dataclass
class _Meta:
    """The items of a file."""

    data: bytes
    start: int
    primary: int = 0
    items: dict[int, tuple[bytes, bool]] = field(default_factory=dict[int, tuple[bytes, bool]])
    references: list[tuple[bytes, int, tuple[int, ...]]] = field(
        default_factory=list[tuple[bytes, int, tuple[int, ...]]]
    )
    properties: list[Box] = field(default_factory=list[Box])
    held: tuple[int, int] = (0, 0)
    uses: dict[int, list[int]] = field(default_factory=dict[int, list[int]])
    places: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    looked: dict[int, dict[bytes, Box]] = field(default_factory=dict[int, dict[bytes, Box]])

    def to(self, kind: bytes, item: int) -> list[int]:
        """The items that an item is made of, or refers to."""
        return [i for k, source, to in self.references if (k, source) == (kind, item) for i in to]

    def of(self, item: int) -> dict[bytes, Box]:
        """An item's properties, the first of each type; for colours also their kind."""
        if item in self.looked:
            return self.looked[item]
        found = self.looked[item] = {}
        for index in self.uses.get(item, []):
            if 0 < index <= len(self.properties):
                box = self.properties[index - 1]
                kind = box[0]
                if kind == b"colr":
                    kind += self.data[box[1] : box[1] + 4]
                found.setdefault(kind, box)
        return found


def outermost(file: BinaryIO) -> Iterator[Box]:
    """A file's outermost boxes; places are within the file."""
    return _File(file).top()


def told(file: BinaryIO) -> Told:
    """What a file's boxes tell; it is positioned as before. What is damaged is passed over."""
    place = file.tell()
    found = Told()
    try:
        boxes = _File(file)
        moving = seen = False
        for box in boxes.top():
            if box[0] == b"ftyp" and not found.brands:
                file.seek(box[1] - 8)
                found.brands = brands(file.read(min(box[2] - box[1], 1024) + 8))
            elif box[0] == b"meta" and not seen:
                seen = True
                _main(boxes, _meta(boxes, box), found)
            moving = moving or box[0] in (b"moov", b"mpvd")
        if moving and not found.sequence:
            found.gone.append(VIDEO)
    except DAMAGED:
        pass  # whether it can be read at all is the decoder's business
    finally:
        file.seek(place)
    return found


def _meta(boxes: _File, box: Box) -> _Meta:
    data = boxes.content(box)
    meta = _Meta(data, box[1])
    for kind, start, end in boxes.inside(data, 4, len(data)):
        version = data[start]
        if kind == b"pitm":
            meta.primary = int.from_bytes(data[start + 4 : start + (8 if version else 6)], "big")
        elif kind == b"iinf":
            for name, at, _ in boxes.inside(data, start + (8 if version else 6), end):
                if name == b"infe" and data[at] in (2, 3):
                    wide = 4 if data[at] == 3 else 2
                    item = int.from_bytes(data[at + 4 : at + 4 + wide], "big")
                    kind_at = at + 6 + wide
                    hidden = bool(data[at + 3] & 1)
                    meta.items[item] = (data[kind_at : kind_at + 4], hidden)
        elif kind == b"iref":
            _references(boxes, meta, start, end)
        elif kind == b"iprp":
            for name, at, to in boxes.inside(data, start, end):
                if name == b"ipco":
                    meta.properties += boxes.inside(data, at, to)
                    meta.held = (at, to)
                elif name == b"ipma":
                    _uses(boxes, meta, at, to)
        elif kind == b"iloc":
            _places(boxes, meta, start, end)
    return meta


def _references(boxes: _File, meta: _Meta, start: int, end: int) -> None:
    wide = 4 if meta.data[start] else 2
    code = "I" if meta.data[start] else "H"
    for kind, at, to in boxes.inside(meta.data, start + 4, end):
        count = int.from_bytes(meta.data[at + wide : at + wide + 2], "big")
        count = min(count, (to - at - wide - 2) // wide)
        boxes.counted(count)
        source = int.from_bytes(meta.data[at : at + wide], "big")
        items = struct.unpack_from(f">{count}{code}", meta.data, at + wide + 2)
        meta.references.append((kind, source, items))


def _uses(boxes: _File, meta: _Meta, at: int, end: int) -> None:
    data, version, wide = meta.data, meta.data[at], meta.data[at + 3] & 1
    (count,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    size = 4 if version else 2
    for _ in range(count):
        if at + size >= end:
            break
        item, many = int.from_bytes(data[at : at + size], "big"), data[at + size]
        at += size + 1
        boxes.counted(1 + many)
        step = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F
        indices = [
            int.from_bytes(data[i : i + step], "big") & mask
            for i in range(at, min(at + many * step, end), step)
        ]
        meta.uses.setdefault(item, []).extend(indices)
        at += many * step


def _places(boxes: _File, meta: _Meta, at: int, end: int) -> None:
    """Where the items' data begin, for those that lie in the file itself."""
    data, version = meta.data, meta.data[at]
    sizes = [data[at + 4] >> 4, data[at + 4] & 15, data[at + 5] >> 4, data[at + 5] & 15]
    at += 6

    def number(size: int) -> int:
        nonlocal at
        at += size
        return int.from_bytes(data[at - size : at], "big")

    for _ in range(number(2 if version < 2 else 4)):
        if at >= end:
            break
        boxes.counted()
        item = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(sizes[2])
        for extent in range(number(2)):
            boxes.counted()
            number(sizes[3] if version else 0)
            where, length = base + number(sizes[0]), number(sizes[1])
            if not extent and not method:
                meta.places[item] = (where, length)


def _main(boxes: _File, meta: _Meta, found: Told) -> None:
    """What the items tell of the main one."""
    data, main = meta.data, meta.primary
    tiles = meta.to(b"dimg", main)
    own = meta.of(main)
    known = meta.of(tiles[0]) | own if tiles else own
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
    found.premultiplied = bool(meta.to(b"prem", main))
    _besides(meta, tiles, found)


def _by_bitstream(
    boxes: _File, meta: _Meta, item: int, box: Box
) -> tuple[int, int, int, int] | None:
    """The colours that the coded data tell, where no box does."""
    if cicp := av1.cicp(meta.data[box[1] + 4 : box[2]]):
        return cicp
    where, length = meta.places.get(item, (0, 0))
    boxes.file.seek(where)
    return av1.cicp(boxes.file.read(min(length, 1024))) if where else None


def numbered(data: bytes, cicp: tuple[int, int, int, int]) -> bytes:
    """An encoded file whose main picture tells its colours in numbers, of the same length.

    Matrix and range stay the encoder's own. The numbers take the place of those that are there, or
    of the profile.
    """
    told_now = told(io.BytesIO(data))
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
    """The clean aperture in whole pixels, within the picture; None where it is no part of it."""
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


def _besides(meta: _Meta, tiles: list[int], found: Told) -> None:
    """What else is in the file."""
    data, main = meta.data, meta.primary
    parts = {main, *tiles}
    for kind, source, to in meta.references:
        if kind == b"dimg" and meta.items.get(source, (b"",))[0] == b"tmap":
            parts |= {source, *to}
            if main in to and GAIN_MAP not in found.gone:
                found.gone.append(GAIN_MAP)
        elif kind == b"dimg":
            parts.update(to)
        elif kind in (b"thmb", b"auxl"):
            parts.add(source)
        if kind == b"auxl" and main in to:
            box = meta.of(source).get(b"auxC")
            urn = data[box[1] + 4 : box[2]].split(b"\0")[0].decode("latin-1") if box else ""
            other = f"an auxiliary picture ({urn[:80] or 'of no kind'}) is gone"
            what = next((what for part, what in AUXILIARIES if part in urn.lower()), other)
            if urn not in ALPHA and what not in found.gone:
                found.gone.append(what)
    found.others = sum(
        kind in CODED | DERIVED and not hidden and item not in parts
        for item, (kind, hidden) in meta.items.items()
    )
