"""What libtiff undoes, through Pillow: parts of a picture in a small TIFF that is made for it.

It sees the parts' bytes, and a directory of our own; never what a file tells of itself.
"""

from __future__ import annotations

import io
import itertools
import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from . import ifd
from .layout import BLACK

if TYPE_CHECKING:
    from numpy.typing import NDArray


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
        width: of all.
        rows: of each; all but the last have as many as the first.
        fields: tags and their numbers besides those of the places; one channel of 8 bits in
            gray where they say nothing else.
        tables: of JPEG.
    """
    numbers: dict[int, Any] = {
        ifd.WIDTH: width, ifd.HEIGHT: sum(rows), ifd.BITS: 8, ifd.PHOTOMETRIC: BLACK,
        ifd.SAMPLES: 1, ifd.ROWS: rows[0], ifd.PLANAR: 1,
    } | fields  # fmt: skip
    body = b"".join(parts)
    lengths = [len(part) for part in parts]
    places = list(itertools.accumulate(lengths[:-1], initial=8))
    numbers |= {ifd.OFFSETS: places, ifd.COUNTS: lengths}
    entries: list[bytes] = []
    beyond = body + bytes(len(body) % 2)
    for tag, value in sorted([*numbers.items(), *([(ifd.JPEG_TABLES, tables)] if tables else [])]):
        kind, size = (7, 1) if tag == ifd.JPEG_TABLES else (4, 4)
        if tag in (ifd.BITS, 530, ifd.EXTRA, ifd.COMPRESSION, ifd.PHOTOMETRIC):
            kind, size = 3, 2
        if kind == 7:
            count, data = len(value), value
        else:
            several: NDArray[Any] = np.atleast_1d(np.array(value, f"<u{size}"))
            count, data = len(several), several.tobytes()
        if len(data) > 4:
            where = struct.pack("<I", 8 + len(beyond))
            beyond += data + bytes(len(data) % 2)
            data = where
        entries.append(struct.pack("<HHI", tag, kind, count) + data.ljust(4, b"\0"))
    head = struct.pack("<2sHI", b"II", 42, 8 + len(beyond))
    return head + beyond + struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)


def opened(small: bytes) -> NDArray[Any]:
    """The samples of a TIFF that :func:`small_tiff` has made, H x W x C."""
    with Image.open(io.BytesIO(small), formats=("TIFF",)) as image:
        image.load()
        found = np.asarray(image)
    return np.atleast_3d(found.astype(np.uint8) if found.dtype == bool else found)
