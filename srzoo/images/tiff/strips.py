"""Decodes the strips and tiles of a TIFF's picture to samples, at any depth.

zlib decodes deflate, and checks its checksums. libtiff decodes other compressions through Pillow,
from a small TIFF made around the parts; it never sees the file's own tags.
"""

from __future__ import annotations

import io
import math
import zlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ...errors import PictureError
from . import ifd
from .layout import (
    BLACK,
    BYTES,
    CCITT,
    CODED,
    DEFLATE,
    INKS,
    JPEG,
    LZW,
    NONE,
    OLD_JPEG,
    PACKBITS,
    RGB,
    UNASSOCIATED,
    WEBP,
    YCC,
    TIFFLayout,
)
from .libtiff import FAX, decode, fax_has_its_end, fax_is_whole, small_tiff

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.uint8 | np.uint16]

BATCH = 2**22
"""The largest size of samples that are decoded at once, in bytes."""
REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))
END_OF_JPEG = b"\xff\xd9"
OPTIONS = {3: (292,), 4: (293,)}
"""The tags for CCITT's compressions."""


class StripReader:
    """A picture's parts, block by block.

    Args:
        layout: of the picture.
        force_damaged: use the readable part of damaged ones.

        Attributes:
            damaged: the number of damaged parts.
            gone: the number of those with nothing left.
            doubtful: the number of parts that may be damaged, which cannot be determined.
            total: the number of parts.
    """

    def __init__(self, layout: TIFFLayout, force_damaged: bool = False) -> None:
        self.layout, self.force = layout, force_damaged
        self.damaged = self.gone = self.doubtful = 0
        self.total = layout.across * layout.down * len(layout.stored)
        self.tables = layout.directory.data(ifd.JPEG_TABLES) or b""
        self.reversed = layout.directory.number(ifd.FILL_ORDER, 1) == 2

    def blocks(self) -> Iterator[tuple[int, int, Samples]]:
        """Left, top, and stored samples H x W x C of each block, in the file's order.

        Raises:
            ValueError: a part is damaged.
        """
        layout = self.layout
        if layout.compression == OLD_JPEG:
            yield 0, 0, self._old_jpeg()
            return
        width, height = layout.size
        # A damaged file may claim a million parts, but state the places of few.
        places = min(layout.across * layout.down, len(layout.offsets))
        self.damaged = self.gone = (layout.across * layout.down - places) * len(layout.stored)
        per_part = layout.part[1] * max(1, sum(map(layout.line_bytes, layout.stored)))
        step = max(1, BATCH // per_part)
        for first in range(0, places, step):
            positions = range(first, min(first + step, places))
            planes = [self._read_parts(positions, channels) for channels in layout.stored]
            whole = planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)
            if layout.across == 1 and not layout.tiled:
                yield 0, first * layout.part[1], whole
                continue
            for at, position in enumerate(positions):
                top = position // layout.across * layout.part[1]
                left = position % layout.across * layout.part[0]
                begin = at * layout.part[1]
                block = whole[begin : begin + layout.rows(position)]
                yield left, top, block[: height - top, : width - left]

    def _read_parts(self, positions: range, channels: tuple[int, ...]) -> Samples:
        """The samples of parts in a column."""
        plane = channels[0] * self.layout.across * self.layout.down if self.layout.planar else 0
        rows = [self.layout.rows(each) for each in positions]
        data = [self._data(plane + each, channels, rows[at]) for at, each in enumerate(positions)]
        if self.layout.compression == NONE or self.layout.compression in DEFLATE:
            whole = data[0] if len(data) == 1 else np.concatenate(data)
            return self._samples(whole, rows, channels)
        try:
            return self._decode(data, rows, channels)
        except (OSError, ValueError, SyntaxError, RuntimeError):
            if not self.force:
                raise ValueError("a part of the picture is damaged") from None
        found = [
            self._salvage(part, count, channels) for part, count in zip(data, rows, strict=True)
        ]
        return np.concatenate(found)

    def _salvage(self, part: bytes, rows: int, channels: tuple[int, ...]) -> Samples:
        """The readable part of data that may be damaged."""
        # Missing bytes become 0, which has that meaning in LZW and PackBits.
        longer = part + bytes(rows * self.layout.line_bytes(channels))
        padded = self.layout.compression in (LZW, PACKBITS) and part
        for at, data in enumerate((part, longer) if padded else (part,)):
            try:
                found = self._decode([data], [rows], channels)
            except (OSError, ValueError, SyntaxError, RuntimeError):
                continue
            self.damaged += at
            return found
        self.damaged += 1
        self.gone += 1
        deep = np.uint16 if max(self.layout.bits) > 8 else np.uint8
        return np.zeros((rows, self.layout.part[0], len(channels)), deep)

    def _data(self, part: int, channels: tuple[int, ...], rows: int) -> Any:
        """A part's bytes: decoded if Python can do it; otherwise as stored, checked."""
        layout = self.layout
        lines = math.ceil(rows / layout.subsampling[1])
        need = lines * layout.line_bytes(channels)
        compression = layout.compression
        length = at = 0
        if part < len(layout.offsets):
            at, length = int(layout.offsets[part]), int(layout.counts[part])
        # Compressed data are never longer than this; a JPEG includes its tables.
        most = (
            need if compression == NONE else 2 * need + (2**16 if compression in CODED else 2**12)
        )
        wanted = min(length, most)
        if compression == NONE and self.force:
            wanted = need
        data = layout.directory.file.read(at, wanted) if at else b""
        cut = len(data) < wanted
        if self.reversed and compression not in (JPEG, WEBP):
            data = data.translate(REVERSED)
        if compression in DEFLATE:
            data = self._inflate(data, need, layout.part[1] * layout.line_bytes(channels), cut)
        if compression == NONE or compression in DEFLATE:
            if len(data) < need:
                self._damage(bool(data))
                data = data.ljust(need, b"\0")
            return np.frombuffer(data, np.uint8, need)
        if compression == JPEG:
            cut = not data[-4096:].rstrip(b"\0").endswith(END_OF_JPEG)
        if cut and compression not in BYTES:  # for the others libtiff detects it
            self._damage(True)
        if cut and compression == JPEG and self.force:
            data += END_OF_JPEG
        return data

    def _damage(self, left: bool) -> None:
        """Count a damaged part, or refuse it; ``left``: whether some of it is readable."""
        if not self.force:
            raise ValueError("a part of the picture is missing, or ends too early")
        self.damaged += 1
        self.gone += not left

    def _inflate(self, data: bytes, need: int, full: int, cut: bool) -> bytes:
        unpacker = zlib.decompressobj()
        out = b""
        try:
            out = unpacker.decompress(data, max(need, full) + 1)
        except zlib.error as error:
            if not self.force:
                raise ValueError(f"a part of the picture is damaged: {error}") from None
            out = _inflate_damaged(data, need)
            cut = True
        if cut and not unpacker.eof and len(out) >= need:
            self._damage(True)  # a shorter part counts as damaged
        return out

    def _decode(self, data: list[bytes], rows: list[int], channels: tuple[int, ...]) -> Samples:
        """The samples of parts that only libtiff or a codec can decode.

        Raises:
            OSError, ValueError, SyntaxError, RuntimeError: they are damaged.
        """
        layout = self.layout
        if layout.compression == WEBP:
            return np.concatenate([self._webp(*each) for each in zip(data, rows, strict=True)])
        if layout.compression in BYTES:
            lines = [math.ceil(each / layout.subsampling[1]) for each in rows]
            line = layout.line_bytes(channels)
            small = small_tiff(data, line, lines, {ifd.COMPRESSION: layout.compression})
            return self._samples(decode(small).reshape(-1), rows, channels)
        fields: dict[int, Any] = {ifd.COMPRESSION: layout.compression}
        if layout.compression in CCITT:
            fields |= {ifd.BITS: 1, ifd.PHOTOMETRIC: BLACK}
            options = {
                tag: layout.directory.number(tag) for tag in OPTIONS.get(layout.compression, ())
            }
            found = decode(small_tiff(data, layout.part[0], rows, fields | options))
            self._check_fax(data, found, rows, options)
            return found
        count = len(channels)
        photometric = {1: BLACK, 2: BLACK}.get(count, RGB)
        if count >= 3 and layout.photometric in (YCC, INKS):
            photometric = layout.photometric
        fields |= {ifd.BITS: (8,) * count, ifd.PHOTOMETRIC: photometric, ifd.SAMPLES: count}
        if count == 2 or (count == 4 and photometric != INKS):
            fields[ifd.EXTRA] = UNASSOCIATED
        if photometric == YCC:
            fields |= {530: layout.subsampling}
        small = small_tiff(data, layout.part[0], rows, fields, self.tables)
        found = decode(small)
        if found.shape[2] != count:
            raise ValueError(f"{found.shape[2]} channels instead of {count}")
        return found

    def _check_fax(
        self, data: list[bytes], found: Samples, rows: list[int], options: dict[int, int]
    ) -> None:
        """Refuse CCITT data that end too early; count those that may be damaged."""
        compression = self.layout.compression
        top = 0
        for part, count in zip(data, rows, strict=True):
            bits = found[top : top + count, :, 0]
            top += count
            if compression not in FAX or fax_is_whole(part, bits, compression, options):
                continue
            if compression == 4 and not fax_has_its_end(part) and not self.force:
                raise ValueError("a part of the picture ends too early")
            self.doubtful += 1

    def _webp(self, data: bytes, rows: int) -> Samples:
        with Image.open(io.BytesIO(data), formats=("WEBP",)) as image:
            if image.size != (self.layout.part[0], rows):
                raise ValueError("a part of the picture has another size")
            mode = {3: "RGB", 4: "RGBA"}.get(self.layout.samples)
            if mode is None:
                raise ValueError("a WebP of other channels")
            return np.asarray(image.convert(mode))

    def _samples(self, data: Any, rows: list[int], channels: tuple[int, ...]) -> Samples:
        """Samples H x W x C from the bytes of parts in a column."""
        layout = self.layout
        width, count = layout.part[0], len(channels)
        line = layout.line_bytes(channels)
        lines: NDArray[np.uint8] = np.asarray(data, np.uint8).reshape(-1, line)
        if layout.subsampling != (1, 1):
            return self._upsample_colours(lines, rows)
        bits = [layout.bits[each] for each in channels]
        if set(bits) == {8}:
            found: Samples = lines.reshape(-1, width, count)
        elif set(bits) == {16} or layout.padded:
            order = layout.directory.file.order
            wide: NDArray[Any] = lines.view(f"{order}u2").reshape(-1, width, count)
            found = wide.astype(np.uint16)
        else:
            return _unpack_bits(lines, width, bits)
        if layout.predictor == 2:
            found = np.add.accumulate(found, axis=1, dtype=found.dtype)
        return found

    def _upsample_colours(self, lines: NDArray[np.uint8], rows: list[int]) -> Samples:
        """YCbCr whose colours are stored once for several pixels."""
        across, down = self.layout.subsampling
        each = across * down
        units = lines.reshape(len(lines), -1, each + 2)
        high, wide = len(units), units.shape[1]
        light = units[:, :, :each].reshape(high, wide, down, across)
        out = np.empty((high, down, wide, across, 3), np.uint8)
        out[..., 0] = light.transpose(0, 2, 1, 3)
        out[..., 1] = units[:, None, :, None, each]
        out[..., 2] = units[:, None, :, None, each + 1]
        whole = out.reshape(high * down, wide * across, 3)[:, : self.layout.part[0]]
        if all(count % down == 0 for count in rows):
            return whole
        parts: list[Samples] = []
        top = 0
        for count in rows:
            parts.append(whole[top : top + count])
            top += math.ceil(count / down) * down
        return np.concatenate(parts)

    def _old_jpeg(self) -> Samples:
        """The whole picture of a TIFF 6.0 JPEG, if it is one JPEG file."""
        directory = self.layout.directory
        at, length = directory.number(513), directory.number(514)
        data = directory.file.read(at, length or directory.file.length)
        if not data.startswith(b"\xff\xd8"):
            raise PictureError(
                "its compression (JPEG as of 1992) is not read",
                "Save it again with another program",
            )
        if END_OF_JPEG not in data[-(2**16) :]:
            self._damage(True)
            data += END_OF_JPEG
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            if image.size != self.layout.size:
                raise ValueError("its JPEG has another size than the picture")
            mode = "L" if self.layout.samples == 1 else "RGB"
            return np.atleast_3d(np.asarray(image.convert(mode)))


def _inflate_damaged(data: bytes, need: int) -> bytes:
    """The part of damaged data that can be inflated."""
    unpacker = zlib.decompressobj()
    out: list[bytes] = []
    size = 0
    try:
        for at in range(0, len(data), 256):
            if size >= need or unpacker.eof:
                break
            out.append(unpacker.decompress(data[at : at + 256], need - size))
            size += len(out[-1])
    except zlib.error:
        pass
    return b"".join(out)


def _unpack_bits(lines: NDArray[np.uint8], width: int, bits: Sequence[int]) -> Samples:
    """Samples from bits, the most significant first; each row begins at a byte."""
    per = sum(bits)
    dtype = np.uint16 if max(bits) > 8 else np.uint8
    out: Samples = np.zeros((len(lines), width, len(bits)), dtype)
    step = max(1, 2**22 // (width * per))
    for top in range(0, len(lines), step):  # bits take eight times the memory
        band = np.unpackbits(lines[top : top + step], axis=1, count=width * per)
        band = band.reshape(len(band), width, per)
        begin = 0
        for channel, count in enumerate(bits):
            into = out[top : top + step, :, channel]
            for at in range(begin, begin + count):
                into <<= dtype(1)
                into |= band[:, :, at]
            begin += count
    return out
