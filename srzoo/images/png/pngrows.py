"""The filtered rows of a PNG: inflated, checked, and completed if damaged."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .pngchunks import Part, PNGHeader, damaged

if TYPE_CHECKING:
    pass

STEP = 2**18
"""Bytes per step of inflating."""
DENSEST = 1032
"""The most bytes from a byte of deflated data."""
SMALL = 2**12
LAST_FILTER = 4
PASSES = (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4),
    (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip
"""Adam7: the first column and row of each pass, and the steps to the next ones."""
WHOLE = ((0, 0, 1, 1),)


class Rows:
    """The filtered rows of one picture, inflated and checked.

    Args:
        file: the PNG.
        head: size and kind of the picture.
        parts: the places of its data.
        force: complete damaged rows.

    Attributes:
        problem: the damage, with ``force``; known at the end.
        got: bytes of intact rows.
    """

    def __init__(self, file: BinaryIO, head: PNGHeader, parts: list[Part], force: bool) -> None:
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
        """Bytes of a row, including its filter."""
        return (width * self.bits + 7) // 8 + 1

    def __iter__(self) -> Iterator[bytes]:
        """All rows in pieces of any length.

        Raises:
            PictureError: they are damaged.
        """
        starts = self._starts()
        start = next(starts, self.size)
        for raw in self._inflate():
            while start - self.got < len(raw) and raw[start - self.got] <= LAST_FILTER:
                start = next(starts, self.size)
            sound = raw[: start - self.got]
            yield sound
            self.got += len(sound)
            if len(sound) < len(raw):
                self.report_damage("data that make no sense")
                break
        if self.got < self.size:
            self.report_damage("too little data")
            yield from self._fill_rows()

    def _starts(self) -> Iterator[int]:
        """The beginnings of rows, each with the number of its filter."""
        start = 0
        for width, height, _ in self.passes:
            length = self.row(width)
            yield from range(start, start + length * height, length)
            start += length * height

    def report_damage(self, why: str) -> None:
        """Raise an error or, with ``force``, record it."""
        if not self.force:
            raise damaged(why)
        self.problem = self.problem or why

    def _compressed(self) -> Iterator[bytes]:
        """The data of all parts with valid checksums."""
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
                self.report_damage("the file is cut off")
            elif int.from_bytes(check, "big") != crc:
                self.report_damage("wrong checksum")

    def _inflate(self) -> Iterator[bytes]:
        """Bytes of intact rows, at most as many as expected."""
        inflater = zlib.decompressobj()
        given = 0
        for data in self._compressed():
            if inflater.eof:
                continue  # data after the end do not affect pixels
            pieces = self._salvage(inflater, data) if self.force else self._pieces(inflater, data)
            for raw in pieces:
                given += len(raw)
                if given > self.size:
                    self.report_damage("too much data")
                    raw = raw[: self.size - given]
                yield raw
                if given > self.size:
                    return
            if self.problem and self.stopped:
                return
        if not inflater.eof:
            self.report_damage(
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
            self.report_damage(
                "wrong checksum of all pixels" if check else "data that make no sense"
            )
            self.stopped = True

    def _salvage(self, inflater: Any, data: bytes) -> Iterator[bytes]:
        """Inflate up to the last intact byte."""
        before = inflater.copy()
        pieces = list(self._pieces(inflater, data))
        if self.stopped:
            single = (data[at : at + 1] for at in range(len(data)))
            pieces = [raw for byte in single for raw in self._pieces(before, byte)]
        yield from pieces

    def _fill_rows(self) -> Iterator[bytes]:
        """Bytes that complete the rows: each repeats the one above."""
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

    def rows_of_passes(self) -> list[int]:
        """The number of intact rows of each pass."""
        counts: list[int] = []
        left = self.got
        for width, height, _ in self.passes:
            counts.append(min(left // self.row(width), height))
            left -= min(left, self.row(width) * height)
        return counts

    def half(self, first: int, last: int) -> Iterator[bytes]:
        """The same rows with only some bytes of each pixel, as filters treat bytes separately."""
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
        for _ in source:  # up to the checksum after the last row
            pass
