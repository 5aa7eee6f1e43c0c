"""What a picture is, and the formats that files come in."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import PictureError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8 | np.uint16]

MAX_PIXELS = 500_000_000
"""Larger pictures are refused before they are decoded (decompression bombs)."""
PHOTO = "pip install 'srzoo[photo]'"
"""What mends it where Pillow cannot: 16 bits a channel in colour."""
STRIP = 2**20
"""Values that are computed with at a time."""
FINE = 90
"""JPEG, AVIF and HEIC quality from which colours are not halved in resolution."""
HEIC = "pip install 'srzoo[heic]'"


@dataclass(frozen=True)
class Format:
    """A file format that srzoo writes.

    Attributes:
        name: Pillow's name.
        suffixes: file name endings, the usual one first.
        max_side: the most pixels a side may have.
        alpha: whether it holds transparency.
        quality: the default of the quality setting, or None where there is none.
        bits: the most bits a channel may have.
    """

    name: str
    suffixes: tuple[str, ...]
    max_side: int
    alpha: bool = True
    quality: int | None = None
    bits: int = 8


FORMATS = {
    "jpg": Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), 65_500, alpha=False, quality=95),
    "png": Format("PNG", (".png",), 2**31 - 1, bits=16),
    "webp": Format("WEBP", (".webp",), 16_383, quality=90),
    "tiff": Format("TIFF", (".tif", ".tiff"), 2**31 - 1, bits=16),
    "avif": Format("AVIF", (".avif",), 65_535, quality=85, bits=12),
}
_HEIC = Format("HEIF", (".heic", ".heif", ".hif"), 16_384, quality=85)
if importlib.util.find_spec("pillow_heif"):
    FORMATS["heic"] = _HEIC
READABLE = frozenset(
    suffix for format in (*FORMATS.values(), _HEIC) for suffix in format.suffixes
) | {".bmp", ".gif"}  # fmt: skip


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: uint8 or uint16, H x W (gray) or H x W x 3 (RGB).
        alpha: H x W of the same type, or None; 0 is transparent, and never multiplied in.
        format: a key of ``FORMATS``: what it was read from, or the nearest we write.
        icc, exif, xmp, iptc, dpi: metadata to write again; ``exif`` begins with ``Exif``.
        texts: keyword and text, as PNG has them; a JPEG's comment is ``Comment``.
        lossless: whether it comes from a WebP file without loss.
        lost: what could not be kept, one sentence each.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    format: str = "png"
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    lost: tuple[str, ...] = field(default=())
    iptc: bytes | None = None
    texts: tuple[tuple[str, str], ...] = field(default=())
    lossless: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def channels(self) -> int:
        """1 (gray) to 4 (RGB and alpha)."""
        return (3 if self.pixels.ndim == 3 else 1) + (self.alpha is not None)

    def losing(self, what: str, **changes: Any) -> Picture:
        """The same with ``changes``, and one more sentence in ``lost``."""
        return replace(self, lost=(*self.lost, what), **changes)


def format_of(path: Path) -> str:
    """The format that a file name's ending asks for.

    Raises:
        PictureError: srzoo does not write such files.
    """
    suffix = path.suffix.lower()
    for key, format in FORMATS.items():
        if suffix in format.suffixes:
            return key
    if suffix in _HEIC.suffixes:
        raise PictureError(f"cannot write {path}: HEIC is not installed", f"Install it: {HEIC}")
    raise PictureError(
        f"cannot write {path}: {path.suffix or 'a name without ending'} is no format srzoo writes",
        did_you_mean(suffix, [s for f in FORMATS.values() for s in f.suffixes]),
    )


def called(file: Path | BinaryIO) -> str:
    """What messages call a file."""
    if isinstance(file, Path):
        return str(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "the picture"


def check_writable(path: Path | BinaryIO, size: tuple[int, int], format: str) -> None:
    """Refuse what cannot be written before any work is done for it.

    Raises:
        PictureError: the format cannot hold so many pixels.
    """
    if max(size) > FORMATS[format].max_side:
        raise PictureError(
            f"cannot write {called(path)}: {FORMATS[format].name} holds at most"
            f" {FORMATS[format].max_side} pixels a side, the result has {size[0]}x{size[1]}",
            "Choose --format png or tiff",
        )


def to_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """0..65535 to 0..255, rounded; 8 bits as they are."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    out = np.empty(pixels.shape, np.uint8)
    for rows in _strips(pixels):
        wide = pixels[rows].astype(np.uint32)
        wide *= 255
        wide += 32_767
        wide //= 65_535
        out[rows] = wide
    return out


def _strips(pixels: Pixels) -> Iterator[slice]:
    """Rows of a picture, some at a time, so that arithmetic needs little memory."""
    step = max(1, STRIP // max(1, pixels[:1].size))
    for top in range(0, len(pixels), step):
        yield slice(top, top + step)


def shallow(picture: Picture, why: str) -> Picture:
    """The same with 8 bits a channel, and ``why`` in ``lost``."""
    if picture.pixels.dtype == np.uint8:
        return picture
    alpha = None if picture.alpha is None else to_8_bits(picture.alpha)
    return picture.losing(why, pixels=to_8_bits(picture.pixels), alpha=alpha)


def rgb(picture: Picture) -> NDArray[np.uint8]:
    """The pixels as uint8 H x W x 3: gray is repeated, transparency laid on white."""
    flat = on_white(picture.pixels, picture.alpha)
    pixels = to_8_bits(flat)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.array(pixels) if pixels is picture.pixels else pixels


def on_white(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """The pixels laid on white, of the same shape and type."""
    white = np.iinfo(pixels.dtype).max
    if alpha is None or alpha.min() == white:
        return pixels
    # Sums go up to white * white and half of white, which just fits.
    wider = np.uint16 if pixels.dtype == np.uint8 else np.uint32
    out = np.empty_like(pixels)
    for rows in _strips(pixels):
        opacity = alpha[rows].astype(wider)
        if pixels.ndim == 3:
            opacity = opacity[:, :, None]
        laid = pixels[rows] * opacity
        laid += (white - opacity) * wider(white)
        laid += wider(white // 2)
        laid //= wider(white)
        out[rows] = laid
    return out


def stripped(picture: Picture) -> Picture:
    """Without EXIF, XMP, IPTC and texts; colours (ICC) and DPI stay."""
    return replace(picture, exif=None, xmp=None, iptc=None, texts=())
