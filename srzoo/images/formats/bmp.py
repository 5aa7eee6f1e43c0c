"""BMP."""

from __future__ import annotations

from ..pillow import PillowFormat


class BMP(PillowFormat):
    """Windows' bitmaps, to be read."""

    key = "bmp"
    name = "BMP"
    pillow = "BMP"
    suffixes = (".bmp", ".dib")

    def recognises(self, head: bytes, suffix: str) -> bool:
        """It begins with BM."""
        return head[:2] == b"BM"
