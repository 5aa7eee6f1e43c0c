"""The pixels of a PNG, decoded by Pillow or pyvips.

The decoders get a stream of only the pixels, inflated by srzoo and stored again without
compression: so checksums and lengths are checked in the same pass, metadata cannot disturb a
decoder, and damaged pictures can be completed.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, cast

import numpy as np
from PIL import Image

from ...errors import PictureError
from .. import decoding, vips
from .pngchunks import ENDLESS, Part, PNGChunks, PNGHeader
from .pngrows import Rows
from .pngwriter import SIGNATURE, chunk

if TYPE_CHECKING:
    from ..picture import Pixels

HALVES = {2: ((0, 2),), 4: ((0, 4),), 6: ((0, 3), (3, 6)), 8: ((0, 4), (4, 8))}
"""How the bytes of 16-bit pixels are distributed to 8-bit pictures, by their number."""
KINDS = {2: 4, 3: 2, 4: 6}
"""The kind of an 8-bit picture by its channels."""


class PNGStream(io.RawIOBase):
    """A valid PNG to read once, from its start to its end.

    Attributes:
        error: the error while it was made.
    """

    name = "the picture"

    def __init__(self, head: PNGHeader, before: bytes, rows: Iterator[bytes]) -> None:
        values = (head.width, head.height, head.bits, head.kind, 0, 0, head.interlaced)
        self.buffer = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", *values)) + before
        self.start = self.at = 0
        self.pieces = _chunks(rows)
        self.error: PictureError | None = None

    def readable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """The position of the next byte."""
        return self.start + self.at

    def seek(self, offset: int, whence: int = 0) -> int:
        """Only in buffered data: decoders return to the start when they begin."""
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
        """Read to the end, so that everything is checked."""
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
    chunks: PNGChunks,
    head: PNGHeader,
    parts: list[Part],
    force: bool,
    lost: list[str],
) -> tuple[Pixels, Pixels | None]:
    """Colours and alpha of one picture.

    Args:
        file: the PNG.
        chunks: its chunks.
        head: the picture's size and kind.
        parts: the places of its data.
        force: complete damaged pixels, and report it.
        lost: gets the reports.

    Raises:
        PictureError: they are damaged, or none can be read.
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
        pixels, alpha = _fill_missing(rows, lost, pixels, alpha)
    if key:
        if head.bits < 8:
            key = tuple(value * 255 // (2**head.bits - 1) for value in key)
        same = pixels == np.array(key[: 1 if pixels.ndim == 2 else 3], pixels.dtype)
        there = ~(same if pixels.ndim == 2 else same.all(axis=2))
        alpha = there.astype(pixels.dtype) * np.iinfo(pixels.dtype).max
    return pixels, alpha


def needs_vips(head: PNGHeader) -> bool:
    """Whether pyvips decodes: 16 bits in one pass, and large pictures in little memory."""
    large = head.width * head.height >= decoding.LARGE and head.kind != 3 and head.bits >= 8
    return (head.bits == 16 or large) and vips.can_read("pngload")


def _decoded(head: PNGHeader, rows: Rows, before: bytes) -> tuple[Pixels, Pixels | None]:
    if needs_vips(head):
        stream = PNGStream(head, b"", iter(rows))
        try:
            planes, _ = vips.decode(cast("BinaryIO", stream), "pngload")
        except PictureError as error:
            raise (stream.error or error) from error
        stream.drain()
        return decoding.split_alpha(planes, head.alpha)
    if head.bits < 16:
        image = _decode_with_pillow(head, before, iter(rows))
        pixels, alpha, _ = decoding.decode_with_pillow(image, None, [])
        return pixels, alpha
    width = 2 * head.channels
    planes = np.empty((head.height, head.width, width), np.uint8)
    for first, last in HALVES[width]:
        rows.got, rows.stopped = 0, False
        half = PNGHeader(head.width, head.height, 8, KINDS[last - first], head.interlaced)
        image = _decode_with_pillow(half, b"", rows.half(first, last))
        planes[:, :, first:last] = decoding.to_array(image)
    return decoding.split_alpha(planes.view(">u2").astype(np.uint16), head.alpha)


def _decode_with_pillow(head: PNGHeader, before: bytes, rows: Iterator[bytes]) -> Image.Image:
    stream = PNGStream(head, before, rows)
    image = Image.open(cast("BinaryIO", stream), formats=("PNG",))
    image.load()
    stream.drain()
    return image


def _fill_missing(
    rows: Rows, lost: list[str], *planes: Pixels | None
) -> tuple[Pixels, Pixels | None]:
    """Fill the missing later passes of a damaged picture from neighbours."""
    counts = rows.rows_of_passes()
    total = sum(height for _, height, _ in rows.passes)
    if not sum(counts):
        raise PictureError(
            f"nothing of its pixels can be read ({rows.problem})", "Restore the file"
        )
    count = f"{sum(counts)} of {total} rows{' of its passes' * rows.head.interlaced} are intact"
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
