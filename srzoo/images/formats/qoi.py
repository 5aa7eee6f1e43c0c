"""QOI."""

from __future__ import annotations

from ..pillow import PillowFormat


class QOI(PillowFormat):
    """The quite OK image format, to be read."""

    key = "qoi"
    name = "QOI"
    pillow = "QOI"
    suffixes = (".qoi",)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """It begins with its name."""
        return head[:4] == b"qoif"
