"""The base class of picture formats, which are in ``formats/``.

A format's class contains everything specific to it: its signature, its header, reading and
writing, its limits, and its memory needs. To add a format, add a module to ``formats/``; no other
code names a format.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, ClassVar

import numpy as np

from ..errors import PictureError
from . import metadata, profiles
from .picture import Picture, display_name, gray_to_rgb, on_white, reduce_to_8_bits

MAX_PIXELS = 500_000_000
"""The default limit for pixels; larger pictures are refused before decoding."""
HEAD_BYTES = 4096
"""Bytes of a file that identify its format."""
DEEP = 90
"""Quality from which JPEG, AVIF and HEIC keep the full resolution of colours."""
TOO_LARGE = "Give max_pixels={} if you trust it"
FIX = "Restore the file, or give force_damaged=True"
"""The fix for damaged pixels."""

DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    struct.error,
)
"""Errors of decoders for damage, of nearly every type."""


@dataclass(frozen=True)
class ReadRequest:
    """A request to read a file.

    Attributes:
        max_pixels: larger pictures are refused before they are decoded.
        page: the page or frame, from 1; None if there is only one.
        force_damaged: use the readable part of a damaged file.
    """

    max_pixels: int = MAX_PIXELS
    page: int | None = None
    force_damaged: bool = False


@dataclass(frozen=True)
class Header:
    """The facts of a file that are known before its pixels are decoded.

    Attributes:
        size: (width, height) after reading, upright.
        bits: per channel after reading: 8 or 16.
        channels: 1 (gray) to 4 (RGB and alpha) after reading.
        pages: pictures of equal standing: pages, or frames.
    """

    size: tuple[int, int]
    bits: int = 8
    channels: int = 3
    pages: int = 1


@dataclass(frozen=True)
class Memory:
    """The memory of a format's programs, measured by tests/bench/memory.py.

    Attributes:
        encoder: copies of the result in addition to it while it is encoded, without and
            with alpha; gray counts as colour.
        lossless: the same for lossless encoding, if different.
        decoder: copies of the decoded picture in addition to it while it is decoded.
        thrifty: whether pyvips, if installed, decodes large files in little memory.
    """

    encoder: tuple[float, float] = (2.4, 2.4)
    lossless: tuple[float, float] | None = None
    decoder: float = 3.4
    thrifty: bool = False


class Format:
    """A picture format. Class attributes state its facts; subclasses override what differs.

    Attributes:
        key: its name in srzoo, as in ``--format``.
        name: its usual name.
        suffixes: file name suffixes, the usual one first.
        writes: whether srzoo writes it.
        successor: the key of the format for results if srzoo does not write this one.
        max_side: the largest side in pixels when written.
        bits: the most bits per channel when written.
        alpha: whether it supports transparency.
        gray: whether it supports gray.
        cicp: whether it stores colours as numbers (ITU-T H.273).
        quality: the default quality, or None without such a setting.
        dpi_in_exif: whether only EXIF can contain DPI.
        iptc: whether it supports IPTC records.
        unit: the name of one of several pictures in a file: page or frame.
        memory: of its programs.
        install: the command that installs what is missing, or None.
    """

    key: ClassVar[str] = ""
    name: ClassVar[str] = ""
    suffixes: ClassVar[tuple[str, ...]] = ()
    writes: ClassVar[bool] = False
    successor: ClassVar[str] = "png"
    max_side: ClassVar[int] = 2**31 - 1
    bits: ClassVar[int] = 8
    alpha: ClassVar[bool] = True
    gray: ClassVar[bool] = True
    cicp: ClassVar[bool] = False
    quality: ClassVar[int | None] = None
    dpi_in_exif: ClassVar[bool] = False
    iptc: ClassVar[bool] = False
    unit: ClassVar[str] = "frame"
    memory: ClassVar[Memory] = Memory()

    @property
    def install(self) -> str | None:
        """The command that installs a missing package for this format, or None."""
        return None

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether a file is of this format.

        Args:
            head: its first bytes, at most ``HEAD_BYTES``.
            suffix: of its name, in lower case; "" if there is none.
        """
        raise NotImplementedError

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """The facts of a file before it is decoded.

        Raises:
            PictureError: it cannot be read: several pages and none chosen, too large, ...
            Exception: one of ``DAMAGED`` if it is damaged.
        """
        raise NotImplementedError

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode a file; raises like :meth:`header`."""
        raise NotImplementedError

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode a picture that :meth:`fit` has adapted.

        Args:
            picture: what to write.
            file: writable, positioned at its start, seekable, without a descriptor.
            quality: 1 to 100; None for the format's own.
        """
        raise NotImplementedError

    def writable_texts(self, picture: Picture) -> tuple[tuple[str, str], ...]:
        """The texts of a picture that the format supports."""
        return ()

    def fit_depth(self, picture: Picture) -> Picture:
        """A picture of 16 bits, adapted to the format."""
        if self.bits == 16:
            return picture
        return reduce_to_8_bits(picture, f"16 bits a channel became 8: {self.name} holds no more")

    def fit_colours(self, picture: Picture, cicp: tuple[int, int, int, int]) -> Picture:
        """A picture with CICP colours, adapted to the format."""
        if self.cicp:
            return picture
        fit = replace(picture, cicp=None, icc=picture.profile)
        if hdr := profiles.HDR.get(cicp[1]):
            lost = f"HDR colours ({hdr}) became a colour profile, which few programs show as HDR"
            return fit.with_loss(lost)
        if fit.icc is None and not profiles.is_like_srgb(cicp, picture.pixels.ndim == 2):
            return fit.with_loss(
                f"colours by CICP {cicp[0]}/{cicp[1]} are not known: treated as sRGB"
            )
        return fit

    def fit(self, picture: Picture) -> Picture:
        """The picture, adapted to the format; ``lost`` lists what the format does not support."""
        if picture.pixels.dtype == np.uint16:
            picture = self.fit_depth(picture)
        if picture.alpha is not None and not self.alpha:
            pixels = on_white(picture.pixels, picture.alpha)
            lost = f"{self.name} has no transparency: laid on white"
            picture = picture.with_loss(lost, pixels=pixels, alpha=None)
        if picture.pixels.ndim == 2 and not self.gray:
            picture = gray_to_rgb(picture, f"{self.name} has no gray: written as RGB")
        if picture.cicp:
            picture = self.fit_colours(picture, picture.cicp)
        if picture.dpi is not None:
            dpi = metadata.valid_dpi(picture.dpi)
            if not dpi:
                picture = picture.with_loss("the resolution makes no sense and was dropped")
            picture = replace(picture, dpi=dpi)
        picture = replace(picture, exif=metadata.with_size_and_dpi(picture, dpi=self.dpi_in_exif))
        if picture.xmp:
            picture = replace(picture, xmp=metadata.with_size(picture.xmp, picture.size))
        if picture.iptc and not self.iptc:
            picture = picture.with_loss(f"{self.name} has no IPTC records: dropped", iptc=None)
        kept = self.writable_texts(picture)
        if kept != picture.texts:
            gone = list(dict.fromkeys(key for key, _ in picture.texts if key not in {*dict(kept)}))
            names = ", ".join(gone[:9]) + f" and {len(gone) - 9} more" * (len(gone) > 9)
            lost = f"{self.name} has no place for texts: dropped {names}"
            picture = picture.with_loss(lost, texts=kept)
        return picture

    def check_writable(self, file: Path | BinaryIO, size: tuple[int, int]) -> None:
        """Refuse what cannot be written before any work is done for it.

        Raises:
            PictureError: the format does not support so many pixels.
        """
        if max(size) > self.max_side:
            raise PictureError(
                f"cannot write {display_name(file)}: {self.name} holds at most"
                f" {self.max_side} pixels a side, the result has {size[0]}x{size[1]}",
                "Choose another format: png or tiff",
            )


def check_size(size: tuple[int, int], request: ReadRequest) -> None:
    """Refuse a picture that is too large.

    Raises:
        PictureError: it has more pixels than the limit.
    """
    pixels = size[0] * size[1]
    if pixels > request.max_pixels:
        raise PictureError(
            f"the file claims {size[0]}x{size[1]} pixels, more than {request.max_pixels:,}",
            TOO_LARGE.format(pixels),
        )


def check_page(count: int, request: ReadRequest, what: str = "frame") -> int:
    """The index of the page or frame to read, from 0.

    Args:
        count: the number of pages or frames.
        request: selects one.
        what: "page" or "frame".

    Raises:
        PictureError: there are several and none is chosen, or the chosen one does not exist.
    """
    if request.page is not None:
        if 1 <= request.page <= count:
            return request.page - 1
        raise PictureError(
            f"it has {count} {what}{'s' * (count > 1)}, none of the number {request.page}",
            f"Choose one from 1 to {count}",
        )
    if count > 1:
        content = f"has {count} pages" if what == "page" else f"is animated: {count} frames"
        raise PictureError(f"it {content}", "Choose one with page=N")
    return 0
