"""Finds the chunks of a PNG, in one pass, in linear time and memory."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import BinaryIO

from ...errors import PictureError
from ..format import FIX
from ..layers import Layer
from .pngwriter import ALPHA, GRAY_ALPHA, SIGNATURE

LARGEST = 2**24
"""The largest size of a metadata chunk in bytes; larger ones are dropped."""
ALL_TEXTS = 2**26
"""The largest size of all stored texts in bytes."""
TEXTS = (b"tEXt", b"zTXt", b"iTXt")
COLOURS = {b"PLTE", b"tRNS"}
"""Chunks that affect the pixels; damage to them is damage to the pixels."""
BESIDE = {b"iCCP", b"eXIf", b"pHYs", b"cICP", b"gAMA", b"cHRM", b"sRGB"}
LENGTHS = {b"pHYs": 9, b"cICP": 4, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1}
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), GRAY_ALPHA: (8, 16), 6: (8, 16)}
"""The valid bits per channel for each kind of pixels."""
GONE = {
    b"caBX": "the content credentials (C2PA) are about the old file: dropped",
    b"mDCV": "the mastering display's colours (mDCV) were dropped",
    b"mDCv": "the mastering display's colours (mDCv) were dropped",
    b"cLLI": "the content light levels (cLLI) were dropped",
    b"cLLi": "the content light levels (cLLi) were dropped",
    b"sTER": "that the picture is a stereo pair (sTER) was dropped",
    b"gmAP": "the gain map (gmAP) was dropped: the picture is its SDR version",
}
"""Meaningful chunks that are not kept."""
ENDLESS = "the file's end is missing or damaged"

Part = tuple[bytes, int, int]
"""Pixel data: the chunk's name, the beginning of its data, and their length."""


def damaged(why: str) -> PictureError:
    """The error for pixels that may be wrong."""
    return PictureError(f"its pixels are damaged ({why})", FIX)


@dataclass(frozen=True)
class PNGHeader:
    """The facts in IHDR: size, bits per channel, kind of pixels, whether interlaced."""

    width: int
    height: int
    bits: int
    kind: int
    interlaced: bool = False

    @property
    def channels(self) -> int:
        """The number of stored values per pixel."""
        return {0: 1, 2: 3, 3: 1, GRAY_ALPHA: 2, 6: 4}[self.kind]

    @property
    def alpha(self) -> bool:
        """Whether a channel is alpha."""
        return self.kind in ALPHA


@dataclass
class PNGChunks:
    """The contents of a PNG.

    Attributes:
        head: its IHDR.
        data: the first of each chunk in ``COLOURS`` and ``BESIDE``.
        texts: name and data of every text.
        data_parts: the data of the default image.
        frames: places of the animation's pictures, and the data of each.
        default_is_apart: whether the default image is not a part of the animation.
        notes: what was dropped, one sentence each.
    """

    head: PNGHeader
    data: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    texts: list[tuple[bytes, bytes]] = field(default_factory=list[tuple[bytes, bytes]])
    data_parts: list[Part] = field(default_factory=list[Part])
    frames: list[tuple[Layer, list[Part]]] = field(default_factory=list[tuple[Layer, list[Part]]])
    default_is_apart: bool = False
    notes: list[str] = field(default_factory=list[str])

    @property
    def clear(self) -> bool:
        """Whether parts of the default image may be transparent."""
        return self.head.alpha or b"tRNS" in self.data

    @property
    def gray(self) -> bool:
        """Whether all its colours are gray."""
        if self.head.kind == 3:
            colours = self.data[b"PLTE"]
            return colours[::3] == colours[1::3] == colours[2::3]
        return self.head.kind in (0, GRAY_ALPHA)


class _ChunkReader:
    """Reads a PNG in one pass; with ``force`` it continues after damage."""

    def __init__(self, file: BinaryIO, force: bool) -> None:
        self.file, self.force = file, force
        self.end = file.seek(0, 2)
        file.seek(len(SIGNATURE))
        self.texts = 0
        self.promised = 0
        self.sequence = 0
        self.dropped: dict[str, None] = {}
        self.chunks = PNGChunks(self.head())

    def head(self) -> PNGHeader:
        """The header, which comes first."""
        length, name = struct.unpack(">I4s", self.file.read(8).ljust(8, b"\0"))
        if name == b"CgBI":
            raise PictureError("it is Apple's own kind of PNG (CgBI)", "Convert it: sips, pngcrush")
        data = self.checked_data(name, 13)
        width, height, bits, kind, *methods, interlace = struct.unpack(">IIBBBBB", data)
        usual = name == b"IHDR" and length == 13 and bits in DEPTHS.get(kind, ())
        usual = usual and 0 < width < 2**31 and 0 < height < 2**31
        if not usual or interlace > 1 or any(methods):
            raise PictureError("its header is damaged", "Restore the file")
        return PNGHeader(width, height, bits, kind, bool(interlace))

    def checked_data(self, name: bytes, length: int) -> bytes:
        """A chunk's data, with a valid checksum."""
        data = self.file.read(length)
        right = self.file.read(4) == struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
        if not right:
            wrong = f"wrong checksum of {name.decode('latin-1')}"
            if not self.force:
                raise damaged(wrong)
            self.dropped[f"the file is damaged ({wrong})"] = None
        return data.ljust(length, b"\0") if name == b"IHDR" else data

    def read_all(self) -> PNGChunks:
        """Read every chunk."""
        ended = False
        while head := self.file.read(8):
            length, name = struct.unpack(">I4s", head.ljust(8, b"\0"))
            start = self.file.tell()
            if name == b"IEND":
                ended = True
                break
            if not name.isalpha() or (start + length > self.end and name not in (b"IDAT", b"fdAT")):
                if self.force and self.skip_damage(start):
                    continue
                break
            self.add(name, start, length)
        if not ended:
            self.dropped[ENDLESS] = None
        chunks = self.chunks
        if chunks.head.kind == 3 and not chunks.data.get(b"PLTE"):
            raise PictureError("it has no palette", "Restore the file")
        del chunks.frames[self.promised :]
        chunks.notes = list(self.dropped)
        return chunks

    def skip_damage(self, start: int) -> bool:
        """Go to the next chunk of pixels after damage."""
        self.file.seek(start - 4)
        before = b""
        while block := self.file.read(2**20):
            if (at := (before + block).find(b"IDAT")) >= 4:
                self.file.seek(-len(before + block) + at - 4, 1)
                return True
            before = block[-8:]
        return False

    def add(self, name: bytes, start: int, length: int) -> None:
        """Read a chunk whose data begin here, and leave the file after it."""
        chunks = self.chunks
        if name == b"IDAT":
            chunks.data_parts.append((name, start, length))
            if chunks.frames and not chunks.default_is_apart:
                chunks.frames[0][1].append((name, start, length))
        elif name == b"fdAT":
            if chunks.frames and self.promised:
                self.check_sequence(start)
                chunks.frames[-1][1].append((name, start, length))
        elif name == b"fcTL" and self.promised:
            self.check_sequence(start)
            self.frame(self.checked_data(name, length))
        elif name == b"acTL" and length == 8 and not chunks.data_parts:
            self.promised = struct.unpack(
                ">I", self.checked_data(name, length)[:4].rjust(4, b"\0")
            )[0]
        elif name in COLOURS:
            self.colours(name, length)
        elif name in BESIDE or name in TEXTS:
            self.beside(name, length)
        elif name in GONE:
            self.dropped[GONE[name]] = None
        elif name[0] & 32 == 0 and not self.force:
            raise damaged(f"unknown part {name.decode('latin-1')}")
        self.file.seek(start + length + 4)

    def check_sequence(self, start: int) -> None:
        """Check the sequence numbers of frames and their data."""
        number = int.from_bytes(self.file.read(4), "big")
        self.file.seek(start)
        if number != self.sequence and not self.force:
            raise damaged("frames are missing or out of order")
        self.sequence += 1

    def frame(self, data: bytes) -> None:
        """Read the place of a frame, whose data follow."""
        chunks = self.chunks
        if len(data) != 26:
            raise damaged("wrong length of fcTL")
        _, width, height, x, y, _, _, dispose, blend = struct.unpack(">IIIIIHHBB", data)
        inside = x + width <= chunks.head.width and y + height <= chunks.head.height
        if not (width and height and inside and dispose <= 2 and blend <= 1):
            raise damaged("a frame lies outside of the picture")
        if not chunks.frames:
            chunks.default_is_apart = bool(chunks.data_parts)
        chunks.frames.append((Layer((x, y, width, height), dispose, bool(blend)), []))

    def colours(self, name: bytes, length: int) -> None:
        """Read a palette, or transparency."""
        chunks = self.chunks
        entries = len(chunks.data.get(b"PLTE", b"")) // 3
        fits = {0: length == 2, 2: length == 6, 3: 0 < length <= entries}
        right = length % 3 == 0 and 3 <= length <= 768
        if name == b"tRNS":
            right = fits.get(chunks.head.kind, False)
        if chunks.data_parts or name in chunks.data or not right:
            if name == b"PLTE" and chunks.head.kind == 3 and not chunks.data and not self.force:
                raise damaged("its palette is out of place")
            self.drop(name, "is out of place or of a wrong length")
        else:
            chunks.data[name] = self.checked_data(name, length)

    def beside(self, name: bytes, length: int) -> None:
        """Read metadata, and texts."""
        chunks = self.chunks
        text = name in TEXTS
        if not text and name in chunks.data:
            self.drop(name, "appears twice, the second")
        elif length != LENGTHS.get(name, length):
            self.drop(name, "has a wrong length")
        elif length > LARGEST or (text and self.texts + length > ALL_TEXTS):
            self.drop(name, "is too large")
        else:
            data = self.file.read(length)
            if self.file.read(4) != struct.pack(">I", zlib.crc32(data, zlib.crc32(name))):
                self.drop(name, "has a wrong checksum")
            elif text:
                self.texts += length
                chunks.texts.append((name, data))
            else:
                chunks.data[name] = data

    def drop(self, name: bytes, why: str) -> None:
        """Report a dropped chunk, once for each kind."""
        self.dropped[f"the {name.decode()} chunk {why}: dropped"] = None


def read_chunks(file: BinaryIO, force: bool = False) -> PNGChunks:
    """Read the contents of a PNG, without its pixels.

    Args:
        file: the file.
        force: continue if its header, palette or frames have wrong checksums.

    Raises:
        PictureError: its header, its palette or its frames are damaged.
    """
    return _ChunkReader(file, force).read_all()
