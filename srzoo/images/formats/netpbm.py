"""Netpbm: PBM, PGM and PPM."""

from __future__ import annotations

import re
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..decoding import Decoded, split_alpha
from ..pillow import FileMetadata, PillowFormat

NUMBER = re.compile(rb"(?:\s|#[^\n]*\n?)*(\d{1,9})")
WHITE = 65_535


class Netpbm(PillowFormat):
    """PBM, PGM and PPM, read only; srzoo decodes more than 8 bits itself, as Pillow cannot."""

    key = "ppm"
    name = "PPM"
    pillow = "PPM"
    row_by_row = True
    suffixes = (".ppm", ".pgm", ".pbm", ".pnm")

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with P1 to P6 and a blank."""
        return head[:1] == b"P" and head[1:2] in b"123456" and head[2:3] in b" \t\r\n#"

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """From the value of white."""
        return 8 if _parsed(file)[3] < 256 else 16

    def decoded_bits(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> int:
        """All bits."""
        return self.stored_bits(file, image)

    def channels(self, image: Image.Image, found: FileMetadata) -> int:
        """Gray is 1 channel, although Pillow treats deep gray as integers."""
        return 1 if image.mode in ("1", "L", "I") else 3

    def decode_pixels(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> Decoded:
        """The values, scaled by white."""
        if self.stored_bits(file, image) == 8:
            return super().decode_pixels(file, image, found)
        kind, width, height, white, start = _parsed(file)
        planes = 3 if kind in b"36" else 1
        count = width * height * planes
        file.seek(start)
        if kind in b"23":
            values = np.array(file.read().split(None, count)[:count], np.int64)
        else:
            values = np.frombuffer(file.read(2 * count), ">u2")
        if len(values) < count:
            raise ValueError(f"the file is cut off: {len(values)} of {count} values are intact")
        if values.max(initial=0) > white:
            raise ValueError(f"a value is larger than white, which is {white}")
        deep = values.astype(np.uint32)
        deep = (deep * WHITE + white // 2) // white
        return (*split_alpha(deep.astype(np.uint16).reshape(height, width, planes), False), None)


def _parsed(file: BinaryIO) -> tuple[bytes, int, int, int, int]:
    """The kind, width, height, the value of white, and the beginning of the values."""
    place = file.tell()
    file.seek(0)
    head = file.read(2**16)
    file.seek(place)
    kind, at, found = head[1:2], 2, list[int]()
    for _ in range(2 if kind in b"14" else 3):
        number = NUMBER.match(head, at)
        if number is None:
            raise ValueError("the header is damaged")
        found.append(int(number[1]))
        at = number.end()
    white = found[2] if len(found) == 3 else 1
    if not 0 < white <= WHITE:
        raise ValueError(f"the value of white is {white}")
    return kind, found[0], found[1], white, at + 1
