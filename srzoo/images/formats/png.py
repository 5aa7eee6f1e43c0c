"""PNG."""

from __future__ import annotations

import io
import zlib
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from .. import png, profiles
from ..decoding import Decoded
from ..format import Memory
from ..picture import Picture
from ..pillow import Found, PillowFormat, saved


class PNG(PillowFormat):
    """PNG: up to 16 bits; gray, colour and transparency."""

    key = "png"
    name = "PNG"
    pillow = "PNG"
    loader = "pngload"
    suffixes = (".png", ".apng")
    writes = True
    bits = 16
    thrifty = True
    memory = Memory((1.4, 1.8))

    def recognises(self, head: bytes, suffix: str) -> bool:
        """It begins with PNG's signature."""
        return head.startswith(png.SIGNATURE)

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """As IHDR has it."""
        place = file.tell()
        file.seek(24)
        bits = file.read(1)[0]
        file.seek(place)
        return bits

    def beside(self, file: BinaryIO, image: Image.Image) -> Found:
        """What the chunks tell, also those behind the pixels."""
        place = file.tell()
        small, chunks = png.beside_pixels(file)
        file.seek(place)
        beside = Image.open(io.BytesIO(small), formats=("PNG",))
        found = super().beside(file, beside)
        xmp = beside.info.get("xmp") or beside.info.get(png.XMP_KEYWORD)
        found.xmp = xmp.encode() if isinstance(xmp, str) else xmp
        texts: dict[str, Any] = getattr(beside, "text", {})
        own = (png.XMP_KEYWORD, "Raw profile type")
        found.texts = tuple((k, str(value)) for k, value in texts.items() if not k.startswith(own))
        found.info = found.info | {"chunks": chunks}
        return found

    def pixels(self, file: BinaryIO, image: Image.Image, found: Found) -> Decoded:
        """The pixels; and the profile, which may be told by other chunks than iCCP."""
        pixels, alpha, icc = super().pixels(file, image, found)
        if not icc or profiles.space(icc) not in ("GRAY", "RGB")[pixels.ndim == 3 :]:
            implied, problem = png.implied_profile(found.info["chunks"], pixels.ndim == 2)
            if problem:
                found.lost.append(problem)
            if icc:
                space = profiles.space(icc)
                found.lost.append(f"the profile is of {space} colours and was dropped")
            icc = implied
        return pixels, alpha, icc

    def texts(self, picture: Picture) -> tuple[tuple[str, str], ...]:
        """All of them."""
        return picture.texts

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode: 8 bits by Pillow, 16 by srzoo, as Pillow cannot."""
        if picture.pixels.dtype == np.uint16:
            png.write_16_bits(picture, file)
            return
        from PIL.PngImagePlugin import PngInfo

        info = PngInfo()
        if picture.xmp:
            info.add_itxt(png.XMP_KEYWORD, picture.xmp.decode("utf-8", "replace"))
        for keyword, text in picture.texts:
            info.add_itxt(keyword, text)
        # Run lengths: four times as fast as the default, and as small for photos
        # (tests/bench/saving.py).
        options: dict[str, Any] = {"compress_level": 1, "compress_type": zlib.Z_RLE}
        options |= {"pnginfo": info, "xmp": None}
        if picture.dpi:
            options["dpi"] = picture.dpi
        saved(picture, file, "PNG", options)
