"""Reads a JPEG file segment by segment, and builds the stream for a decoder.

The stream contains only the necessary data. So decoders never see 50,000 segments or indexes of
other pictures, and a missing end can be added.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

import numpy as np

from ...errors import PictureError
from ..spliced import Part, spliced

SOI, EOI, SOS, DNL, DRI, COM = 0xD8, 0xD9, 0xDA, 0xDC, 0xDD, 0xFE
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
TABLES = {0xC4, 0xCC, 0xDB, DRI}
SEQUENTIAL, PROGRESSIVE, ARITHMETIC = {0xC0, 0xC1, 0xC9}, {0xC2, 0xCA}, {0xC9, 0xCA}
BETWEEN = {*TABLES, DNL, COM, *range(0xE0, 0xF0)}
"""Segments that may appear between scans."""
ALONE = {0x01, *range(0xD0, 0xD8)}
"""Markers without a segment."""
MOST_SEGMENTS = 100_000
MOST_SIDE = 65_500
"""Frames that libjpeg decodes."""
MOST_SCANS = 100
"""The largest number of scans, as each takes as long as decoding the picture; ten are usual."""
MOST_KEPT = 64_000_000
"""The largest size of metadata that is read, in bytes."""
CHUNK = 2**20
CUT = "Restore the file"
MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]", re.DOTALL)
"""The bytes that end coded data."""
ANY_MARKER = re.compile(rb"\xff[^\x00\xff]", re.DOTALL)


@dataclass
class Scan:
    """One scan: the place of its coded data, and its restart markers."""

    components: tuple[int, ...]
    first: int
    last: int
    low: int
    interval: int
    data: int
    end: int = 0
    restarts: int = 0
    ordered: bool = True


@dataclass
class JPEGMetadata:
    """The metadata in the segments."""

    exif: list[bytes] = field(default_factory=list[bytes])
    xmp: list[bytes] = field(default_factory=list[bytes])
    extended: list[bytes] = field(default_factory=list[bytes])
    icc: list[bytes] = field(default_factory=list[bytes])
    photoshop: list[bytes] = field(default_factory=list[bytes])
    comments: list[bytes] = field(default_factory=list[bytes])
    signs: set[bytes] = field(default_factory=set[bytes])
    jfif: bytes = b""
    adobe: bytes = b""
    left: int = MOST_KEPT


KINDS = (
    (0xE1, b"Exif\0\0", "exif"), (0xE1, b"http://ns.adobe.com/xap/1.0/\0", "xmp"),
    (0xE1, b"http://ns.adobe.com/xmp/extension/\0", "extended"), (0xE2, b"ICC_PROFILE\0", "icc"),
    (0xED, b"Photoshop 3.0\0", "photoshop"), (COM, b"", "comments"),
)  # fmt: skip
ISO_GAIN_MAP = b"urn:iso:std:iso:ts:21496:-1"
SIGNS = (
    (0xE2, b"MPF\0"), (0xE2, ISO_GAIN_MAP), (0xE3, b"_JPSJPS_"), (0xE1, b"FLIR\0"),
    (0xEB, b"JP"),
)  # fmt: skip
"""Segments whose mere presence is reported."""


@dataclass
class JPEGLayout:
    """The places of a picture's segments.

    Attributes:
        marker, bits, height, width: of the frame; the components' ids and sampling factors.
        frame: the beginning of its segment.
        parts: the segments that a decoder needs before the first scan.
        first: the beginning of the first scan.
        scans, end, ended, stray: set by :func:`add_scans`: the end of the picture, whether an end
            marker exists, and the number of misplaced markers.
    """

    marker: int = 0
    bits: int = 8
    height: int = 0
    width: int = 0
    components: dict[int, tuple[int, int]] = field(default_factory=dict[int, tuple[int, int]])
    frame: bytes = b""
    parts: list[Part] = field(default_factory=list[Part])
    interval: int = 0
    metadata: JPEGMetadata = field(default_factory=JPEGMetadata)
    first: int = 0
    size: int = 0
    scans: list[Scan] = field(default_factory=list[Scan])
    end: int = 0
    ended: bool = True
    stray: int = 0

    @property
    def unit(self) -> tuple[int, int]:
        """Width and height of an MCU of a scan of all components, in blocks."""
        factors = list(self.components.values())
        if len(factors) == 1:
            return 1, 1
        return max(h for h, _ in factors), max(v for _, v in factors)

    def units(self, scan: Scan) -> int:
        """The number of MCUs in a scan."""
        wide = max(h for h, _ in self.components.values())
        high = max(v for _, v in self.components.values())
        across, down = self.width, self.height
        if len(scan.components) == 1:  # then its MCU is a single block
            h, v = self.components[scan.components[0]]
            across, down, wide, high = _up(across * h, wide), _up(down * v, high), 1, 1
        return _up(across, 8 * wide) * _up(down, 8 * high)

    def head(self) -> list[Part]:
        """The data that a decoder needs before the first scan."""
        named = [b"\xff\xe0" + self.metadata.jfif] if self.metadata.jfif else []
        named += [b"\xff\xee" + self.metadata.adobe] if self.metadata.adobe else []
        frame = self.frame[:5] + struct.pack(">H", self.height) + self.frame[7:]
        return [b"\xff\xd8", *named, *self.parts, frame]

    def stream(self, file: BinaryIO, parts: list[Part] | None = None) -> BinaryIO:
        """The stream for a decoder; with ``parts`` in place of the scans."""
        ends = self.end or self.size
        scans: list[Part] = [(self.first, ends)] if parts is None else parts
        end: list[Part] = [b"\xff\xd9"] if self.end else []
        return spliced(file, [*self.head(), *scans, *end])

    def problem(self) -> str | None:
        """The problem with the markers, or None."""
        for scan in self.scans:
            wanted = -(-self.units(scan) // scan.interval) - 1 if scan.interval else 0
            if scan.restarts not in (wanted, wanted + bool(scan.interval)):
                if not self.ended and scan is self.scans[-1]:
                    continue  # cut off: rows are counted instead
                return f"{scan.restarts} of {wanted} restart markers are intact"
            if not scan.ordered:
                return "restart markers are out of order"
        if self.stray:
            return f"{self.stray} markers are out of place"
        return None

    def cut(self) -> int | None:
        """The number of rows, if the picture ends before its last restart marker."""
        scan = self.scans[-1] if self.scans else None
        if self.ended or not scan or not scan.interval:
            return None
        whole, units = scan.restarts * scan.interval, self.units(scan)
        if whole + scan.interval >= units:
            return None
        return int(self.height * whole / units) // (8 * self.unit[1]) * 8 * self.unit[1]

    def complete(self) -> bool:
        """Whether the scans contain all components in full precision."""
        full = {(each, at) for scan in self.scans if not scan.low for each in scan.components
                for at in range(scan.first, min(scan.last, 63) + 1)}  # fmt: skip
        depth = 64 if self.marker in PROGRESSIVE else 1
        return all((each, at) in full for each in self.components for at in range(depth))


def _up(value: int, by: int) -> int:
    return -(-value // by)


def damaged(what: str) -> PictureError:
    """The error for a file that cannot be decoded at all."""
    return PictureError(f"the file is damaged: {what}", CUT)


def read_layout(file: BinaryIO) -> JPEGLayout:
    """Read a file's segments up to the first scan.

    Raises:
        PictureError: it is damaged, or of a kind that no decoder here supports.
    """
    layout = JPEGLayout(size=file.seek(0, 2))
    at = 2
    for _ in range(MOST_SEGMENTS):
        at, marker, segment = _segment(file, at, layout.size)
        if marker in ALONE:
            at += 2
            continue
        if marker in (SOI, EOI):
            raise damaged("it has no picture data")
        length = len(segment) and struct.unpack(">H", segment[:2])[0]
        if marker == 0 or length < 2 or at + 2 + length > layout.size:
            raise damaged("it is cut off before its picture begins")
        if marker == SOS:
            layout.first = at
            _check(layout)
            if not layout.height:
                add_scans(file, layout)
                if not layout.height:
                    raise damaged("it does not state its height")
            return layout
        if marker in FRAMES:
            _frame(layout, marker, b"\xff" + bytes([marker]) + _read_whole(file, at + 2, length))
        elif marker in TABLES:
            if marker == DRI and length >= 4:
                layout.interval = struct.unpack(">H", _read_whole(file, at + 4, 2))[0]
            _add_range(layout.parts, at, at + 2 + length)
        else:
            _metadata(file, layout.metadata, marker, at + 2, length, segment[2:])
        at += 2 + length
    raise PictureError(f"it has more than {MOST_SEGMENTS:,} segments", "Save it again")


def _segment(file: BinaryIO, at: int, size: int) -> tuple[int, int, bytes]:
    """The next marker: its position, its code, and its segment's first bytes; 0 at the end."""
    step = 64
    while at < size:
        data = _read_whole(file, at, step)
        if found := ANY_MARKER.search(data):  # after fill bytes, or data that decoders skip too
            at += found.start()
            return at, found[0][1], _read_whole(file, at + 2, 64)
        at += max(1, len(data) - 1)
        step = min(4 * step, CHUNK)
    return size, 0, b""


def _read_whole(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(length)


def _add_range(parts: list[Part], start: int, end: int) -> None:
    """Add a range, joined to the previous one if they touch."""
    last = parts[-1] if parts else b""
    if isinstance(last, tuple) and last[1] == start:
        parts[-1] = (last[0], end)
    else:
        parts.append((start, end))


def _frame(layout: JPEGLayout, marker: int, segment: bytes) -> None:
    if layout.frame:
        raise damaged("it has two frames")
    if len(segment) < 10 or len(segment) < 10 + 3 * segment[9]:
        raise damaged("its frame is cut off")
    layout.marker, layout.frame = marker, segment
    layout.bits, layout.height, layout.width = struct.unpack(">BHH", segment[4:9])
    for at in range(10, 10 + 3 * segment[9], 3):
        layout.components[segment[at]] = (segment[at + 1] >> 4, segment[at + 1] & 15)
    if len(layout.components) != segment[9]:
        raise damaged("two components have one name")


def _check(layout: JPEGLayout) -> None:
    """Refuse pictures that cannot be decoded here, with the reason."""
    fix = "Convert it to an ordinary JPEG, or to PNG or TIFF"
    if not layout.frame:
        raise damaged("it has no frame")
    if layout.marker not in SEQUENTIAL | PROGRESSIVE:
        kind = "lossless" if layout.marker in (0xC3, 0xCB) else "hierarchical"
        raise PictureError(f"it is a {kind} JPEG (SOF{layout.marker - 0xC0})", fix)
    if layout.bits != 8:
        raise PictureError(f"it is a JPEG of {layout.bits} bits a channel", fix)
    if max(layout.width, layout.height) > MOST_SIDE:
        raise PictureError(f"it has more than {MOST_SIDE:,} pixels a side", fix)
    if len(layout.components) not in (1, 3, 4):
        raise PictureError(f"it is a JPEG of {len(layout.components)} components", fix)
    if not layout.width or not all(1 <= h <= 4 and 1 <= v <= 4 for h, v in
                                   layout.components.values()):  # fmt: skip
        raise damaged("its frame makes no sense")


def _metadata(
    file: BinaryIO, beside: JPEGMetadata, marker: int, at: int, length: int, head: bytes
) -> None:
    for kind, name, place in KINDS:
        if marker == kind and head.startswith(name):
            beside.left -= length
            if beside.left > 0:
                segments: list[bytes] = getattr(beside, place)
                segments.append(_read_whole(file, at + 2 + len(name), length - 2 - len(name)))
            return
    if marker == 0xE0 and head.startswith(b"JFIF\0") and not beside.jfif:
        beside.jfif = _read_whole(file, at, length)
    elif marker == 0xEE and head.startswith(b"Adobe"):
        beside.adobe = _read_whole(file, at, length)
    for kind, name in SIGNS:
        if marker == kind and head.startswith(name):
            beside.signs.add(name)


def add_scans(file: BinaryIO, layout: JPEGLayout) -> None:
    """Find the scans and the picture's end.

    Raises:
        PictureError: there are too many scans, or a scan is damaged.
    """
    layout.scans, layout.stray, layout.ended = [], 0, True
    at, interval, size = layout.first, layout.interval, layout.size
    for _ in range(MOST_SEGMENTS):
        at, marker, segment = _segment(file, at, size)
        length = struct.unpack(">H", segment[:2])[0] if len(segment) >= 2 else 0
        if marker == EOI:
            layout.end = at
            return
        if marker in (0, SOI) or (marker in {SOS, *BETWEEN} and at + 2 + length > size):
            if not marker and layout.scans:  # half a marker does not count
                at = min(at, layout.scans[-1].end)
            layout.end, layout.ended = at, False
            return
        if marker == SOS:
            scan = _scan(layout, _read_whole(file, at + 2, length), interval, at + 2 + length)
            layout.scans.append(scan)
            if len(layout.scans) > MOST_SCANS:
                raise PictureError(f"it has more than {MOST_SCANS} scans", "Save it again")
            at = _skip_coded_data(file, scan)
        elif marker in BETWEEN and length >= 2:
            if marker == DRI and length >= 4:
                interval = struct.unpack(">H", segment[2:4])[0]
            if marker == DNL and not layout.height and length >= 4:
                layout.height = struct.unpack(">H", segment[2:4])[0]
            at += 2 + length
        else:
            layout.stray += 1
            if layout.stray > MOST_SCANS or not layout.scans:
                layout.end, layout.ended = at, False
                return
            layout.scans[-1].data, kept = at + 2, layout.scans[-1].data
            at = _skip_coded_data(file, layout.scans[-1])
            layout.scans[-1].data = kept
    raise damaged(f"it has more than {MOST_SEGMENTS:,} markers")


def _scan(layout: JPEGLayout, segment: bytes, interval: int, data: int) -> Scan:
    count = segment[2] if len(segment) > 2 else 0
    ids = tuple(segment[3 : 3 + 2 * count : 2])
    if len(segment) < 6 + 2 * count or not 1 <= count <= 4 or not set(ids) <= {*layout.components}:
        raise damaged("a scan's header makes no sense")
    first, last, bits = segment[3 + 2 * count : 6 + 2 * count]
    return Scan(ids, first, last, bits & 15, interval, data)


def _skip_coded_data(file: BinaryIO, scan: Scan) -> int:
    """Skip a scan's coded data; return the position of the next marker, or of the end."""
    at = scan.data
    file.seek(at)
    data = file.read(CHUNK)
    while data:
        found = MARKER.search(data)
        coded = np.frombuffer(data[: found.start()] if found else data, np.uint8)
        marks = coded[1:][(coded[:-1] == 0xFF) & (coded[1:] & 0xF8 == 0xD0)] & 7
        wanted = (np.arange(len(marks)) + scan.restarts) % 8
        scan.ordered = scan.ordered and bool((marks == wanted).all())
        scan.restarts += len(marks)
        if found:
            scan.end = at + found.start()
            return scan.end
        more = file.read(CHUNK)
        keep = data[-1:] if data[-1] == 0xFF else b""  # a marker may begin there
        at += len(data) - len(keep)
        data = keep + more if more else b""
    scan.end = at
    return at
