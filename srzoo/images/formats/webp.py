"""WebP."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

from ..format import Memory
from ..picture import Picture
from ..pillow import PillowFormat, saved

QUALITY = 90


class WebP(PillowFormat):
    """WebP: 8 bits, with loss or without; no gray."""

    key = "webp"
    name = "WEBP"
    pillow = "WEBP"
    suffixes = (".webp",)
    writes = True
    max_side = 16_383
    gray = False
    quality = QUALITY
    dpi_in_exif = True
    memory = Memory((4.5, 9.8))

    def recognises(self, head: bytes, suffix: str) -> bool:
        """It is a RIFF file of WebP."""
        return head[:4] == b"RIFF" and head[8:12] == b"WEBP"

    def lossless(self, file: BinaryIO) -> bool:
        """Whether the pixels are kept without loss."""
        file.seek(12)
        while len(head := file.read(8)) == 8:
            name, length = struct.unpack("<4sI", head)
            if name in (b"VP8 ", b"VP8L"):
                return name == b"VP8L"
            file.seek(length + length % 2, 1)
        return False

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode by Pillow; without loss where the picture came so and no quality is asked for."""
        options: dict[str, Any] = {"quality": quality or QUALITY, "exact": True}
        if picture.lossless and quality is None:
            options |= {"lossless": True, "quality": 50}  # 50: of the effort
        saved(picture, file, "WEBP", options)
