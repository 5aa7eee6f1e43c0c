"""GIF."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from ..pillow import Found, PillowFormat


class GIF(PillowFormat):
    """GIF, to be read: a palette, and one transparent colour."""

    key = "gif"
    name = "GIF"
    pillow = "GIF"
    suffixes = (".gif",)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """It begins with its name."""
        return head[:6] in (b"GIF87a", b"GIF89a")

    def beside(self, file: BinaryIO, image: Image.Image) -> Found:
        """A comment, besides."""
        found = super().beside(file, image)
        if isinstance(comment := image.info.get("comment"), bytes):
            found.texts = (("Comment", comment.decode("utf-8", "replace").strip("\0")),)
        return found
