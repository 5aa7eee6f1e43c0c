"""Writes TIFF and BigTIFF from top to bottom in constant memory, with all metadata.

Deflate with the horizontal predictor; strips for ordinary files, tiles for streamed ones.
"""

from __future__ import annotations

import contextlib
import os
import struct
import zlib
from collections.abc import Callable, Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np

from ...common import files, memory
from ...errors import PictureError
from ..exif import (
    LONG,
    LONG8,
    SHORT,
    Directory,
    number_field,
    pack_directory,
    read_fields,
    swap_byte_order,
)
from ..metadata import with_size, with_size_and_dpi
from ..picture import Picture

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    from ..picture import Pixels

TILE = 256
LEVEL = 2
"""The level of deflate: higher ones take twice as long and save nothing after the predictor."""
CLASSIC = 3_500_000_000
"""Size of pixels from which a file is a BigTIFF, with 64-bit offsets."""
ICC, XMP, IPTC = 34675, 700, 33723


class TIFFWriter:
    """Writes one picture into an open file: :meth:`put` rows, then :meth:`finish`.

    Args:
        file: writable, positioned at its start.
        size: (width, height) of the whole picture.
        like: the picture with the metadata, colour and transparency to use.
        dtype: uint8 or uint16.
        tile: the side of a tile, or None for strips.
        big: whether it is a BigTIFF.
    """

    def __init__(
        self,
        file: BinaryIO,
        size: tuple[int, int],
        like: Picture,
        dtype: DTypeLike,
        *,
        tile: int | None,
        big: bool,
    ) -> None:
        self.file, self.size, self.like, self.tile, self.big = file, size, like, tile, big
        self.dtype = np.dtype(dtype).newbyteorder("<")
        colours = 1 if like.pixels.ndim == 2 else 3
        self.channels = colours + (like.alpha is not None)
        row = size[0] * self.channels * self.dtype.itemsize
        self.rows = tile or min(size[1], max(1, 2**20 // row))
        self.waiting: list[NDArray[Any]] = []
        self.held = self.done = 0
        self.parts: list[tuple[int, int]] = []
        from concurrent.futures import ThreadPoolExecutor  # slow to import

        self.pool = ThreadPoolExecutor(min(4, memory.processors()))
        file.write(struct.pack("<2sHHHQ" if big else "<2sHI", *(
            (b"II", 43, 8, 0, 0) if big else (b"II", 42, 0)
        )))  # fmt: skip

    def put(self, rows: Pixels, alpha: Pixels | None = None) -> None:
        """Add the next rows: N x W or N x W x 3, and N x W of alpha if any."""
        planes = rows[:, :, None] if rows.ndim == 2 else rows
        if alpha is not None:
            planes = np.concatenate([planes, alpha[:, :, None]], axis=2)
        if planes.shape[1:] != (self.size[0], self.channels) or rows.dtype != self.dtype:
            raise ValueError(f"rows of {planes.shape} {rows.dtype} are not of this picture")
        if self.done + self.held + len(planes) > self.size[1]:
            raise ValueError(f"more than {self.size[1]} rows")
        self.waiting.append(planes)
        self.held += len(planes)
        while self.held >= self.rows:
            self._flush()

    def _flush(self) -> None:
        """Write one row of tiles, or one strip."""
        held = self.waiting[0] if len(self.waiting) == 1 else np.concatenate(self.waiting)
        band, rest = held[: self.rows], held[self.rows :]
        self.waiting = [rest] if len(rest) else []
        self.held = len(rest)
        self.done += len(band)
        parts = [band]
        if self.tile:
            width = -self.size[0] % self.tile
            padding = ((0, self.tile - len(band)), (0, width), (0, 0))
            parts = np.split(
                np.pad(band, padding, "edge"), (self.size[0] + width) // self.tile, axis=1
            )
        for data in self.pool.map(self._packed, parts):
            self.parts.append((self.file.tell(), len(data)))
            self.file.write(data)

    def _packed(self, part: NDArray[Any]) -> bytes:
        data: NDArray[Any] = np.array(part, self.dtype, order="C")
        data[:, 1:] -= part[:, :-1]
        return zlib.compress(data.data, LEVEL)

    def finish(self) -> None:
        """Write buffered rows, and the directory.

        Raises:
            ValueError: rows are missing.
        """
        while self.held:
            self._flush()
        if self.done != self.size[1]:
            raise ValueError(f"{self.done} rows of {self.size[1]}")
        where = self.file.seek(0, os.SEEK_END)
        where += self.file.write(bytes(where % 2))
        entries = self._metadata() | self._layout()
        self.file.write(pack_directory(entries, "<", where, big=self.big))
        self.file.seek(8 if self.big else 4)
        self.file.write(struct.pack("<Q" if self.big else "<I", where))
        self.file.seek(0, os.SEEK_END)

    def close(self) -> None:
        """Stop the threads."""
        self.pool.shutdown()

    def _layout(self) -> Directory:
        colours = 1 if self.like.pixels.ndim == 2 else 3
        wide = LONG8 if self.big else LONG
        where, counts = zip(*self.parts, strict=True)
        found: Directory = {
            256: number_field(LONG, self.size[0]),
            257: number_field(LONG, self.size[1]),
            258: number_field(SHORT, *[8 * self.dtype.itemsize] * self.channels),
            259: number_field(SHORT, 8),  # deflate
            262: number_field(SHORT, 1 if colours == 1 else 2),  # black is zero, or RGB
            274: number_field(SHORT, 1),
            277: number_field(SHORT, self.channels),
            284: number_field(SHORT, 1),
            317: number_field(SHORT, 2),  # horizontal predictor
        }
        if self.tile:
            found |= {322: number_field(LONG, self.tile), 323: number_field(LONG, self.tile)}
            found |= {324: number_field(wide, *where), 325: number_field(wide, *counts)}
        else:
            found |= {278: number_field(LONG, self.rows)}
            found |= {273: number_field(wide, *where), 279: number_field(wide, *counts)}
        if self.like.alpha is not None:
            found[338] = number_field(SHORT, 2)  # alpha without premultiplied colours
        return found

    def _metadata(self) -> Directory:
        like = self.like
        shape = np.broadcast_to(np.uint8(0), self.size[::-1])  # only for its size
        exif = with_size_and_dpi(
            Picture(cast("Pixels", shape), exif=like.exif, dpi=like.dpi), dpi=True
        )  # DPI are in EXIF's main directory, which is TIFF's own
        found = _exif_entries(exif) if exif else {}
        if icc := like.profile:
            found[ICC] = (7, len(icc), icc)
        if like.xmp:
            xmp = with_size(like.xmp, self.size)
            found[XMP] = (1, len(xmp), xmp)
        if like.iptc:
            found[IPTC] = (7, len(like.iptc), like.iptc)
        return found


def _exif_entries(exif: bytes) -> Directory:
    """The fields of EXIF data, which are a TIFF file, in little-endian order."""
    found = read_fields(exif)

    def little(entries: Directory) -> Directory:
        return {
            tag: little(entry) if isinstance(entry, dict) else swap_byte_order(entry)
            for tag, entry in entries.items()
        }

    return found.entries if found.order == "<" else little(found.entries)


def save(picture: Picture, file: BinaryIO) -> None:
    """Write a whole picture, in strips."""
    big = picture.pixels.nbytes * 4 // 3 > CLASSIC
    writer = TIFFWriter(file, picture.size, picture, picture.pixels.dtype, tile=None, big=big)
    with contextlib.closing(writer):
        for top in range(0, picture.size[1], writer.rows):
            rows = slice(top, top + writer.rows)
            alpha = None if picture.alpha is None else picture.alpha[rows]
            writer.put(picture.pixels[rows], alpha)
        writer.finish()


PutRows = Callable[..., None]


@contextlib.contextmanager
def streaming(
    path: Path, size: tuple[int, int], like: Picture, dtype: DTypeLike = np.uint8
) -> Generator[PutRows]:
    """A tiled BigTIFF that is written as its rows arrive, in constant memory.

    Args:
        path: the file; it is created when all rows have arrived.
        size: (width, height) of the result.
        like: the picture with the metadata, colour and alpha to use; usually the input.
        dtype: uint8 or uint16.

    Yields:
        ``put(rows, alpha=None)``: the next rows from the top, any number, N x W or N x W x 3,
        and N x W of alpha where ``like`` has it.

    Raises:
        PictureError: the folder cannot be written, or the disk is full.
        ValueError: rows are missing, too many, or not of this picture.
    """
    try:
        with files.atomic_write(path) as file:
            writer = TIFFWriter(file, size, like, dtype, tile=TILE, big=True)
            with contextlib.closing(writer):
                yield writer.put
                writer.finish()
    except OSError as error:
        raise PictureError(
            f"cannot write {path}: {error.strerror or error}", 'Choose another place: output="PATH"'
        ) from error
