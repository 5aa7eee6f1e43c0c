"""The common base of AVIF and HEIC: their boxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image

from ...errors import PictureError
from .. import profiles
from ..bmff import heif
from ..format import DAMAGED, ReadRequest
from ..picture import Picture
from ..pillow import FileMetadata, PillowFormat

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..picture import Pixels

OTHERS = "only the main picture of the file is used"
KNOWN_PRIMARIES = {1, 2, *range(4, 13), 22}
KNOWN_TRANSFERS = {1, 2, *range(4, 19)}
"""The primaries and transfers that ITU-T H.273 defines."""
UNSPECIFIED = (2, 2, 2, 1)
BOXES = "boxes"
"""The key in :class:`FileMetadata` for the facts of the boxes."""


class HEIF(PillowFormat):
    """A format of HEIF's family.

    Colours: a profile has priority, as in libavif, libheif and browsers; numbers beside it (nclx)
    are then only an encoder's default, and are not kept.
    """

    cicp = True
    dpi_in_exif = True

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The metadata from the decoder and the boxes."""
        found = super().read_metadata(file, image)
        facts = heif.read_facts(file)
        found.info = found.info | {BOXES: facts}
        icc = found.info.get("icc_profile")
        profile = isinstance(icc, bytes) and profiles.colour_space(icc) in ("GRAY", "RGB")
        if not profile and facts.cicp and not profiles.is_like_srgb(facts.cicp, facts.gray):
            found.cicp = facts.cicp
        found.lost += facts.dropped
        if facts.others or (not facts.sequence and getattr(image, "n_frames", 1) > 1):
            found.lost.append(OTHERS)
        if facts.aspect[0] != facts.aspect[1]:
            sides = f"{facts.aspect[0]}:{facts.aspect[1]}"
            found.lost.append(f"pixels are {sides}, wider or higher than square: treated as square")
        return found

    def fit_colours(self, picture: Picture, cicp: tuple[int, int, int, int]) -> Picture:
        """Keep the numbers; a profile beside them would have priority."""
        if not is_known_cicp(cicp):
            note = f"colours by CICP {cicp[0]}/{cicp[1]} are not known: treated as sRGB"
            return picture.with_loss(note, cicp=None)
        if picture.icc is None:
            return picture
        lost = f"the profile beside CICP was dropped: in {self.name} it would go first"
        return picture.with_loss(lost, icc=None)

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode the file.

        Raises:
            PictureError: it is damaged; then no part of it can be read.
        """
        try:
            return super().read(file, request)
        except DAMAGED as error:
            if not request.force_damaged:
                raise
            raise PictureError(
                f"it is damaged ({error}), and its decoder reads no part of such a file",
                "Restore the file",
            ) from error


def is_known_cicp(cicp: tuple[int, int, int, int]) -> bool:
    """Whether ITU-T H.273 defines these primaries and transfer; libheif refuses others."""
    return cicp[0] in KNOWN_PRIMARIES and cicp[1] in KNOWN_TRANSFERS


def box_facts(found: FileMetadata) -> heif.HeifFacts:
    """The facts of the boxes."""
    return cast("heif.HeifFacts", found.info[BOXES])


def unpremultiply(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Colours before they were multiplied by alpha."""
    white = int(np.iinfo(pixels.dtype).max)
    opacity: NDArray[Any] = np.maximum(alpha, 1).astype(np.float32)
    if pixels.ndim == 3:
        opacity = opacity[:, :, None]
    full = np.rint(pixels * (white / opacity))
    return np.minimum(full, white).astype(pixels.dtype)
