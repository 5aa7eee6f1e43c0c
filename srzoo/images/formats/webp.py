"""WebP."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from ...errors import PictureError
from .. import decoding, layers, metadata
from ..format import DAMAGED, FIX, Memory, ReadRequest
from ..picture import Picture
from ..pillow import ANIMATED, FileMetadata, PillowFormat, save_with_pillow, without_pillow_limits

if TYPE_CHECKING:
    from numpy.typing import NDArray

QUALITY = 90
PIXELS = (b"VP8 ", b"VP8L", b"ALPH", b"ANMF")
LARGEST = 2**25
"""The largest size of a metadata chunk in bytes."""
PADDING = 2**24
"""The most bytes by which a cut-off chunk is completed."""
FILLS = (0, 0x55)
"""The two fill values: rows that are equal with both are intact."""


@dataclass
class WebPChunks:
    """The contents of a WebP file: the first chunk of each kind, and the places of pixels."""

    metadata: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    places: list[tuple[bytes, int, int]] = field(default_factory=list[tuple[bytes, int, int]])
    codecs: set[bytes] = field(default_factory=set[bytes])
    cut: bool = False
    notes: list[str] = field(default_factory=list[str])


class WebP(PillowFormat):
    """WebP: 8 bits, lossy or lossless; no gray."""

    key = "webp"
    name = "WEBP"
    pillow = "WEBP"
    suffixes = (".webp",)
    writes = True
    max_side = 16_383
    gray = False
    quality = QUALITY
    dpi_in_exif = True
    memory = Memory((6.1, 10.8), lossless=(14.1, 10.8), decoder=7.1)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it is a RIFF file of WebP."""
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def open_image(self, file: BinaryIO, request: ReadRequest) -> Image.Image:
        """The opened file; completed if its end is missing without harm, or with force."""
        chunks = read_chunks(file)
        file.seek(0)
        if chunks.cut and (request.force_damaged or not _is_truncated(file, chunks)):
            file = io.BytesIO(_complete(file, chunks, FILLS[0]))
        try:
            image = super().open_image(file, request)
        except DAMAGED as error:
            raise PictureError(f"its pixels are damaged ({error})", FIX) from error
        if request.page and 1 < request.page <= self.frame_count(
            image
        ):  # the frames before it are decoded
            layers.check_total(request.page * image.width * image.height, request.max_pixels)
        return image

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The metadata in the chunks."""
        chunks = read_chunks(file)
        found = FileMetadata({"icc_profile": chunks.metadata.get(b"ICCP")}, lost=chunks.notes)
        try:
            exif = Image.Exif()
            if data := chunks.metadata.get(b"EXIF"):
                found.info["exif"] = b"Exif\0\0" + data.removeprefix(b"Exif\0\0")
                exif.load(found.info["exif"])
            found.exif = exif
        except DAMAGED as error:
            found.lost.append(f"the EXIF data is damaged and was dropped ({error})")
        found.xmp = chunks.metadata.get(b"XMP ")
        found.orientation = metadata.orientation(found.exif, found.xmp)
        return found

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode a picture or a frame, as a viewer displays it."""
        with without_pillow_limits():
            chunks = read_chunks(file)
            image, pages = self._select_frame(file, request)
            found = self.read_metadata(file, image)
            pixels, alpha = _load(image)
            if chunks.cut and request.force_damaged and _is_truncated(file, chunks):
                other = io.BytesIO(_complete(file, chunks, FILLS[1]))
                second = layers.join_alpha(*_load(self._select_frame(other, request)[0]))
                pixels, alpha = _sound_rows(pixels, alpha, second, found.lost)
            if pages > 1:
                found.lost.append(ANIMATED.format(request.page, pages))
            if b"VP8L" not in chunks.codecs:
                pixels = _neutral(pixels)
            picture = self.picture(found, pixels, alpha, found.info["icc_profile"])
            return replace(picture, lossless=chunks.codecs == {b"VP8L"})

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode by Pillow; lossless if the input was lossless and no quality is requested."""
        options: dict[str, Any] = {"quality": quality or QUALITY, "exact": True}
        if picture.lossless and quality is None:
            options |= {"lossless": True, "quality": 50}  # here quality means effort
        save_with_pillow(picture, file, "WEBP", options)


def read_chunks(file: BinaryIO) -> WebPChunks:
    """The chunks of a file, in one pass."""
    end = file.seek(0, 2)
    file.seek(4)
    stated = 8 + int.from_bytes(file.read(4), "little")
    chunks = WebPChunks(cut=stated > end + 1)
    end = min(end, stated)
    at = 12
    while at + 8 <= end:
        file.seek(at)
        name, length = struct.unpack("<4sI", file.read(8))
        at += 8
        if name in PIXELS:
            chunks.places.append((name, at, length))
            # A frame: 16 bytes of its own header, then ALPH or its pixels.
            inside = file.read(16 + 4)[16:] if name == b"ANMF" else name
            chunks.codecs.add(inside)
        elif at + length > end:
            chunks.notes.append("the file's end is missing or damaged")
        elif length > LARGEST:
            chunks.notes.append(f"the {name.decode('latin-1').strip()} chunk is too large: dropped")
        elif name in (b"VP8X", b"ANIM", b"ICCP", b"EXIF", b"XMP "):
            chunks.metadata.setdefault(name, file.read(length))
        at += length + length % 2
    return chunks


def _is_truncated(file: BinaryIO, chunks: WebPChunks) -> bool:
    """Whether some pixels are missing."""
    end = file.seek(0, 2)
    return not chunks.places or any(at + length > end for _, at, length in chunks.places)


def _complete(file: BinaryIO, chunks: WebPChunks, fill: int) -> bytes:
    """The file with missing pixels filled with ``fill``, and without metadata.

    Of an animation, only the complete frames.
    """
    body = b"WEBP"
    for name in (b"VP8X", b"ANIM"):
        if data := chunks.metadata.get(name):
            if name == b"VP8X":
                data = bytes([data[0] & 0b10010]) + data[1:]  # alpha and animation only
            body += name + struct.pack("<I", len(data)) + data
    for name, at, length in chunks.places:
        file.seek(at)
        data = file.read(length)
        if len(data) < length:
            if name == b"ANMF":
                continue
            # The filled data may be longer than the original.
            data = data.ljust(min(2 * length, len(data) + PADDING) + 2**18, bytes([fill]))
        body += name + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _load(image: Image.Image) -> tuple[NDArray[Any], NDArray[Any] | None]:
    try:
        image.load()
    except DAMAGED as error:
        raise PictureError(f"its pixels are damaged ({error})", FIX) from error
    pixels, alpha, _ = decoding.decode_with_pillow(image, None, [])
    return pixels, alpha


def _neutral(pixels: NDArray[Any]) -> NDArray[Any]:
    """The pixels; if all are gray, without the level of green that libwebp rounds away."""
    if pixels.ndim == 2:
        return pixels
    red, green, blue = (pixels[:, :, at] for at in range(3))
    if not np.array_equal(red, blue) or ((red - green) > 1).any():  # negative values wrap
        return pixels
    return np.repeat(red[:, :, None], 3, axis=2)


def _sound_rows(
    pixels: NDArray[Any], alpha: NDArray[Any] | None, second: NDArray[Any], lost: list[str]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The rows that do not depend on filled data; the last of them is repeated below."""
    first = layers.join_alpha(pixels, alpha)
    same = (first == second).all(axis=(1, 2))
    sound = len(same) if same.all() else int(same.argmin())
    if not sound:
        raise PictureError("nothing of its pixels can be read (cut off)", "Restore the file")
    lost.append(f"the file is damaged (cut off): {sound} of {len(same)} rows are intact")
    pixels[sound:] = pixels[sound - 1]
    if alpha is not None:
        alpha[sound:] = alpha[sound - 1]
    return pixels, alpha
