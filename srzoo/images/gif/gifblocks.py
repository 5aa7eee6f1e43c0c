"""Finds the blocks of a GIF, in one pass, in linear time."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from ...errors import PictureError
from ..decoding import to_array
from ..layers import CLEAR, KEEP, Layer
from ..layers import RESTORE as BEFORE
from ..png.pngchunks import damaged

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGE, EXTENSION, END = 0x2C, 0x21, 0x3B
CONTROL, COMMENT, APPLICATION, PLAIN_TEXT = 0xF9, 0xFE, 0xFF, 0x01
TABLE, INTERLACED = 0x80, 0x40
DISPOSALS = {2: CLEAR, 3: BEFORE, 4: BEFORE}
DENSEST = 2800
"""The most pixels from a byte of compressed data: codes of 12 bits, 4096 pixels each."""
LARGEST = 2**24
"""The largest size of a comment, a profile or XMP in bytes."""
MOST = 10_000
"""The largest number of comments that are kept."""
GRAY = bytes(value for value in range(256) for _ in "rgb")
"""The palette of a GIF without one."""
XMP_TRAILER = bytes([1, *range(255, -1, -1)])
"""The bytes after XMP by which decoders that do not know it find its end."""


@dataclass(frozen=True)
class Frame:
    """One stored picture.

    Attributes:
        layer: its place and disposal.
        data: beginning and end of its compressed pixels.
        palette: colours as RGB bytes.
        clear: the transparent entry, or None.
        interlaced: whether its rows are interlaced.
    """

    layer: Layer
    data: tuple[int, int]
    palette: bytes
    clear: int | None = None
    interlaced: bool = False

    @property
    def gray(self) -> bool:
        """Whether all its colours are gray."""
        return self.palette[::3] == self.palette[1::3] == self.palette[2::3]

    def draw(self, file: BinaryIO, force: bool, lost: list[str]) -> NDArray[np.uint8]:
        """Decode its pixels, h x w x 4.

        Args:
            file: the GIF.
            force: complete damaged data: missing rows repeat those above them.
            lost: gets a sentence on what was completed.

        Raises:
            PictureError: it is damaged.
        """
        file.seek(self.data[0])
        data = file.read(self.data[1] - self.data[0])
        entries, problem = self._entries(data, None)
        if problem:
            if not force:
                raise damaged(problem)
            entries = self._completed(data, problem, lost)
        colours = np.zeros((256, 4), np.uint8)
        colours[:, 3] = 255
        colours[: len(self.palette) // 3, :3] = np.frombuffer(self.palette, np.uint8).reshape(-1, 3)
        if self.clear is not None:
            colours[self.clear, 3] = 0
        return colours[entries]

    def _entries(self, data: bytes, fill: int | None) -> tuple[NDArray[Any], str | None]:
        """Entries of the palette, ``fill`` if missing; and the damage, if any."""
        width, height = self.layer.box[2:]
        if width * height > len(data) * DENSEST + DENSEST:
            return np.zeros((0, width), np.uint8), "too little data"
        single = b"GIF89a" + struct.pack("<HHBBB", width, height, TABLE | 7, 0, 0) + bytes(768)
        if fill is not None:
            single += struct.pack("<BBBBHBB", EXTENSION, CONTROL, 4, 1, 0, fill, 0)
        flags = INTERLACED * self.interlaced
        single += struct.pack("<BHHHHB", IMAGE, 0, 0, width, height, flags) + data + b"\0;"
        image = Image.open(io.BytesIO(single), formats=("GIF",))
        problem = None
        try:
            image.load()
        except OSError:
            problem = "data that are cut off or make no sense"
            image.tile = []  # keep the part that was decoded
        return to_array(image), problem

    def _completed(self, data: bytes, problem: str, lost: list[str]) -> NDArray[Any]:
        first, _ = self._entries(data, 0)
        second, _ = self._entries(data, 255)
        there = (first == second).all(axis=1)
        if not there[:1].any():
            what = f"nothing of its pixels can be read ({problem})"
            raise PictureError(what, "Restore the file")
        lost.append(
            f"the file is damaged ({problem}): {there.sum()} of {len(there)} rows are intact"
        )
        return first[np.maximum.accumulate(np.where(there, np.arange(len(there)), 0))]


@dataclass
class GIFContents:
    """The contents of a GIF, without its pixels.

    Attributes:
        size: of the canvas.
        frames: its pictures.
        comments, xmp, icc: metadata.
        notes: what was dropped, one sentence each.
    """

    size: tuple[int, int]
    frames: list[Frame] = field(default_factory=list[Frame])
    comments: list[bytes] = field(default_factory=list[bytes])
    xmp: bytes | None = None
    icc: bytes | None = None
    notes: list[str] = field(default_factory=list[str])


def read_blocks(file: BinaryIO) -> GIFContents:
    """Read the contents of a GIF, without decoding pixels.

    Raises:
        PictureError: it contains no picture.
    """
    file.seek(6)
    width, height, flags, _, aspect = struct.unpack("<HHBBB", _read_exactly(file, 7))
    palette = _palette(file, flags)
    blocks = GIFContents((width, height))
    if aspect and abs((aspect + 15) / 64 - 1) > 0.01:
        blocks.notes.append(
            f"the pixels are not square ({(aspect + 15) / 64:.4g}:1): kept as they are"
        )
    control = b"\0\0\0\0"
    ended = False
    try:
        while kind := file.read(1):
            if kind[0] == IMAGE:
                blocks.frames.append(_frame(file, palette, control))
                control = b"\0\0\0\0"
            elif kind[0] == EXTENSION:
                label = _read_exactly(file, 1)[0]
                if label == CONTROL:
                    control = b"".join(_blocks(file, 4)).ljust(4, b"\0")
                else:
                    _read_extension(file, label, blocks)
            elif kind[0] == END:
                ended = True
                break
            elif kind[0]:
                break
    except EOFError:
        pass
    if not ended:
        blocks.notes.append("the file's end is missing or damaged")
    if not blocks.frames:
        raise PictureError("it contains no picture", "Restore the file")
    x, y, w, h = blocks.frames[0].layer.box
    blocks.size = (max(width, x + w), max(height, y + h))
    return blocks


def _read_exactly(file: BinaryIO, size: int) -> bytes:
    data = file.read(size)
    if len(data) < size:
        raise EOFError("the file is cut off")
    return data


def _palette(file: BinaryIO, flags: int) -> bytes:
    return _read_exactly(file, 3 << (flags & 7) + 1) if flags & TABLE else b""


def _blocks(file: BinaryIO, most: int) -> Iterator[bytes]:
    """The data of sub-blocks up to their end, at most ``most`` bytes."""
    while length := _read_exactly(file, 1)[0]:
        data = _read_exactly(file, length)
        if most > 0:
            yield data[:most]
        most -= length


def _frame(file: BinaryIO, palette: bytes, control: bytes) -> Frame:
    x, y, width, height, flags = struct.unpack("<HHHHB", _read_exactly(file, 9))
    own = _palette(file, flags)
    if not (width and height):
        raise EOFError("a picture without size")
    start = end = file.tell()
    try:
        _read_exactly(file, 1)
        end = file.tell()
        while length := _read_exactly(file, 1)[0]:
            file.seek(length, 1)
            end = file.tell()
    except EOFError:
        file.seek(0, 2)
    how, _, clear = struct.unpack("<BHB", control)
    return Frame(
        Layer((x, y, width, height), DISPOSALS.get(how >> 2 & 7, KEEP), bool(how & 1)),
        (start, end),
        own or palette or GRAY,
        clear if how & 1 else None,
        bool(flags & INTERLACED),
    )


def _read_extension(file: BinaryIO, label: int, blocks: GIFContents) -> None:
    """Read a comment, XMP or a profile; other extensions do not affect a still picture."""
    if label == APPLICATION:
        length = _read_exactly(file, 1)[0]
        name = _read_exactly(file, length)
        start = file.tell()
        parts = list(_blocks(file, LARGEST))
        if name == b"XMP DataXMP" and blocks.xmp is None:
            end = file.tell()
            file.seek(start)
            raw = file.read(min(end - start, LARGEST))
            # XMP is stored directly, and its letters are lengths of sub-blocks; or in sub-blocks.
            plain = raw.lstrip(b"\xef\xbb\xbf\0\r\n\t ").startswith(b"<")
            blocks.xmp = raw[: raw.rfind(XMP_TRAILER)] if plain else b"".join(parts)
            file.seek(end)
        elif name == b"ICCRGBG1012" and blocks.icc is None:
            blocks.icc = b"".join(parts)
        return
    parts = list(_blocks(file, LARGEST))
    if label == COMMENT and len(blocks.comments) < MOST:
        blocks.comments.append(b"".join(parts))
    elif label == PLAIN_TEXT:
        note = "text that the GIF lays over the picture is not drawn"
        blocks.notes += [note] * (note not in blocks.notes)
