"""QOI."""

from __future__ import annotations

from ..pillow import PillowFormat


class QOI(PillowFormat):
    """The Quite OK Image format, read only."""

    key = "qoi"
    name = "QOI"
    pillow = "QOI"
    suffixes = (".qoi",)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with qoif."""
        return head[:4] == b"qoif"
