"""BMP."""

from __future__ import annotations

import struct
from typing import BinaryIO

from PIL import Image

from ..pillow import FileMetadata, PillowFormat

FILE_HEADER = 14
V5 = 124
EMBEDDED, LINKED = b"DEBM", b"KNIL"
LARGEST = 2**24


class BMP(PillowFormat):
    """Windows bitmaps, read only."""

    key = "bmp"
    name = "BMP"
    pillow = "BMP"
    row_by_row = True
    suffixes = (".bmp", ".dib")

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with BM."""
        return head[:2] == b"BM"

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The profile, which Pillow ignores."""
        found = super().read_metadata(file, image)
        place = file.tell()
        file.seek(FILE_HEADER)
        head = file.read(V5)
        if len(head) == V5 and struct.unpack_from("<I", head)[0] >= V5:
            where, length = struct.unpack_from("<II", head, 112)
            if head[56:60] == EMBEDDED and 128 <= length <= LARGEST:
                file.seek(FILE_HEADER + where)
                icc = file.read(length)
                if len(icc) == length:
                    found.info = found.info | {"icc_profile": icc}
            elif head[56:60] == LINKED:
                found.lost.append("the profile is in another file and was dropped")
        file.seek(place)
        return found
