"""HEIF files for tests, put together from what real encoders wrote."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field


def box(kind: bytes, *content: bytes) -> bytes:
    data = b"".join(content)
    return struct.pack(">I4s", len(data) + 8, kind) + data


def full(kind: bytes, *content: bytes, version: int = 0, flags: int = 0) -> bytes:
    return box(kind, struct.pack(">I", version << 24 | flags), *content)


def nclx(primaries: int, transfer: int, matrix: int = 6, full_range: int = 1) -> bytes:
    return box(b"colr", b"nclx", struct.pack(">3HB", primaries, transfer, matrix, full_range << 7))


def clap(width: int, height: int, right: float = 0, down: float = 0) -> bytes:
    """A clean aperture; ``right`` and ``down`` in halves of a pixel, of its middle."""
    values = (width, 1, height, 1, int(2 * right), 2, int(2 * down), 2)
    return box(b"clap", struct.pack(">8i", *values))


def pasp(width: int, height: int) -> bytes:
    return box(b"pasp", struct.pack(">2I", width, height))


def irot(quarters: int) -> bytes:
    return box(b"irot", bytes([quarters]))


def imir(axis: int) -> bytes:
    return box(b"imir", bytes([axis]))


def auxc(urn: str) -> bytes:
    return full(b"auxC", urn.encode() + b"\0")


def ispe(width: int, height: int) -> bytes:
    return full(b"ispe", struct.pack(">2I", width, height))


def inside(data: bytes) -> list[bytes]:
    """The boxes in a box's content, whole."""
    found: list[bytes] = []
    at = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at : at + size])
        at += size
    return found


def part(data: bytes, *path: bytes) -> bytes:
    """The content of a box within boxes."""
    for kind in path:
        whole = next(each for each in inside(data) if each[4:8] == kind)
        data = whole[12:] if kind == b"meta" else whole[8:]
    return data


@dataclass
class Item:
    """A picture or another part of a file."""

    kind: bytes
    data: bytes
    properties: list[bytes] = field(default_factory=list)
    hidden: bool = False


def taken(encoded: bytes) -> Item:
    """The picture that an encoder wrote, without its alpha."""
    mdat = part(encoded, b"mdat")
    properties = inside(part(encoded, b"meta", b"iprp", b"ipco"))
    return Item(b"av01" if encoded[8:12] == b"avif" else b"hvc1", mdat, properties)


def built(
    items: list[Item],
    references: list[tuple[bytes, int, list[int]]] = (),
    brands: tuple[bytes, ...] = (b"avif", b"mif1"),
    behind: bytes = b"",
) -> bytes:
    """A file; items are numbered from 1, and the first is the main one."""
    properties: list[bytes] = []
    uses = b""
    for number, item in enumerate(items, 1):
        uses += struct.pack(">HB", number, len(item.properties))
        for each in item.properties:
            if each not in properties:
                properties.append(each)
            essential = 0x80 if each[4:8] in (b"av1C", b"hvcC", b"irot", b"imir", b"clap") else 0
            uses += bytes([properties.index(each) + 1 | essential])
    entries = [
        full(b"infe", struct.pack(">HH", n, 0), item.kind, b"\0", version=2, flags=item.hidden)
        for n, item in enumerate(items, 1)
    ]
    links = [
        box(kind, struct.pack(f">HH{len(to)}H", source, len(to), *to))
        for kind, source, to in references
    ]
    ftyp = box(b"ftyp", brands[0], bytes(4), *brands)

    def meta(start: int) -> bytes:
        at, places = start, b""
        for number, item in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, at, len(item.data))
            at += len(item.data)
        return full(
            b"meta",
            full(b"hdlr", bytes(4), b"pict", bytes(13)),
            full(b"pitm", struct.pack(">H", 1)),
            full(b"iloc", b"\x44\0", struct.pack(">H", len(items)), places),
            full(b"iinf", struct.pack(">H", len(items)), *entries),
            *([full(b"iref", *links)] if links else []),
            box(
                b"iprp",
                box(b"ipco", *properties),
                full(b"ipma", struct.pack(">I", len(items)), uses),
            ),
        )

    start = len(ftyp) + len(meta(0)) + 8
    mdat = box(b"mdat", *(item.data for item in items))
    return ftyp + meta(start) + mdat + behind
