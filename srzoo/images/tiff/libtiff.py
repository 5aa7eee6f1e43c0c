"""Decompression by libtiff, through Pillow: parts of a picture in a small TIFF.

libtiff gets the parts' bytes and a new directory, never the file's own directory.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..exif import LONG, SHORT, Directory, number_field, pack_directory
from . import ifd
from .layout import BLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAX = {2: "tiff_ccitt", 3: "group3", 4: "group4"}
"""CCITT's compressions, and Pillow's names of them."""
SHORTS = ifd.BITS, 530, ifd.EXTRA, ifd.COMPRESSION, ifd.PHOTOMETRIC
"""Tags with 16-bit values."""
END_OF_FAX = "000000000001" * 2
"""The bytes at the end of group 4 data."""


def small_tiff(
    parts: Sequence[bytes],
    width: int,
    rows: Sequence[int],
    fields: dict[int, Any],
    tables: bytes = b"",
) -> bytes:
    """A TIFF of one picture: parts of ``width`` pixels, one below another.

    Args:
        parts: compressed strips.
        width: of all strips.
        rows: of each; all but the last have as many as the first.
        fields: further tags and their numbers; the default is one 8-bit gray channel.
        tables: of JPEG.
    """
    body = b"".join(parts)
    lengths = [len(part) for part in parts]
    tags: dict[int, Any] = {
        ifd.WIDTH: width, ifd.HEIGHT: sum(rows), ifd.BITS: 8, ifd.PHOTOMETRIC: BLACK,
        ifd.SAMPLES: 1, ifd.ROWS: rows[0], ifd.PLANAR: 1,
    } | fields | {
        ifd.OFFSETS: list(itertools.accumulate(lengths[:-1], initial=8)), ifd.COUNTS: lengths,
    }  # fmt: skip
    entries: Directory = {
        tag: number_field(SHORT if tag in SHORTS else LONG, *np.atleast_1d(value).tolist())
        for tag, value in tags.items()
    }
    if tables:
        entries[ifd.JPEG_TABLES] = (7, len(tables), tables)
    body += bytes(len(body) % 2)
    at = 8 + len(body)
    return struct.pack("<2sHI", b"II", 42, at) + body + pack_directory(entries, "<", at)


def decode(small: bytes) -> NDArray[Any]:
    """The samples of a TIFF from :func:`small_tiff`, H x W x C."""
    with Image.open(io.BytesIO(small), formats=("TIFF",)) as image:
        image.load()
        found = np.asarray(image)
    return np.atleast_3d(found.astype(np.uint8) if found.dtype == bool else found)


def fax_is_whole(
    data: bytes, bits: NDArray[Any], compression: int, options: dict[int, int]
) -> bool:
    """Whether CCITT data are equal to libtiff's encoding of the bits that it decoded from them.

    libtiff does not report bad codes or an early end. In group 3 data of other programs may
    differ; in group 4 a picture has only one encoding.

    Args:
        data: compressed.
        bits: H x W.
        compression: a key of ``FAX``.
        options: tags of the compression.
    """
    out = io.BytesIO()
    image = Image.fromarray(bits.astype(bool))
    info = {ifd.ROWS: len(bits)} | options
    image.save(out, "TIFF", compression=FAX[compression], tiffinfo=info, strip_size=2**30)
    made = ifd.TIFFFile(out)
    directory = made.directory(made.first)
    again = made.read(directory.number(ifd.OFFSETS), directory.number(ifd.COUNTS))
    if compression == 4 and data.startswith(again.rstrip(b"\0")):
        return True
    # Without an end, or with group 3's, which libtiff does not write; and padded to a whole byte.
    ending, longer = (4, 0) if compression == 4 else (2, 16)
    return len(data) <= len(again) + longer and data.startswith(again[:-ending])


def fax_has_its_end(data: bytes) -> bool:
    """Whether group 4 data have a valid end."""
    return END_OF_FAX in "".join(f"{byte:08b}" for byte in data.rstrip(b"\0")[-5:]) + "0" * 8
