"""TIFF as Pillow opens it, also where Pillow does not know the kind of its pixels."""

from __future__ import annotations

from PIL import TiffImagePlugin

from ..errors import PictureError

SUBFILE, PHOTOMETRIC, EXTRA, ICC, IPTC, DNG = 254, 262, 338, 34675, 33723, 50706
REDUCED = 1


class Tiff(TiffImagePlugin.TiffImageFile):
    """A TIFF file; ``unknown`` says why Pillow cannot decode it, if so."""

    unknown: str = ""

    def _setup(self) -> None:
        self.unknown = ""
        if DNG in self.tag_v2:
            raise PictureError("a camera's raw file is no picture yet", "Develop it first")
        try:
            super()._setup()
        except SyntaxError as error:
            if self.size == (0, 0):
                raise
            self.unknown = str(error)
            alpha = bool(self.extra) and self.extra[0] in (1, 2)
            gray = self.tag_v2.get(PHOTOMETRIC, 0) < 2
            self._mode = {(1, 0): "L", (1, 1): "LA", (0, 0): "RGB", (0, 1): "RGBA"}[gray, alpha]
            self.tile = []
            if ICC in self.tag_v2:
                self.info["icc_profile"] = self.tag_v2[ICC]

    @property
    def extra(self) -> tuple[int, ...]:
        """What the channels besides the colours are: 1 and 2 are alpha."""
        return self.tag_v2.get(EXTRA, ())

    @property
    def white_is_zero(self) -> bool:
        """Whether gray values count ink and not light."""
        return self.tag_v2.get(PHOTOMETRIC, 1) == 0

    def pages(self) -> int:
        """How many pages there are, but for smaller versions of others."""
        count = 0
        for page in range(self.n_frames):
            self.seek(page)
            count += not self.tag_v2.get(SUBFILE, 0) & REDUCED
        self.seek(0)
        return count

    @property
    def iptc(self) -> bytes | None:
        """The IPTC records."""
        found = self.tag_v2.get(IPTC)
        if isinstance(found, bytes):
            return found
        block = self.get_photoshop_blocks().get(0x0404)
        return block["data"] if block else None
