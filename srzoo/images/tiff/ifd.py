"""The directories of a TIFF file, read as untrusted data within limits.

A field stores the place of its values; they are read on demand, as far as the file reaches.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

import numpy as np

from ...errors import PictureError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Numbers = NDArray[np.int64]

SUBFILE, OLD_SUBFILE, WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC = (
    254, 255, 256, 257, 258, 259, 262,
)  # fmt: skip
FILL_ORDER, MAKE, OFFSETS, ORIENTATION, SAMPLES, ROWS, COUNTS = 266, 271, 273, 274, 277, 278, 279
PLANAR, PREDICTOR, COLOUR_MAP, TILE_WIDTH, TILE_HEIGHT = 284, 317, 320, 322, 323
TILE_OFFSETS, TILE_COUNTS, SUBIFDS, INK_SET, DOT_RANGE, EXTRA = 324, 325, 330, 332, 336, 338
SAMPLE_FORMAT, JPEG_TABLES, DNG, LAYERS = 339, 347, 50706, 37724

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
BIG_SIZES = {16: 8, 17: 8, 18: 8}
NUMBERS = {1: "u1", 3: "u2", 4: "u4", 6: "i1", 8: "i2", 9: "i4", 13: "u4"}
BIG_NUMBERS = {16: "u8", 17: "i8", 18: "u8"}
"""Integer types, and numpy's names of them."""
RATIONALS = {5: "u4", 10: "i4"}

ORDERS = {b"II": "<", b"MM": ">"}
CLASSIC = (42, 0x4F52, 0x5352, 0x55)
"""Numbers after the byte order: TIFF's 42; "RO", "RS" and "U" of Olympus and Panasonic."""
BIG = 43
ENTRIES = 1_000_000
"""The largest number of fields in all directories: about a second's worth."""
DEEP = 1_000_000
"""The largest number of fields in a directory; valid ones have fewer than a thousand."""


class Field(NamedTuple):
    """A field: its type, the number of values, and their place in the file."""

    kind: int
    many: int
    at: int


class TIFFFile:
    """A TIFF file: its byte order, and its directories.

    Args:
        file: open and seekable.

    Raises:
        ValueError: it does not begin as a TIFF file.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.length = file.seek(0, 2)
        file.seek(0)
        head = file.read(16)
        if len(head) < 8 or head[:2] not in ORDERS:
            raise ValueError("it does not begin as a TIFF file")
        self.order = ORDERS[head[:2]]
        (version,) = struct.unpack(f"{self.order}H", head[2:4])
        self.big = version == BIG
        if not self.big and version not in CLASSIC:
            raise ValueError("it does not begin as a TIFF file")
        where = head[8:16] if self.big else head[4:8]
        if len(where) < (8 if self.big else 4):
            raise ValueError("the file ends in its header")
        self.first = int(struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", where)[0])
        self.sizes = SIZES | BIG_SIZES if self.big else SIZES
        self.numbers = NUMBERS | BIG_NUMBERS if self.big else NUMBERS
        self.looked = 0

    def read(self, at: int, length: int) -> bytes:
        """The bytes at a position, as far as the file reaches."""
        if not 0 <= at < self.length or length <= 0:
            return b""
        self.file.seek(at)
        return self.file.read(min(length, self.length - at))

    def directory(self, at: int) -> Directory:
        """The directory at a position.

        Raises:
            ValueError: there is none: it is empty, or the file ends in it.
            PictureError: the file has too many directories.
        """
        wide, code = (8, "Q") if self.big else (2, "H")
        head = self.read(at, wide)
        count = int(struct.unpack(f"{self.order}{code}", head)[0]) if len(head) == wide else 0
        line = 20 if self.big else 12
        if not 0 < count <= min(DEEP, (self.length - at - wide) // line):
            raise ValueError(f"no directory exists at {at}")
        self.looked += count
        if self.looked > ENTRIES:
            raise PictureError("its directories have no end", "Write it again with another program")
        data = self.read(at + wide, count * line + (8 if self.big else 4))
        fields: dict[int, Field] = {}
        layout = f"{self.order}HHQQ" if self.big else f"{self.order}HHII"
        inline, begin = line - (8 if self.big else 4), at + wide
        body = memoryview(data)[: count * line]
        for tag, kind, many, where in struct.iter_unpack(layout, body):
            size = self.sizes.get(kind, 0) * many
            if size and tag not in fields:
                fits = size <= line - inline
                fields[tag] = Field(kind, many, begin + inline if fits else where)
            begin += line
        rest = data[count * line :]
        code = "Q" if self.big else "I"
        whole = len(rest) == struct.calcsize(code)
        following = int(struct.unpack(f"{self.order}{code}", rest)[0]) if whole else 0
        return Directory(self, at, fields, following)


class Directory:
    """A directory's fields by tag; of duplicates, the first.

    Attributes:
        file: the file.
        at: its position there.
        fields: the places of its values.
        following: the position of the next page's; 0 for none.
    """

    def __init__(self, file: TIFFFile, at: int, fields: dict[int, Field], following: int) -> None:
        self.file, self.at, self.fields, self.following = file, at, fields, following

    def __contains__(self, tag: int) -> bool:
        return tag in self.fields

    def data(self, tag: int) -> bytes | None:
        """A field's bytes; None if it is missing, or not completely in the file."""
        if (field := self.fields.get(tag)) is None:
            return None
        size = self.file.sizes[field.kind] * field.many
        if field.at + size > self.file.length:
            return None
        return self.file.read(field.at, size)

    def numbers(self, tag: int, most: int | None = None) -> Numbers:
        """A field's integers; empty if it is missing or of another type.

        Args:
            tag: of the field.
            most: the largest number of values to read.

        Raises:
            ValueError: they are outside the file.
        """
        field = self.fields.get(tag)
        code = self.file.numbers.get(field.kind) if field else None
        if field is None or code is None:
            return np.zeros(0, np.int64)
        count = field.many if most is None else min(field.many, most)
        size = count * self.file.sizes[field.kind]
        data = self.file.read(field.at, size)
        if len(data) < size:
            raise ValueError(f"the values of tag {tag} lie outside of the file")
        found: NDArray[Any] = np.frombuffer(data, f"{self.file.order}{code}")
        if code == "u8":
            found = np.minimum(found, np.uint64(2**62))
        return found.astype(np.int64)

    def number(self, tag: int, default: int = 0) -> int:
        """A field's first integer."""
        found = self.numbers(tag, 1)
        return int(found[0]) if len(found) else default

    def rationals(self, tag: int) -> tuple[float, ...]:
        """Up to 16 fractions of a field; 0 for invalid ones."""
        field = self.fields.get(tag)
        if field is None or field.kind not in RATIONALS:
            return ()
        data = self.file.read(field.at, 8 * min(field.many, 16))
        pairs = np.frombuffer(
            data[: len(data) // 8 * 8], f"{self.file.order}{RATIONALS[field.kind]}"
        )
        return tuple(int(a) / int(b) if b else 0.0 for a, b in pairs.reshape(-1, 2))
