"""PCX."""

from __future__ import annotations

from ..pillow import PillowFormat


class PCX(PillowFormat):
    """PCX, read only."""

    key = "pcx"
    name = "PCX"
    pillow = "PCX"
    row_by_row = True
    suffixes = (".pcx",)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with 10, a version, and the encoding."""
        return head[:1] == b"\x0a" and head[1:2] in b"\0\2\3\4\5" and head[2:3] in b"\0\1"
