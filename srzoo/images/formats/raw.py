"""Raw files of cameras: developed by LibRaw, through the extra ``raw``, or refused."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import io
import struct
from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from ...errors import PictureError
from ..format import DAMAGED, Format, Header, ReadRequest, check_page, check_size
from ..picture import Picture
from ..pillow import FileMetadata, PillowFormat
from ..tiff import pages, tags

if TYPE_CHECKING:
    from ..picture import Pixels

TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MAGIC = (
    b"II*\0\x10\0\0\0CR", b"II\x1a\0\0\0HEAPCCDR", b"IIRO", b"IIRS", b"MMOR", b"IIU\0",
    b"FUJIFILMCCD-RAW", b"\0MRM", b"FOVb", b"ARECOYK",
    b"II*\0\x08\0\0\0IIII", b"MM\0*\0\0\0\x08MMMM",
)  # fmt: skip
"""Signatures of Canon (two), Olympus, Panasonic, Fujifilm, Minolta, Sigma, Contax and Phase One;
other makers' files begin as TIFF does."""
FUJI = b"FUJIFILMCCD-RAW"
CR3 = b"ftypcrx "
DEVELOPED = (
    "a camera's raw file, developed by LibRaw: the camera's white balance, LibRaw's brightness,"
    " sRGB; no style and no lens correction"
)
EXTRA = "pip install 'srzoo[raw]'"
TRANSPOSED = 4
"""The bit of LibRaw's orientation that swaps width and height."""


class Raw(Format):
    """A camera's raw file: 16 bits, in colour. Its thumbnail is never used instead."""

    key = "raw"
    name = "a camera's raw file"
    suffixes = (
        ".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srf", ".orf", ".rw2",
        ".raw", ".rwl", ".pef", ".srw", ".raf", ".3fr", ".fff", ".iiq", ".mrw", ".x3f", ".erf",
        ".kdc", ".dcr", ".mos", ".mef", ".gpr",
    )  # fmt: skip
    successor = "tiff"
    bits = 16

    def recognises(self, head: bytes, suffix: str) -> bool:
        """By its signature, or by its name if it begins as TIFF does.

        TIFF's class delegates files whose names differ from their contents.
        """
        if head.startswith(MAGIC) or head[4:12] == CR3:
            return True
        return head[:4] in TIFFS and suffix in self.suffixes

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """The facts, with the size after development."""
        with _opened(file, request) as raw:
            return Header(_size(raw), 16, 3)

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Develop it."""
        found = _beside(file)
        with _opened(file, request) as raw:
            pixels = _developed(raw)
        found.lost.append(DEVELOPED)
        found.orientation = 1  # it is upright already
        return replace(PillowFormat().picture(found, pixels, None, None), format=self.successor)


@contextlib.contextmanager
def _opened(file: BinaryIO, request: ReadRequest) -> Generator[Any]:
    """The file opened by LibRaw, not yet unpacked.

    Raises:
        PictureError: LibRaw is not installed or cannot read it, or it is too large.
    """
    if not importlib.util.find_spec("rawpy"):
        raise PictureError("it is a camera's raw file", f"Develop it first, or: {EXTRA}")
    check_page(1, request, "page")
    rawpy = importlib.import_module("rawpy")
    file.seek(0)
    try:
        with rawpy.imread(io.BytesIO(file.read())) as raw:
            check_size(_size(raw), request)
            yield raw
    except rawpy.LibRawError as error:
        reason = error.args[0] if error.args else error
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise PictureError(
            f"it is a camera's raw file that LibRaw does not read ({reason})",
            "Restore the file, or develop it with another program",
        ) from error


def _size(raw: Any) -> tuple[int, int]:
    """Width and height after development, upright."""
    sizes = raw.sizes
    width, height = int(sizes.iwidth), int(sizes.iheight)
    return (height, width) if sizes.flip & TRANSPOSED else (width, height)


def _developed(raw: Any) -> Pixels:
    return np.ascontiguousarray(raw.postprocess(use_camera_wb=True, output_bps=16))


def _beside(file: BinaryIO) -> FileMetadata:
    """EXIF and XMP, as far as they can be found for any maker."""
    try:
        file.seek(0)
        head = file.read(92)
        if head.startswith(FUJI):
            at, length = struct.unpack(">II", head[84:92])
            file.seek(at)
            with Image.open(io.BytesIO(file.read(length)), formats=("JPEG",)) as image:
                return FileMetadata(exif=image.getexif())
        return tags.read_metadata(pages.read_contents(file).pages[0], [])
    except (PictureError, *DAMAGED):
        return FileMetadata(lost=["no EXIF data was found in it"])
