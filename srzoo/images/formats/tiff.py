"""TIFF and BigTIFF."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from PIL import Image

from ...errors import PictureError
from .. import decoding, profiles, vips
from ..format import Asked, Header, Memory, check_page, check_size
from ..picture import PHOTO, Picture, to_8_bits
from ..pillow import SIDEWAYS, PillowFormat, alone
from ..tiff import layout, pages, tags, tiffwriter
from ..tiff.inks import Colours
from ..tiff.strips import Parts
from .raw import Raw

if TYPE_CHECKING:
    from ..picture import Pixels

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
WIDEST = 8
"""Bytes of a pixel that count as one: RGB and alpha of 16 bits."""
SHALLOW_INKS = f"CMYK of 16 bits a channel became RGB of 8; to keep them: {PHOTO}"


class TIFF(PillowFormat):
    """TIFF: up to 16 bits; read and written by srzoo itself, since nobody else keeps all of it."""

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
        """It begins as TIFF or BigTIFF of either order of bytes."""
        return head[:4] in BEGINNINGS

    def header(self, file: BinaryIO, asked: Asked) -> Header:
        """What the directories tell."""
        found = pages.contents(file)
        if found.raw:
            return Raw().header(file, asked)
        page = self._page(found, asked)
        plan = layout.layout(page.directory, asked.force_damaged)
        colours = Colours(plan)
        turn = tags.turn(page)
        width, height = plan.size
        size = (height, width) if turn in SIDEWAYS else (width, height)
        deep = colours.dtype == np.uint16 and (colours.channels != 4 or vips.library())
        channels = min(colours.channels, 3) + (plan.alpha is not None)
        return Header(size, 16 if deep else 8, channels, len(found.pages))

    def read(self, file: BinaryIO, asked: Asked) -> Picture:
        """Decode the page that is asked for."""
        found = pages.contents(file)
        if found.raw:
            return Raw().read(file, asked)
        page = self._page(found, asked)
        plan = layout.layout(page.directory, asked.force_damaged)
        if plan.size[0] * plan.size[1] * sum(plan.bits) > asked.max_pixels * WIDEST * 8:
            raise PictureError(
                f"its {plan.samples} channels have more data than {asked.max_pixels:,} pixels",
                "Leave some out",
            )
        with alone():
            beside = tags.beside(page, [*found.notes, *plan.notes])
            pixels, alpha, icc = _decoded(plan, asked, beside.info.get("icc_profile"), beside.lost)
            return self.picture(beside, pixels, alpha, icc)

    def _page(self, found: pages.Contents, asked: Asked) -> pages.Page:
        """The page that is asked for.

        Raises:
            PictureError: there are several and none is chosen, or it is too large.
        """
        page = found.pages[check_page(len(found.pages), asked, self.unit)]
        page = pages.larger(page, found.notes)
        check_size(layout.size_of(page.directory), asked)
        return page

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode: deflate, in strips."""
        tiffwriter.save(picture, file)


def _decoded(
    plan: layout.Layout, asked: Asked, icc: bytes | None, lost: list[str]
) -> decoding.Decoded:
    """Colours, alpha and the profile, as they lie."""
    colours = Colours(plan)
    width, height = plan.size
    shape = (height, width) if colours.channels == 1 else (height, width, colours.channels)
    pixels: Pixels = np.zeros(shape, colours.dtype)
    alpha: Pixels | None = None
    if plan.alpha is not None:
        alpha = np.zeros((height, width), colours.dtype)
    parts = Parts(plan, asked.force_damaged)
    for left, top, block in parts.blocks():
        there = slice(top, top + block.shape[0]), slice(left, left + block.shape[1])
        values, clear = colours.of(block)
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
    """CMYK to sRGB, in 16 bits where pyvips is."""
    if inks.dtype == np.uint16:
        sound = icc if icc and profiles.space(icc) == "CMYK" else None
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
    return decoding.by_pillow(image, icc, lost)[0]
