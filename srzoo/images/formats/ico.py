"""Windows' icons."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from ..pillow import FileMetadata, PillowFormat


class ICO(PillowFormat):
    """ICO, read only: the largest of its pictures."""

    key = "ico"
    name = "ICO"
    pillow = "ICO"
    suffixes = (".ico",)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with 0, 1 and the number of pictures."""
        return head[:4] == b"\0\0\1\0" and head[4:6] not in (b"", b"\0\0")

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """A note on the other pictures."""
        found = super().read_metadata(file, image)
        if len(image.info.get("sizes", ())) > 1:
            found.lost.append("only the largest picture of the icon is used")
        return found
