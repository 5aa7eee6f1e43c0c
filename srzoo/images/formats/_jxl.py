"""The facts of a JPEG XL file before it is decoded (ISO/IEC 18181-1 and -2)."""

from __future__ import annotations

import importlib
import importlib.util
import io
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..bmff import boxes

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\x00\x00\x00\x0cJXL \r\n\x87\n"
LARGEST = 2**24
"""The largest size of EXIF or XMP that is read, in bytes."""
HEAD = 1024
"""Bytes of the codestream in which the header is searched."""
RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
GRAY, D65, SRGB, ALPHA, SPOT, CFA = 1, 1, 13, 0, 2, 5
PRIMARIES = {1: 1, 9: 9, 11: 12}
"""JPEG XL's primaries by their numbers in ITU-T H.273."""
HDR_OR_SRGB = {8, 13, 16, 18}
"""Transfers with the same number in both standards."""


@dataclass
class JxlFacts:
    """The facts in the header.

    Attributes:
        size: width and height, upright.
        bits: of a channel.
        floats: whether the values are floats.
        gray, alpha: whether it is gray; whether it has transparency.
        animated: whether it has several frames.
        lossless: whether its colours are stored directly, usually without loss.
        cicp: its colours as numbers, if it states them; sRGB too.
        jpeg: whether it is a repacked JPEG.
        parts: EXIF and XMP by the names of their boxes; packed ones are unpacked.
        lost: what could not be read.
    """

    size: tuple[int, int] = (0, 0)
    bits: int = 8
    floats: bool = False
    gray: bool = False
    alpha: bool = False
    animated: bool = False
    lossless: bool = False
    cicp: tuple[int, int, int, int] | None = (1, SRGB, 0, 1)
    jpeg: bool = False
    parts: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    lost: list[str] = field(default_factory=list[str])


class _Bits:
    """Reads numbers, lowest bit first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)

    def take(self, count: int) -> int:
        self.left -= count
        if self.left < 0:
            raise ValueError("the header ends early")
        taken = self.value & (1 << count) - 1
        self.value >>= count
        return taken

    def choice(self, *kinds: tuple[int, int]) -> int:
        """One of four choices: a number, and how many bits are added to it."""
        base, bits = kinds[self.take(2)]
        return base + self.take(bits)

    def named(self) -> int:
        return self.choice((0, 0), (1, 0), (2, 4), (18, 6))


def read_facts(file: BinaryIO) -> JxlFacts:
    """The facts of a file; restores the file's position.

    Raises:
        ValueError: its header is damaged.
    """
    place = file.tell()
    file.seek(0)
    head = file.read(HEAD)
    found = JxlFacts()
    if not head.startswith(CODESTREAM):
        head = _from_boxes(file, found)
    file.seek(place)
    if not head.startswith(CODESTREAM):
        raise ValueError("it contains no picture")
    _header(_Bits(head[2:]), found)
    return found


def _from_boxes(file: BinaryIO, found: JxlFacts) -> bytes:
    """The beginning of the codestream; metadata are added to ``found``."""
    head = b""
    for kind, start, end in boxes.outermost(file):
        file.seek(start)
        if kind in (b"jxlc", b"jxlp") and len(head) < HEAD:
            file.seek(4 if kind == b"jxlp" else 0, io.SEEK_CUR)
            head += file.read(min(HEAD, max(0, end - file.tell())))
        elif kind == b"jbrd":
            found.jpeg = True
        elif kind in (b"Exif", b"xml ", b"brob"):
            name = file.read(4) if kind == b"brob" else kind
            if name in found.parts or name not in (b"Exif", b"xml "):
                continue
            data = file.read(min(end - file.tell(), LARGEST + 1))
            unpacked = _decompress(data) if kind == b"brob" else data
            if unpacked is None or len(unpacked) > LARGEST:
                what = "EXIF" if name == b"Exif" else "XMP"
                found.lost.append(f"the {what} data is damaged or too large and was dropped")
            else:
                found.parts[name] = unpacked
    return head


def _decompress(data: bytes) -> bytes | None:
    if importlib.util.find_spec("brotli") is None:
        return None
    brotli: Any = importlib.import_module("brotli")
    unpacker = brotli.Decompressor()
    try:
        return unpacker.process(data, output_buffer_limit=LARGEST + 1)
    except brotli.error:
        return None


def _header(bits: _Bits, found: JxlFacts) -> None:
    width, height = _size(bits)
    orientation = 1
    if not bits.take(1):
        if bits.take(1):
            orientation = bits.take(3) + 1
            if bits.take(1):
                _size(bits)
            if bits.take(1):
                _preview(bits)
            found.animated = bool(bits.take(1))
            if found.animated:
                bits.choice((100, 0), (1000, 0), (1, 10), (1, 30))
                bits.choice((1, 0), (1001, 0), (1, 8), (1, 10))
                bits.choice((0, 0), (0, 3), (0, 16), (0, 32))
                bits.take(1)
        found.bits, found.floats = _depth(bits)
        bits.take(1)
        extra = bits.choice((0, 0), (1, 0), (2, 4), (1, 12))
        kinds = [_extra(bits) for _ in range(extra)]
        found.alpha = ALPHA in kinds
        if any(kind != ALPHA for kind in kinds):
            found.lost.append("channels besides the colours (spot, depth, ...) are gone")
        found.lossless = not bits.take(1)
        if not bits.take(1):
            _colours(bits, found)
    found.size = (height, width) if orientation > 4 else (width, height)


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        if small:
            return 8 * (bits.take(5) + 1)
        return bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    if not ratio:
        return side(), height
    over, under = RATIOS[ratio - 1]
    return height * over // under, height


def _preview(bits: _Bits) -> None:
    kinds = ((1, 6), (65, 8), (321, 10), (1345, 12))
    if bits.take(1):
        kinds = ((16, 0), (32, 0), (1, 5), (33, 9))
    bits.choice(*kinds)
    if not bits.take(3):
        bits.choice(*kinds)


def _depth(bits: _Bits) -> tuple[int, bool]:
    if bits.take(1):
        depth = bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
        return depth, True
    return bits.choice((8, 0), (10, 0), (12, 0), (1, 6)), False


def _extra(bits: _Bits) -> int:
    """The kind of an extra channel."""
    if bits.take(1):
        return ALPHA
    kind = bits.named()
    _depth(bits)
    bits.choice((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.choice((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind == ALPHA:
        bits.take(1)
    elif kind == SPOT:
        bits.take(64)
    elif kind == CFA:
        bits.choice((1, 0), (0, 2), (3, 4), (19, 8))
    return kind


def _colours(bits: _Bits, found: JxlFacts) -> None:
    """Colours other than sRGB; as numbers if ITU-T H.273 defines them."""
    found.cicp = None
    profile = bits.take(1)
    found.gray = bits.named() == GRAY
    if profile or bits.named() != D65:
        return
    primaries = 1 if found.gray else PRIMARIES.get(bits.named())
    if primaries is None or bits.take(1):
        return
    transfer = bits.named()
    if transfer in HDR_OR_SRGB or transfer == 1:
        found.cicp = (primaries, transfer, 0, 1)
