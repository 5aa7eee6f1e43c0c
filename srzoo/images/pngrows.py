"""The pixels of a PNG, checked on their way to the decoder.

A decoder gets a stream of nothing but the pixels, inflated here and wrapped again without
compression: so checksums and lengths are checked at no second inflation, what stands beside the
pixels cannot trouble it, and damaged pictures can be completed.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image

from ..errors import PictureError
from . import decoding, vips
from .png import SIGNATURE, chunk
from .pngchunks import ENDLESS, Chunks, Head, Part, damaged

if TYPE_CHECKING:
    from .picture import Pixels

STEP = 2**18
"""Bytes that are inflated at a time."""
DENSEST = 1032
"""Bytes that a byte of deflated data becomes at most."""
SMALL = 2**12
LAST_FILTER = 4
PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip
"""Adam7: the first column and row of each pass, and the steps to the next ones."""
WHOLE = ((0, 0, 1, 1),)
HALVES = {2: ((0, 2),), 4: ((0, 4),), 6: ((0, 3), (3, 6)), 8: ((0, 4), (4, 8))}
"""How the bytes of a pixel of 16 bits are shared out to pictures of 8, by their number."""
KINDS = {2: 4, 3: 2, 4: 6}
"""The kind of a picture of 8 bits by its channels."""


class Rows:
    """The filtered rows of one picture, inflated and checked.

    Args:
        file: the PNG.
        head: size and kind of the picture.
        parts: where its data are.
        force: complete what is damaged.

    Attributes:
        problem: what is damaged, where ``force`` is given; known at the end.
        got: bytes of sound rows.
    """

    def __init__(self, file: BinaryIO, head: Head, parts: list[Part], force: bool) -> None:
        self.file, self.head, self.parts, self.force = file, head, parts, force
        self.problem: str | None = None
        self.got = 0
        self.stopped = False
        self.passes = [
            (-(-(head.width - x) // dx), -(-(head.height - y) // dy), (x, y, dx, dy))
            for x, y, dx, dy in (PASSES if head.interlaced else WHOLE)
            if head.width > x and head.height > y
        ]
        self.bits = head.bits * head.channels
        self.size = sum(self.row(width) * height for width, height, _ in self.passes)
        given = sum(length for _, _, length in parts)
        if self.size > given * DENSEST + DENSEST and not force:
            raise damaged("too little data")

    def row(self, width: int) -> int:
        """Bytes of a row, with its filter."""
        return (width * self.bits + 7) // 8 + 1

    def __iter__(self) -> Iterator[bytes]:
        """All rows in pieces of any length.

        Raises:
            PictureError: they are damaged.
        """
        starts = self._starts()
        start = next(starts, self.size)
        for raw in self._inflated():
            while start - self.got < len(raw) and raw[start - self.got] <= LAST_FILTER:
                start = next(starts, self.size)
            sound = raw[: start - self.got]
            yield sound
            self.got += len(sound)
            if len(sound) < len(raw):
                self.damage("data that make no sense")
                break
        if self.got < self.size:
            self.damage("too little data")
            yield from self._missing()

    def _starts(self) -> Iterator[int]:
        """Where rows begin, each with the number of its filter."""
        start = 0
        for width, height, _ in self.passes:
            length = self.row(width)
            yield from range(start, start + length * height, length)
            start += length * height

    def damage(self, why: str) -> None:
        """Stop, or remember it."""
        if not self.force:
            raise damaged(why)
        self.problem = self.problem or why

    def _compressed(self) -> Iterator[bytes]:
        """The data of all parts, whose checksums are right."""
        step = SMALL if self.force else STEP
        for name, start, length in self.parts:
            skip = 4 if name == b"fdAT" else 0
            self.file.seek(start)
            crc = zlib.crc32(self.file.read(skip), zlib.crc32(name))
            left = length - skip
            while left > 0 and (data := self.file.read(min(step, left))):
                left -= len(data)
                crc = zlib.crc32(data, crc)
                yield data
            if left > 0 or len(check := self.file.read(4)) < 4:
                self.damage("the file is cut off")
            elif int.from_bytes(check, "big") != crc:
                self.damage("wrong checksum")

    def _inflated(self) -> Iterator[bytes]:
        """Bytes of rows as far as they are sound, and no more than there should be."""
        inflater = zlib.decompressobj()
        given = 0
        for data in self._compressed():
            if inflater.eof:
                continue  # what follows the end changes no pixel
            pieces = self._salvaged(inflater, data) if self.force else self._pieces(inflater, data)
            for raw in pieces:
                given += len(raw)
                if given > self.size:
                    self.damage("too much data")
                    raw = raw[: self.size - given]
                yield raw
                if given > self.size:
                    return
            if self.problem and self.stopped:
                return
        if not inflater.eof:
            self.damage(
                "too little data" if given < self.size else "the end of its data is missing"
            )

    def _pieces(self, inflater: Any, data: bytes) -> Iterator[bytes]:
        try:
            while True:
                raw = inflater.decompress(data, STEP)
                data = inflater.unconsumed_tail
                if raw:
                    yield raw
                if not data and len(raw) < STEP:
                    return
        except zlib.error as error:
            check = "data check" in str(error)
            self.damage("wrong checksum of all pixels" if check else "data that make no sense")
            self.stopped = True

    def _salvaged(self, inflater: Any, data: bytes) -> Iterator[bytes]:
        """The same to the last sound byte."""
        before = inflater.copy()
        pieces = list(self._pieces(inflater, data))
        if self.stopped:
            single = (data[at : at + 1] for at in range(len(data)))
            pieces = [raw for byte in single for raw in self._pieces(before, byte)]
        yield from pieces

    def _missing(self) -> Iterator[bytes]:
        """What completes the rows: each like the one above it."""
        start = 0
        for width, height, _ in self.passes:
            length = self.row(width)
            there = min(max(self.got - start, 0), length * height)
            start += length * height
            if rest := -there % length:
                yield bytes(rest)
            empty = b"\2" + bytes(length - 1)
            for _ in range(height - -(-there // length)):
                yield empty

    def counted(self) -> list[int]:
        """Sound rows of each pass."""
        counts: list[int] = []
        left = self.got
        for width, height, _ in self.passes:
            counts.append(min(left // self.row(width), height))
            left -= min(left, self.row(width) * height)
        return counts

    def half(self, first: int, last: int) -> Iterator[bytes]:
        """The same rows with some bytes of each pixel alone: filters work on each byte apart."""
        source = iter(self)
        rest = b""
        for width, height, _ in self.passes:
            length = self.row(width)
            while height:
                blocks = [rest]
                have = len(rest)
                while have < length:
                    blocks.append(next(source))
                    have += len(blocks[-1])
                block = b"".join(blocks)
                count = min(have // length, height)
                height -= count
                rest = block[count * length :]
                rows = np.frombuffer(block, np.uint8, count * length).reshape(count, length)
                pixels = rows[:, 1:].reshape(count, width, -1)[:, :, first:last]
                yield np.concatenate([rows[:, :1], pixels.reshape(count, -1)], axis=1).tobytes()
        for _ in source:  # to the checksum behind the last row
            pass


class Stream(io.RawIOBase):
    """A sound PNG to be read once, from its start to its end.

    Attributes:
        error: what went wrong while it was made.
    """

    name = "the picture"

    def __init__(self, head: Head, before: bytes, rows: Iterator[bytes]) -> None:
        values = (head.width, head.height, head.bits, head.kind, 0, 0, head.interlaced)
        self.buffer = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", *values)) + before
        self.start = self.at = 0
        self.pieces = _chunks(rows)
        self.error: PictureError | None = None

    def readable(self) -> bool:
        """It is."""
        return True

    def tell(self) -> int:
        """Where the next byte is."""
        return self.start + self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Only within what is in memory: decoders go back to the start when they begin."""
        place = offset if whence == 0 else self.tell() + offset
        if whence == 2 or not self.start <= place <= self.start + len(self.buffer):
            raise io.UnsupportedOperation("it is read once, from its start")
        self.at = place - self.start
        return place

    def read(self, size: int = -1) -> bytes:
        """The next bytes; fewer at the end."""
        pieces = [self.buffer[self.at : self.at + size if size >= 0 else None]]
        self.at += len(pieces[0])
        missing = size - len(pieces[0]) if size >= 0 else -1
        while missing and (more := self.more()):
            taken = more[: missing if missing > 0 else None]
            pieces.append(taken)
            self.start, self.buffer, self.at = self.tell(), more, len(taken)
            if missing > 0:
                missing -= len(taken)
        return b"".join(pieces)

    def more(self) -> bytes:
        """The next chunk, or nothing."""
        try:
            return next(self.pieces, b"")
        except PictureError as error:
            self.error = error
            raise

    def drain(self) -> None:
        """To the end, so that all is checked."""
        while self.more():
            pass


def _chunks(rows: Iterator[bytes]) -> Iterator[bytes]:
    packer = zlib.compressobj(0)
    for raw in rows:
        if data := packer.compress(raw):
            yield chunk(b"IDAT", data)
    yield chunk(b"IDAT", packer.flush())
    yield chunk(b"IEND", b"")


def decode(
    file: BinaryIO,
    chunks: Chunks,
    head: Head,
    parts: list[Part],
    force: bool,
    lost: list[str],
) -> tuple[Pixels, Pixels | None]:
    """Colours and alpha of one picture.

    Args:
        file: the PNG.
        chunks: its chunks.
        head: the picture's size, and its kind.
        parts: where its data are.
        force: complete what is damaged, and say so.
        lost: takes what was said.

    Raises:
        PictureError: they are damaged, or nothing of them can be read.
    """
    rows = Rows(file, head, parts, force)
    key: tuple[int, ...] | None = None
    before, clear = b"", chunks.data.get(b"tRNS")
    if head.kind == 3:
        before = chunk(b"PLTE", chunks.data[b"PLTE"])
        before += chunk(b"tRNS", clear) if clear else b""
    elif clear:
        mask = 2**head.bits - 1
        key = tuple(value & mask for value in struct.unpack(f">{len(clear) // 2}H", clear))
    pixels, alpha = _decoded(head, rows, before)
    if rows.problem:
        pixels, alpha = _completed(rows, lost, pixels, alpha)
    if key:
        if head.bits < 8:
            key = tuple(value * 255 // (2**head.bits - 1) for value in key)
        same = pixels == np.array(key[: 1 if pixels.ndim == 2 else 3], pixels.dtype)
        there = ~(same if pixels.ndim == 2 else same.all(axis=2))
        alpha = there.astype(pixels.dtype) * np.iinfo(pixels.dtype).max
    return pixels, alpha


def by_vips(head: Head) -> bool:
    """Whether pyvips decodes: 16 bits at once, and large pictures in little memory."""
    large = head.width * head.height >= decoding.LARGE and head.kind != 3 and head.bits >= 8
    return (head.bits == 16 or large) and vips.reads("pngload")


def _decoded(head: Head, rows: Rows, before: bytes) -> tuple[Pixels, Pixels | None]:
    if by_vips(head):
        stream = Stream(head, b"", iter(rows))
        try:
            planes, _ = vips.decode(cast("BinaryIO", stream), "pngload")
        except PictureError as error:
            raise (stream.error or error) from error
        stream.drain()
        return decoding.split(planes, head.alpha)
    if head.bits < 16:
        image = _by_pillow(head, before, iter(rows))
        pixels, alpha, _ = decoding.by_pillow(image, None, [])
        return pixels, alpha
    width = 2 * head.channels
    planes = np.empty((head.height, head.width, width), np.uint8)
    for first, last in HALVES[width]:
        rows.got, rows.stopped = 0, False
        half = Head(head.width, head.height, 8, KINDS[last - first], head.interlaced)
        image = _by_pillow(half, b"", rows.half(first, last))
        planes[:, :, first:last] = decoding.array(image)
    return decoding.split(planes.view(">u2").astype(np.uint16), head.alpha)


def _by_pillow(head: Head, before: bytes, rows: Iterator[bytes]) -> Image.Image:
    stream = Stream(head, before, rows)
    image = Image.open(cast("BinaryIO", stream), formats=("PNG",))
    image.load()
    stream.drain()
    return image


def _completed(rows: Rows, lost: list[str], *planes: Pixels | None) -> tuple[Pixels, Pixels | None]:
    """A damaged picture whose later passes are missing: each pixel like its neighbour."""
    counts = rows.counted()
    total = sum(height for _, height, _ in rows.passes)
    if not sum(counts):
        raise PictureError(
            f"nothing of its pixels can be read ({rows.problem})", "Restore the file"
        )
    count = f"{sum(counts)} of {total} rows{' of its passes' * rows.head.interlaced} are there"
    lost[:] = [note for note in lost if note != ENDLESS]
    lost.append(f"the file is damaged ({rows.problem}): {count}")
    if rows.head.interlaced:
        for (_, _, (x, y, dx, dy)), count in zip(rows.passes, counts, strict=True):
            for plane in planes:
                if plane is not None and (x or y):
                    missing = plane[y + count * dy :: dy, x::dx]
                    near = plane[count * dy :: dy, ::dx]
                    missing[:] = near[: missing.shape[0], : missing.shape[1]]
    pixels, alpha = planes
    assert pixels is not None
    return pixels, alpha
