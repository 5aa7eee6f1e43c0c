"""SGI."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from ..pillow import PillowFormat


class SGI(PillowFormat):
    """Silicon Graphics pictures, read only."""

    key = "sgi"
    name = "SGI"
    pillow = "SGI"
    row_by_row = True
    suffixes = (".sgi", ".rgb", ".rgba", ".bw")

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with 474, and a valid encoding with 1 or 2 bytes."""
        return head[:2] == b"\x01\xda" and head[2:3] in b"\0\1" and head[3:4] in b"\1\2"

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """From the header."""
        place = file.tell()
        file.seek(3)
        bits = 8 * file.read(1)[0]
        file.seek(place)
        return bits
