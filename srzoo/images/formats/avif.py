"""AVIF."""

from __future__ import annotations

from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from .. import vips
from ..decoding import Decoded
from ..format import FINE, Memory
from ..picture import PHOTO, Picture, coloured, shallow
from ..pillow import Found, PillowFormat, saved

QUALITY = 85


class AVIF(PillowFormat):
    """AVIF: up to 12 bits; those above 8 need pyvips."""

    key = "avif"
    name = "AVIF"
    pillow = "AVIF"
    loader = "heifload"
    suffixes = (".avif",)
    writes = True
    max_side = 65_535
    bits = 12
    quality = QUALITY
    dpi_in_exif = True
    memory = Memory((7.5, 7.5))

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Its brand is AVIF's."""
        return head[4:8] == b"ftyp" and head[8:12] in (b"avif", b"avis")

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """As the codec's configuration has it."""
        place = file.tell()
        file.seek(0)
        head = file.read(2**16)
        file.seek(place)
        at = head.find(b"av1C")
        if not 0 < at < len(head) - 6 or not head[at + 6] & 0x40:
            return 8
        return 12 if head[at + 6] & 0x20 else 10

    def from_vips(self, file: BinaryIO, image: Image.Image, found: Found) -> Decoded:
        """Turned already."""
        found.turn = 1
        return super().from_vips(file, image, found)

    def depth(self, picture: Picture) -> Picture:
        """16 bits become 12."""
        if vips.library() is None:
            return shallow(picture, f"16 bits a channel became 8; to keep {self.bits}: {PHOTO}")
        if picture.pixels.ndim == 2:
            picture = coloured(picture, f"AVIF of {self.bits} bits has no gray: written as RGB")
        return picture.losing(f"16 bits a channel became {self.bits}: AVIF holds no more")

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode 8 bits by Pillow, more by pyvips."""
        quality = quality or QUALITY
        if picture.pixels.dtype == np.uint16:
            file.write(vips.encode_avif(picture, quality))
            return
        options: dict[str, Any] = {"quality": quality}
        if picture.pixels.ndim == 3:
            options["subsampling"] = "4:4:4" if quality >= FINE else "4:2:0"
        saved(picture, file, "AVIF", options)
