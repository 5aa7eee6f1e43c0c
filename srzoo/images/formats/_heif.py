"""What AVIF and HEIC have in common: their boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image

from ...errors import PictureError
from .. import profiles
from ..bmff import heif
from ..format import DAMAGED, Asked
from ..picture import Picture
from ..pillow import Found, PillowFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..picture import Pixels

OTHERS = "only the main one of the file's pictures is taken"
KNOWN_PRIMARIES = {1, 2, *range(4, 13), 22}
KNOWN_TRANSFERS = {1, 2, *range(4, 19)}
"""Those that ITU-T H.273 has."""
UNTOLD = (2, 2, 2, 1)
BOXES = "boxes"
"""Where :class:`Found` has what the boxes tell."""


class HEIF(PillowFormat):
    """A format of HEIF's family.

    Colours: where there is a profile, it governs, as in libavif, libheif and the browsers; the
    numbers beside it (nclx) are an encoder's filling then, and are not kept.
    """

    cicp = True
    dpi_in_exif = True

    def beside(self, file: BinaryIO, image: Image.Image) -> Found:
        """What the reader and the boxes tell."""
        found = super().beside(file, image)
        told = heif.read_facts(file)
        found.info = found.info | {BOXES: told}
        icc = found.info.get("icc_profile")
        profile = isinstance(icc, bytes) and profiles.space(icc) in ("GRAY", "RGB")
        if not profile and told.cicp and not profiles.plain(told.cicp, told.gray):
            found.cicp = told.cicp
        found.lost += told.gone
        if told.others or (not told.sequence and getattr(image, "n_frames", 1) > 1):
            found.lost.append(OTHERS)
        if told.aspect[0] != told.aspect[1]:
            sides = f"{told.aspect[0]}:{told.aspect[1]}"
            found.lost.append(f"pixels are {sides}, wider or higher than square: taken for square")
        return found

    def colours(self, picture: Picture, cicp: tuple[int, int, int, int]) -> Picture:
        """The numbers; a profile beside them would govern."""
        if not known(cicp):
            told = f"colours by CICP {cicp[0]}/{cicp[1]} are not known: taken for sRGB"
            return picture.losing(told, cicp=None)
        if picture.icc is None:
            return picture
        lost = f"the profile beside CICP was dropped: in {self.name} it would go first"
        return picture.losing(lost, icc=None)

    def read(self, file: BinaryIO, asked: Asked) -> Picture:
        """Decode the file.

        Raises:
            PictureError: it is damaged; nothing of it can be read then.
        """
        try:
            return super().read(file, asked)
        except DAMAGED as error:
            if not asked.force_damaged:
                raise
            raise PictureError(
                f"it is damaged ({error}), and its decoder gives nothing of such a file",
                "Restore the file",
            ) from error


def known(cicp: tuple[int, int, int, int]) -> bool:
    """Whether ITU-T H.273 has such primaries and such a transfer; libheif refuses others."""
    return cicp[0] in KNOWN_PRIMARIES and cicp[1] in KNOWN_TRANSFERS


def whole(found: Found) -> heif.HeifFacts:
    """What the boxes tell."""
    return cast("heif.HeifFacts", found.info[BOXES])


def uncovered(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Colours that alpha was multiplied into, as they were before."""
    white = int(np.iinfo(pixels.dtype).max)
    opacity: NDArray[Any] = np.maximum(alpha, 1).astype(np.float32)
    if pixels.ndim == 3:
        opacity = opacity[:, :, None]
    full = np.rint(pixels * (white / opacity))
    return np.minimum(full, white).astype(pixels.dtype)
