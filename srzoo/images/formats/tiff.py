"""TIFF and BigTIFF."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from ...errors import PictureError
from .. import decoding, profiles, vips
from ..format import Header, Memory, ReadRequest, check_page, check_size
from ..picture import PHOTO, Picture, to_8_bits
from ..pillow import SIDEWAYS, PillowFormat, without_pillow_limits
from ..tiff import layout, pages, tags, tiffwriter
from ..tiff.inks import ColourConverter
from ..tiff.strips import StripReader
from .raw import Raw

if TYPE_CHECKING:
    from ..picture import Pixels

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDEST = 8
"""Bytes of a pixel that count as one for the limit: RGB and alpha of 16 bits."""
SHALLOW_INKS = f"CMYK of 16 bits a channel became RGB of 8; to keep them: {PHOTO}"


class TIFF(PillowFormat):
    """TIFF: up to 16 bits; srzoo reads and writes it itself, as libraries lose some of it."""

    key = "tiff"
    name = "TIFF"
    pillow = "TIFF"
    suffixes = (".tif", ".tiff")
    writes = True
    bits = 16
    iptc = True
    unit = "page"
    memory = Memory((0.1, 0.1), thrifty=True)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins as TIFF or BigTIFF, in either byte order."""
        return head[:4] in BEGINNINGS

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """The facts in the directories."""
        found = pages.read_contents(file)
        if found.raw:
            return Raw().header(file, request)
        page = self._page(found, request)
        tiff_layout = layout.read_layout(page.directory, request.force_damaged)
        colours = ColourConverter(tiff_layout)
        turn = tags.orientation(page)
        width, height = tiff_layout.size
        size = (height, width) if turn in SIDEWAYS else (width, height)
        deep = colours.dtype == np.uint16 and (colours.channels != 4 or vips.library())
        channels = min(colours.channels, 3) + (tiff_layout.alpha is not None)
        return Header(size, 16 if deep else 8, channels, len(found.pages))

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode the requested page."""
        found = pages.read_contents(file)
        if found.raw:
            return Raw().read(file, request)
        page = self._page(found, request)
        tiff_layout = layout.read_layout(page.directory, request.force_damaged)
        if (
            tiff_layout.size[0] * tiff_layout.size[1] * sum(tiff_layout.bits)
            > request.max_pixels * WIDEST * 8
        ):
            raise PictureError(
                f"its {tiff_layout.samples} channels have more data than"
                f" {request.max_pixels:,} pixels",
                "Leave some out",
            )
        with without_pillow_limits():
            beside = tags.read_metadata(page, [*found.notes, *tiff_layout.notes])
            pixels, alpha, icc = _decoded(
                tiff_layout, request, beside.info.get("icc_profile"), beside.lost
            )
            return self.picture(beside, pixels, alpha, icc)

    def _page(self, found: pages.Contents, request: ReadRequest) -> pages.Page:
        """The requested page.

        Raises:
            PictureError: there are several and none is chosen, or it is too large.
        """
        page = found.pages[check_page(len(found.pages), request, self.unit)]
        page = pages.full_size_of(page, found.notes)
        check_size(layout.size_of(page.directory), request)
        return page

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode with deflate, in strips."""
        tiffwriter.save(picture, file)


def _decoded(
    tiff_layout: layout.TIFFLayout, request: ReadRequest, icc: bytes | None, lost: list[str]
) -> decoding.Decoded:
    """Colours, alpha and the profile, before rotation."""
    colours = ColourConverter(tiff_layout)
    width, height = tiff_layout.size
    shape = (height, width) if colours.channels == 1 else (height, width, colours.channels)
    pixels: Pixels = np.zeros(shape, colours.dtype)
    alpha: Pixels | None = None
    if tiff_layout.alpha is not None:
        alpha = np.zeros((height, width), colours.dtype)
    parts = StripReader(tiff_layout, request.force_damaged)
    for left, top, block in parts.blocks():
        there = slice(top, top + block.shape[0]), slice(left, left + block.shape[1])
        values, clear = colours.convert(block)
        pixels[there] = values
        if alpha is not None and clear is not None:
            alpha[there] = clear
    if parts.gone >= parts.total:
        raise PictureError("nothing of the picture can be read", "Restore the file")
    if parts.damaged:
        what = f"{min(parts.damaged, parts.total)} of the picture's {parts.total} parts are damaged"
        lost.append(f"{what}: what is missing of them is empty")
    if parts.doubtful:
        lost.append("its fax data (CCITT) are damaged, or written in an unusual way: look at it")
    if colours.photometric in (layout.LAB, layout.ICC_LAB, layout.ITU_LAB):
        lost.append("L*a*b* became RGB in sRGB")
        icc = None
    if colours.channels == 4:
        pixels = _from_inks(pixels, icc, lost)
        if alpha is not None and alpha.dtype != pixels.dtype:
            alpha = to_8_bits(alpha)
        icc = None
    return pixels, alpha, icc


def _from_inks(inks: Pixels, icc: bytes | None, lost: list[str]) -> Pixels:
    """CMYK to sRGB, in 16 bits if pyvips is installed."""
    if inks.dtype == np.uint16:
        sound = icc if icc and profiles.colour_space(icc) == "CMYK" else None
        done = vips.from_cmyk(inks, sound)
        if done is None and sound:
            done, sound = vips.from_cmyk(inks, None), None
        if done is not None:
            lost.append("CMYK became RGB")
            if icc and not sound:
                lost.append("the colour profile is damaged and was not used")
            elif not icc:
                lost.append(decoding.NO_PROFILE)
            return done
        lost.append(SHALLOW_INKS)
    image = Image.fromarray(to_8_bits(inks), "CMYK")
    return decoding.decode_with_pillow(image, icc, lost)[0]
