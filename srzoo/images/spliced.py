"""Joins parts of a file and other bytes to one file for decoders."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

Part = bytes | tuple[int, int]
"""Bytes, or a range of the file."""


class _Spliced(io.RawIOBase):
    """Parts of a file and other bytes in sequence, as a file without a descriptor."""

    def __init__(self, file: BinaryIO, parts: list[Part]) -> None:
        super().__init__()
        self.file, self.parts = file, parts
        lengths = [len(p) if isinstance(p, bytes) else p[1] - p[0] for p in parts]
        self.starts = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        self.at = 0

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position."""
        self.at = max(0, offset + (0, self.at, int(self.starts[-1]))[whence])
        return self.at

    def tell(self) -> int:
        """The position."""
        return self.at

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read at most to the end of a part."""
        view = memoryview(buffer).cast("B")
        index = int(np.searchsorted(self.starts, self.at, "right")) - 1
        if index >= len(self.parts):
            return 0
        part, skip = self.parts[index], self.at - int(self.starts[index])
        if isinstance(part, bytes):
            data = part[skip : skip + len(view)]
        else:
            self.file.seek(part[0] + skip)
            data = self.file.read(min(len(view), part[1] - part[0] - skip))
        view[: len(data)] = data
        self.at += len(data)
        return len(data)


def spliced(file: BinaryIO, parts: list[Part]) -> BinaryIO:
    """A file made of parts, to read, without a descriptor.

    Args:
        file: seekable; it is read while the result is read.
        parts: in order.
    """
    return io.BufferedReader(_Spliced(file, parts), 2**18)
