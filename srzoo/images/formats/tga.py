"""TGA."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from ..decoding import Decoded
from ..pillow import FileMetadata, PillowFormat

KINDS = (1, 2, 3, 9, 10, 11)
DEPTHS = (1, 8, 15, 16, 24, 32)
ALPHA_BITS = 0x0F


class TGA(PillowFormat):
    """Truevision pictures, read only; identified by their name, as they have no signature."""

    key = "tga"
    name = "TGA"
    pillow = "TGA"
    row_by_row = True
    suffixes = (".tga", ".icb", ".vda", ".vst")

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether its name and its header fit."""
        return (
            suffix in self.suffixes
            and len(head) >= 18
            and head[1] in (0, 1)
            and head[2] in KINDS
            and head[16] in DEPTHS
        )

    def decode_pixels(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> Decoded:
        """The pixels; a fourth channel that is not transparency is left out."""
        place = file.tell()
        file.seek(17)
        descriptor = file.read(1)[0]
        file.seek(place)
        pixels, alpha, icc = super().decode_pixels(file, image, found)
        if alpha is not None and not descriptor & ALPHA_BITS and not alpha.any():
            alpha = None
        return pixels, alpha, icc
