"""The decoded picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from . import profiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels = NDArray[np.uint8 | np.uint16]

PHOTO = "pip install 'srzoo[photo]'"
"""The fix if Pillow is not enough: 16 bits per channel in colour."""
STRIP = 2**20
"""Values per step of a computation."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: uint8 or uint16, H x W (gray) or H x W x 3 (RGB).
        alpha: H x W of the same type, or None; 0 is transparent; colours are not multiplied by it.
        format: a key of ``FORMATS``: the one it was read from, or the nearest that srzoo writes.
        icc, exif, xmp, iptc, dpi: metadata to write again; ``exif`` begins with ``Exif``.
        texts: keyword and text, as in PNG; a JPEG's comment is ``Comment``.
        lossless: whether it comes from a lossless WebP or JPEG XL file.
        cicp: colour primaries, transfer, matrix and range (ITU-T H.273), if the file states
            them; they have priority over ``icc``.
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
    cicp: tuple[int, int, int, int] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    @property
    def profile(self) -> bytes | None:
        """The ICC profile of its colours; made from ``cicp`` if that is set."""
        if self.cicp is None:
            return self.icc
        gray = self.pixels.ndim == 2
        profile = profiles.from_cicp(self.cicp, gray)
        return profile or (None if profiles.is_like_srgb(self.cicp, gray) else self.icc)

    @property
    def channels(self) -> int:
        """1 (gray) to 4 (RGB and alpha)."""
        return (3 if self.pixels.ndim == 3 else 1) + (self.alpha is not None)

    def with_loss(self, what: str, **changes: Any) -> Picture:
        """The same with ``changes``, and another sentence in ``lost``."""
        return replace(self, lost=(*self.lost, what), **changes)


def display_name(file: Path | BinaryIO) -> str:
    """The name of a file in messages."""
    if isinstance(file, Path):
        return str(file)
    name = getattr(file, "name", None)
    return name if isinstance(name, str) else "the picture"


def to_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """0..65535 to 0..255, rounded; 8 bits unchanged."""
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
    """Slices of a picture's rows, so that arithmetic needs little memory."""
    step = max(1, STRIP // max(1, pixels[:1].size))
    for top in range(0, len(pixels), step):
        yield slice(top, top + step)


def reduce_to_8_bits(picture: Picture, why: str) -> Picture:
    """The same with 8 bits a channel, and ``why`` in ``lost``."""
    if picture.pixels.dtype == np.uint8:
        return picture
    alpha = None if picture.alpha is None else to_8_bits(picture.alpha)
    return picture.with_loss(why, pixels=to_8_bits(picture.pixels), alpha=alpha)


def rgb(picture: Picture) -> NDArray[np.uint8]:
    """The pixels as uint8 H x W x 3: gray as R = G = B, transparency on white."""
    flat = on_white(picture.pixels, picture.alpha)
    pixels = to_8_bits(flat)
    if pixels.ndim == 2:
        return np.repeat(pixels[:, :, None], 3, axis=2)
    return np.array(pixels) if pixels is picture.pixels else pixels


def on_white(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """The pixels blended over white, in the same shape and type."""
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


def strip_metadata(picture: Picture) -> Picture:
    """The picture without EXIF, XMP, IPTC and texts; ICC profile and DPI are kept."""
    return replace(picture, exif=None, xmp=None, iptc=None, texts=())


def gray_to_rgb(picture: Picture, why: str) -> Picture:
    """Gray as RGB; with a gray profile, converted to sRGB."""
    pixels, icc = picture.pixels, None if picture.cicp else picture.icc
    if icc and profiles.colour_space(icc) == "GRAY":
        picture = reduce_to_8_bits(
            picture, "16 bits a channel became 8: the gray profile was applied"
        )
        converted = profiles.to_srgb(Image.fromarray(picture.pixels), icc)
        if converted:
            return picture.with_loss(why, pixels=np.asarray(converted), icc=None)
        icc = None
    return picture.with_loss(why, pixels=np.repeat(pixels[:, :, None], 3, axis=2), icc=icc)
