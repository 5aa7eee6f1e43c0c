"""PNG beyond Pillow: colours from chunks, and writing 16 bits."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..profiles import PRIMARIES, gray_profile, matrix_profile

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..picture import Picture

SIGNATURE = b"\x89PNG\r\n\x1a\n"
SRGB_GAMMA = 0.45455
XMP_KEYWORD = "XML:com.adobe.xmp"
GRAY_ALPHA, ALPHA = 4, {4, 6}


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk with its length and its checksum."""
    check = struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))
    return b"".join((struct.pack(">I", len(data)), name, data, check))


def implied_profile(chunks: dict[bytes, bytes], gray: bool) -> tuple[bytes | None, str | None]:
    """The profile that gAMA and cHRM imply for a PNG without a profile; None for sRGB.

    Also a sentence on what could not be interpreted.
    """
    if b"sRGB" in chunks or len(chunks.get(b"gAMA", b"")) != 4:
        return None, None
    gamma = struct.unpack(">I", chunks[b"gAMA"])[0] / 100_000
    chroma = struct.unpack(">8I", chunks[b"cHRM"]) if len(chunks.get(b"cHRM", b"")) == 32 else ()
    xy = [(chroma[at] / 100_000, chroma[at + 1] / 100_000) for at in range(0, len(chroma), 2)]
    plain = [(0.3127, 0.3290), *PRIMARIES[1]]
    usual = not xy or gray or bool(np.allclose(xy, plain, atol=0.001))
    if not 0.05 <= gamma <= 5 or (usual and abs(gamma - SRGB_GAMMA) < 0.005):
        return None, None
    name = f"PNG gamma {gamma:.5g}"
    if gray:
        return gray_profile(name, 1 / gamma), None
    white, red, green, blue = plain if usual else xy
    if min(y for _, y in (white, red, green, blue)) <= 0:
        return None, "the PNG's chromaticities make no sense and were not used"
    return matrix_profile(name, (red, green, blue), white, (1 / gamma,)), None


def write_16_bits(picture: Picture, file: BinaryIO, level: int = 3) -> None:
    """Write a picture of 16 bits a channel, which Pillow cannot."""
    pixels = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[:, :, None]
    channels = pixels.shape[2] + (picture.alpha is not None)
    kind = {1: 0, 2: GRAY_ALPHA, 3: 2, 4: 6}[channels]
    width, height = picture.size
    file.write(SIGNATURE)
    file.write(chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, kind, 0, 0, 0)))
    if picture.cicp:
        file.write(chunk(b"cICP", bytes(picture.cicp)))
    if picture.icc:
        file.write(chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(picture.icc)))
    if picture.dpi:
        x, y = (round(value / 0.0254) for value in picture.dpi)
        file.write(chunk(b"pHYs", struct.pack(">IIB", x, y, 1)))
    if picture.exif:
        file.write(chunk(b"eXIf", picture.exif.removeprefix(b"Exif\0\0")))
    if picture.xmp:
        file.write(chunk(b"iTXt", XMP_KEYWORD.encode() + bytes(5) + picture.xmp))
    for keyword, text in picture.texts:
        file.write(chunk(b"iTXt", keyword.encode("latin-1") + bytes(5) + text.encode()))
    packer = zlib.compressobj(level)
    for rows in _rows(pixels, picture.alpha):
        if data := packer.compress(_filter(rows)):
            file.write(chunk(b"IDAT", data))
    file.write(chunk(b"IDAT", packer.flush()))
    file.write(chunk(b"IEND", b""))


def _rows(pixels: NDArray[Any], alpha: NDArray[Any] | None) -> Iterator[NDArray[np.uint8]]:
    """Bands of rows as bytes, n x (W * C * 2), with the row above each band in front."""
    height, width = pixels.shape[:2]
    step = max(1, 2**21 // width)
    for top in range(0, height, step):
        first = max(0, top - 1)
        band = pixels[first : top + step]
        if alpha is not None:
            band = np.concatenate([band, alpha[first : top + step, :, None]], axis=2)
        data = np.frombuffer(band.astype(">u2").tobytes(), np.uint8).reshape(len(band), -1)
        yield data if top else np.concatenate([np.zeros_like(data[:1]), data])


def _filter(rows: NDArray[np.uint8]) -> bytes:
    """All rows but the first, each minus the one above (filter 2)."""
    out = np.full((len(rows) - 1, rows.shape[1] + 1), 2, np.uint8)
    out[:, 1:] = rows[1:] - rows[:-1]
    return out.tobytes()
