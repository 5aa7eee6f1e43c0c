"""PNG."""

from __future__ import annotations

import zlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from .. import layers, profiles
from ..format import Header, Memory, ReadRequest, check_page, check_size
from ..picture import Picture
from ..pillow import (
    ANIMATED,
    APART,
    SIDEWAYS,
    FileMetadata,
    PillowFormat,
    save_with_pillow,
    without_pillow_limits,
)
from ..png import pngpixels, pngtexts, pngwriter
from ..png.pngchunks import PNGChunks, read_chunks

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEYWORD = 79
"""Letters that are allowed in a text's keyword."""


class PNG(PillowFormat):
    """PNG: up to 16 bits; gray, colour and transparency."""

    key = "png"
    name = "PNG"
    pillow = "PNG"
    suffixes = (".png", ".apng")
    writes = True
    bits = 16
    cicp = True
    memory = Memory((1.4, 1.4), thrifty=True)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with PNG's signature."""
        return head.startswith(pngwriter.SIGNATURE)

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """The facts in the chunks."""
        chunks, pages, page = _chosen(file, request)
        head = chunks.head
        with without_pillow_limits():
            turn = pngtexts.read_metadata(chunks).orientation
        size = (head.height, head.width) if turn in SIDEWAYS else (head.width, head.height)
        clear = chunks.clear or any(layer.dispose for layer, _ in chunks.frames[:page])
        bits = 16 if head.bits == 16 else 8
        channels = (1 if chunks.gray else 3) + clear
        return Header(size, bits, channels, pages)

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode the pixels separately from the metadata."""
        chunks, pages, page = _chosen(file, request)
        with without_pillow_limits():
            found = pngtexts.read_metadata(chunks)
            if pages == 1 or (chunks.default_is_apart and not page):
                found.lost += [APART.format(pages)] * (pages > 1)
                head, parts, force = chunks.head, chunks.data_parts, request.force_damaged
                pixels, alpha = pngpixels.decode(file, chunks, head, parts, force, found.lost)
            else:
                found.lost.append(ANIMATED.format(page + 1, pages))
                pixels, alpha = _frame(
                    file, chunks, page - chunks.default_is_apart, request, found.lost
                )
            icc = _profile(chunks, found, gray=pixels.ndim == 2)
            return self.picture(found, pixels, alpha, icc)

    def writable_texts(self, picture: Picture) -> tuple[tuple[str, str], ...]:
        """The texts whose keyword is valid in PNG."""
        return tuple(text for text in picture.texts if _is_keyword(text[0]))

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode: 8 bits by Pillow, 16 by srzoo, as Pillow cannot."""
        if picture.pixels.dtype == np.uint16:
            pngwriter.write_16_bits(picture, file)
            return
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        if picture.cicp:
            info.add(b"cICP", bytes(picture.cicp))
        if picture.xmp:
            info.add_itxt(pngwriter.XMP_KEYWORD, picture.xmp.decode("utf-8", "replace"))
        for keyword, text in picture.texts:
            info.add_itxt(keyword, text)
        # Run lengths: four times as fast as the default, and as small for photos
        # (tests/bench/saving.py).
        options: dict[str, Any] = {"compress_level": 1, "compress_type": zlib.Z_RLE}
        options |= {"pnginfo": info, "xmp": None}
        if picture.dpi:
            options["dpi"] = picture.dpi
        save_with_pillow(picture, file, "PNG", options)


def _is_keyword(text: str) -> bool:
    try:
        return 0 < len(text.encode("latin-1")) <= KEYWORD and "\0" not in text
    except UnicodeEncodeError:
        return False


def _chosen(file: BinaryIO, request: ReadRequest) -> tuple[PNGChunks, int, int]:
    """The file's contents, the number of pictures, and the index of the requested one."""
    chunks = read_chunks(file, request.force_damaged)
    check_size((chunks.head.width, chunks.head.height), request)
    pages = max(1, len(chunks.frames) + (chunks.default_is_apart and bool(chunks.frames)))
    return chunks, pages, check_page(pages, request)


def _frame(
    file: BinaryIO, chunks: PNGChunks, index: int, request: ReadRequest, lost: list[str]
) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """The visible picture at a frame of the animation."""

    def draw(at: int) -> NDArray[Any]:
        layer, parts = chunks.frames[at]
        head = replace(chunks.head, width=layer.box[2], height=layer.box[3])
        pixels, alpha = pngpixels.decode(file, chunks, head, parts, request.force_damaged, lost)
        return layers.join_alpha(pixels, alpha)

    size = (chunks.head.width, chunks.head.height)
    order = [layer for layer, _ in chunks.frames[: index + 1]]
    return layers.part_alpha(layers.compose(size, order, draw, request.max_pixels), chunks.clear)


def _profile(chunks: PNGChunks, found: FileMetadata, gray: bool) -> bytes | None:
    """The profile, which may come from chunks other than iCCP."""
    icc: bytes | None = found.info.get("icc_profile")
    if icc and profiles.colour_space(icc) in ("GRAY", "RGB")[not gray :]:
        return icc
    if icc:
        found.lost.append(f"the profile is of {profiles.colour_space(icc)} colours and was dropped")
    if found.cicp:
        return None  # the colours are stated by numbers, which have priority
    implied, problem = pngwriter.implied_profile(chunks.data, gray)
    if problem:
        found.lost.append(problem)
    return implied
