"""JPEG 2000."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image

from ..decoding import Decoded
from ..pillow import FileMetadata, PillowFormat

BOXED = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM = b"\xff\x4f\xff\x51"
XMP = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EXIF = b"JpgTiffExif->JP2"
LARGEST = 2**24
"""The largest size of a metadata box in bytes."""
MOST = 1000
"""The largest number of boxes that are read."""


class JPEG2000(PillowFormat):
    """JPEG 2000, read only; Pillow keeps more than 8 bits only in gray."""

    key = "jp2"
    name = "JPEG 2000"
    pillow = "JPEG2000"
    suffixes = (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx")

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with the signature, or as a bare codestream."""
        return head.startswith((BOXED, CODESTREAM))

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """The bits of the deepest component, from the codestream's SIZ."""
        place = file.tell()
        file.seek(_codestream(file))
        head = file.read(42)
        count = struct.unpack_from(">H", head, 40)[0] if head.startswith(CODESTREAM) else 0
        depths = file.read(3 * count)[::3]
        file.seek(place)
        return max(((depth & 0x7F) + 1 for depth in depths), default=8)

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """Profile, XMP and EXIF, which Pillow ignores."""
        found = super().read_metadata(file, image)
        place = file.tell()
        for name, start, length in _boxes(file, 0, None):
            if name == b"jp2h":
                for inner, at, size in _boxes(file, start, start + length):
                    data = _data(file, at, size) if inner == b"colr" else b""
                    if data[:1] == b"\2" and "icc_profile" not in found.info:
                        found.info = found.info | {"icc_profile": data[3:]}
            elif name == b"uuid":
                data = _data(file, start, length)
                if data.startswith(XMP):
                    found.xmp = data[16:]
                elif data.startswith(EXIF):
                    found.exif.load(b"Exif\0\0" + data[16:].removeprefix(b"Exif\0\0"))
        file.seek(place)
        return found

    def decode_pixels(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> Decoded:
        """The pixels, scaled to white, as Pillow shifts values of less than 16 bits."""
        bits = self.stored_bits(file, image)
        pixels, alpha, icc = super().decode_pixels(file, image, found)
        if pixels.dtype == np.uint16 and 8 < bits < 16:
            pixels = (pixels | pixels >> bits).astype(np.uint16)
        return pixels, alpha, icc


def _boxes(file: BinaryIO, start: int, end: int | None) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and length of the content of each box."""
    for _ in range(MOST):
        file.seek(start)
        head = file.read(16)
        if len(head) < 8 or (end is not None and start + 8 > end):
            return
        length, name = struct.unpack_from(">I4s", head)
        skip = 8
        if length == 1 and len(head) == 16:
            length, skip = struct.unpack_from(">Q", head, 8)[0], 16
        if length == 0:
            length = 2**63 - start if end is None else end - start
        if length < skip:
            return
        yield name, start + skip, length - skip
        start += length
        if start >= 2**62:
            return


def _data(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(min(length, LARGEST))


def _codestream(file: BinaryIO) -> int:
    """The beginning of the codestream."""
    file.seek(0)
    if file.read(4) == CODESTREAM:
        return 0
    return next((start for name, start, _ in _boxes(file, 0, None) if name == b"jp2c"), 0)
