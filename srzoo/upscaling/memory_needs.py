"""The memory for upscaling a picture, in addition to its tiles.

Memory contains the process as it is, the picture, and the result, or one strip of a streamed
result. While a picture is read, the decoder's copies are added; while it is written, when the
tiles are gone, the encoder's copies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..images import FORMATS, decoding, vips
from ..images.format import Memory
from ..images.formats import named
from . import sizing

if TYPE_CHECKING:
    from .sizing import Route

UNKNOWN = Memory(thrifty=True)
"""Decoder and encoder memory of a format that is not known yet."""
THRIFTY = 130_000_000
"""Bytes that pyvips needs instead; it decodes large pictures if it is installed."""
WRITER_ROWS = 1000
"""Rows of the result that a streaming writer holds, including copies."""
FILL = 110
"""Bytes for each LR pixel of a tile while colour is extended under transparency."""
ROWS_FILLED = 112
"""Rows per step of that, with those around, if the picture is not cut into tiles."""


@dataclass(frozen=True)
class PassNeeds:
    """The memory that one pass over a picture needs.

    Attributes:
        size: (width, height) of the input.
        scale: the factor.
        channels: of the picture, 1 to 4, its alpha counted.
        itemsize: bytes of one value.
        loaded: whether the picture is already in memory, and counted with the process.
        result_bytes: of the part of the result that is in memory while it is made.
        strips: copies of a strip, full width and one tile high, in addition to the result.
        row_bytes: of the rows that a resize and a writer hold.
        decoder_bytes: of the decoder's copies, which are freed before the first tile.
        encoder_bytes: of the encoder's copies, which are made after the last tile.
        reserved: bytes for other work in this process.
        mixed: whether each tile is mixed with an interpolated tile.
    """

    size: tuple[int, int]
    scale: int
    channels: int = 3
    itemsize: int = 1
    loaded: bool = False
    result_bytes: int = 0
    strips: int = 0
    row_bytes: int = 0
    decoder_bytes: int = 0
    encoder_bytes: int = 0
    reserved: int = 0
    mixed: bool = False

    @property
    def constant_bytes(self) -> int:
        """Bytes in use during the whole pass, in addition to the process as it is now."""
        return (
            self.reserved
            + self.result_bytes
            + self.row_bytes
            + (0 if self.loaded else self._picture_bytes)
        )

    @property
    def _picture_bytes(self) -> int:
        return self.size[0] * self.size[1] * self.channels * self.itemsize

    def strip_row(self) -> int:
        """Bytes that the strips take for each LR row of a tile."""
        return self.strips * self.size[0] * self.scale**2 * self.channels * self.itemsize


@dataclass(frozen=True)
class PictureNeeds:
    """The facts that determine how much memory a picture needs.

    Attributes:
        route: from its size to the result's.
        itemsize: bytes of a value.
        channels: 1 to 4, alpha counted.
        streamed: whether the result is written strip by strip as it is made.
        loaded: whether the picture is in memory already.
        format: the key in ``images.FORMATS`` of the output, if known. If the picture is loaded and
            this is None, nothing is written.
        lossless: whether it is written without loss, if the format supports both.
        reserved: bytes for other work in this process.
        mixed: whether each tile is mixed with an interpolated tile.
        input_format: the key of the input's format, if known.
    """

    route: Route
    itemsize: int = 1
    channels: int = 3
    streamed: bool = False
    loaded: bool = False
    format: str | None = None
    reserved: int = 0
    mixed: bool = False
    input_format: str | None = None
    lossless: bool = False

    @property
    def bytes(self) -> int:
        """Bytes of the picture and its result, and in decoder and encoder."""
        picture = math.prod(self.route.source) * self.channels * self.itemsize
        return picture + self.result_bytes + self._decoder() + self._encoder()

    @property
    def result_bytes(self) -> int:
        """Bytes of the result as it is in memory; files are smaller."""
        return math.prod(self.route.size) * self.channels * self.itemsize

    def _decoder(self) -> int:
        return decoder_bytes(self.route.source, self.channels * self.itemsize, self.input_format)

    def _encoder(self) -> int:
        return encoder_bytes(
            self.route.size, self.channels, self.itemsize, self.format, lossless=self.lossless
        )

    @property
    def passes(self) -> list[PassNeeds]:
        """The needs of each pass; one item if the route has no pass."""
        route, channels, itemsize = self.route, self.channels, self.itemsize
        value = channels * itemsize
        first = route.source[0] * route.source[1] * value
        needs: list[PassNeeds] = []
        size, scales = route.source, route.passes or (1,)
        for number, scale in enumerate(scales):
            last = number == len(scales) - 1
            width, height = route.size if last else (size[0] * scale, size[1] * scale)
            # An unchanged picture is its own result.
            none = self.streamed or not (route.passes or route.resized)
            made = 0 if last and none else width * height
            writes = last and not self.streamed and (self.format is not None or not self.loaded)
            # One copy of a strip, and one more with alpha, unless tiles go directly into the
            # result.
            in_strips = last and (self.streamed or route.resized)
            needs.append(
                PassNeeds(
                    size,
                    scale,
                    channels,
                    itemsize,
                    loaded=self.loaded and number == 0,
                    result_bytes=made * value + (0 if self.loaded or number == 0 else first),
                    strips=(1 + (channels in (2, 4))) * in_strips,
                    row_bytes=_row_bytes(route, channels, itemsize, self.streamed) if last else 0,
                    decoder_bytes=0 if self.loaded or number else self._decoder(),
                    encoder_bytes=self._encoder() if writes else 0,
                    reserved=self.reserved,
                    mixed=self.mixed,
                )
            )
            size = width, height
        return needs


def _row_bytes(route: Route, channels: int, itemsize: int, streamed: bool) -> int:
    """Bytes of rows that a resize and a writer hold."""
    needs = 0
    if streamed:
        needs += WRITER_ROWS * route.size[0] * channels * itemsize
    if route.resized:
        rows = sizing.rows_held(route.model_size, route.size)
        needs += rows * route.model_size[0] * (2 * channels * itemsize + 8)
        if not route.passes and channels in (2, 4):  # the picture is not cut into tiles
            needs += ROWS_FILLED * route.source[0] * FILL
    return needs


def encoder_bytes(
    size: tuple[int, int],
    channels: int,
    itemsize: int,
    format: str | None,
    *,
    lossless: bool = False,
) -> int:
    """Bytes of an encoder's copies of a result; gray counts as colour.

    Args:
        size: (width, height) of the result.
        channels: 1 to 4, alpha counted.
        itemsize: bytes of one value.
        format: a key of ``images.FORMATS``; None if not known yet.
        lossless: whether it is written without loss, if the format supports both.
    """
    clear = channels in (2, 4)
    takes = FORMATS[format].memory if format else UNKNOWN
    copies = (lossless and takes.lossless) or takes.encoder
    return int(copies[clear] * size[0] * size[1] * (3 + clear) * itemsize)


def decoder_bytes(size: tuple[int, int], value: int, format: str | None) -> int:
    """Bytes of a decoder's copies of a picture.

    Args:
        size: (width, height).
        value: bytes of a pixel.
        format: the key of any format; None if not known.
    """
    pixels, takes = size[0] * size[1], named(format).memory if format else UNKNOWN
    if pixels >= decoding.LARGE and takes.thrifty and vips.library() is not None:
        return THRIFTY
    return int(takes.decoder * pixels * value)
