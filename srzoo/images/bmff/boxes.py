"""Files made of boxes (ISO/IEC 14496-12), and the items in HEIF's (ISO/IEC 23008-12).

The data are untrusted, so the number of boxes and bytes that are read is limited.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

LARGEST = 2**22
"""The largest size of a box that is read, in bytes."""
MOST = 50_000
"""The largest number of boxes, items, references and properties of a file."""
DAMAGED = (ValueError, IndexError, struct.error)
Box = tuple[bytes, int, int]
"""Its type, and the beginning and end of its content."""


def brands(head: bytes) -> tuple[bytes, ...]:
    """A file's brands, the major one first; empty without ``ftyp``."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(len(head), int.from_bytes(head[:4], "big"))
    return (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4)))


class Boxes:
    """A file's boxes, with a count of those that were read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.left = MOST
        self.length = file.seek(0, os.SEEK_END)

    def count_one(self, count: int = 1) -> None:
        """Count boxes and entries.

        Raises:
            ValueError: there are too many.
        """
        self.left -= count
        if self.left < 0:
            raise ValueError(f"more than {MOST} boxes and entries")

    def outermost(self) -> Iterator[Box]:
        """The outermost boxes."""
        at = 0
        while at + 8 <= self.length:
            self.count_one()
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
        """A box's content, with zeros in place of what is before it."""
        if box[2] - box[1] > LARGEST:
            raise ValueError(f"a box of {box[2] - box[1]} bytes")
        self.file.seek(box[1])
        return self.file.read(box[2] - box[1])

    def inside(self, data: bytes, start: int, end: int) -> Iterator[Box]:
        """The boxes in a box's content; positions are relative to ``data``."""
        at = start
        while at + 8 <= end:
            self.count_one()
            size, kind = struct.unpack_from(">I4s", data, at)
            size = end - at if size == 0 else size
            if size < 8 or at + size > end:
                raise ValueError(f"a box of {size} bytes where {end - at} are left")
            yield kind, at + 8, at + size
            at += size


@dataclass
class Items:
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

    def referenced_by(self, kind: bytes, item: int) -> list[int]:
        """The items that an item consists of, or refers to."""
        return [i for k, source, to in self.references if (k, source) == (kind, item) for i in to]

    def properties_of(self, item: int) -> dict[bytes, Box]:
        """An item's properties, the first of each type; colours by their kind too."""
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
    """A file's outermost boxes; positions are in the file."""
    return Boxes(file).outermost()


def items(boxes: Boxes, box: Box) -> Items:
    """The items of a ``meta`` box.

    Raises:
        ValueError, IndexError, struct.error: it is damaged, or too large.
    """
    data = boxes.content(box)
    meta = Items(data, box[1])
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


def _references(boxes: Boxes, meta: Items, start: int, end: int) -> None:
    wide = 4 if meta.data[start] else 2
    code = "I" if meta.data[start] else "H"
    for kind, at, to in boxes.inside(meta.data, start + 4, end):
        count = int.from_bytes(meta.data[at + wide : at + wide + 2], "big")
        count = min(count, (to - at - wide - 2) // wide)
        boxes.count_one(count)
        source = int.from_bytes(meta.data[at : at + wide], "big")
        items = struct.unpack_from(f">{count}{code}", meta.data, at + wide + 2)
        meta.references.append((kind, source, items))


def _uses(boxes: Boxes, meta: Items, at: int, end: int) -> None:
    data, version, wide = meta.data, meta.data[at], meta.data[at + 3] & 1
    (count,) = struct.unpack_from(">I", data, at + 4)
    at += 8
    size = 4 if version else 2
    for _ in range(count):
        if at + size >= end:
            break
        item, many = int.from_bytes(data[at : at + size], "big"), data[at + size]
        at += size + 1
        boxes.count_one(1 + many)
        step = 2 if wide else 1
        mask = 0x7FFF if wide else 0x7F
        indices = [
            int.from_bytes(data[i : i + step], "big") & mask
            for i in range(at, min(at + many * step, end), step)
        ]
        meta.uses.setdefault(item, []).extend(indices)
        at += many * step


def _places(boxes: Boxes, meta: Items, at: int, end: int) -> None:
    """The beginnings of the items' data, for items stored in the file itself."""
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
        boxes.count_one()
        item = number(2 if version < 2 else 4)
        method = number(2) & 15 if version else 0
        number(2)
        base = number(sizes[2])
        for extent in range(number(2)):
            boxes.count_one()
            number(sizes[3] if version else 0)
            where, length = base + number(sizes[0]), number(sizes[1])
            if not extent and not method:
                meta.places[item] = (where, length)
