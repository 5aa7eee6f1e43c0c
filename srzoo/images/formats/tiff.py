"""TIFF and BigTIFF."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from PIL import Image

from ...errors import PictureError
from .. import tiff, vips
from ..format import Asked, Memory
from ..pages import Tiff
from ..picture import PHOTO, Picture
from ..pillow import Found, PillowFormat

BEGINNINGS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class TIFF(PillowFormat):
    """TIFF: up to 16 bits; written by srzoo itself, since nobody else keeps EXIF and depth."""

    key = "tiff"
    name = "TIFF"
    pillow = "TIFF"
    loader = "tiffload"
    suffixes = (".tif", ".tiff")
    writes = True
    bits = 16
    iptc = True
    unit = "page"
    thrifty = True
    memory = Memory((0.1, 0.1))

    def recognises(self, head: bytes, suffix: str) -> bool:
        """It begins as TIFF or BigTIFF of either order of bytes."""
        return head[:4] in BEGINNINGS

    def opened(self, file: BinaryIO, asked: Asked) -> Image.Image:
        """The file opened, also where Pillow does not know the kind of its pixels."""
        return Tiff(file)

    def frames(self, image: Image.Image) -> int:
        """Its pages, but for smaller versions of others."""
        return cast("Tiff", image).pages() if getattr(image, "n_frames", 1) > 1 else 1

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """As BitsPerSample has it."""
        return max(cast("Any", image).tag_v2.get(258, (1,)))

    def beside(self, file: BinaryIO, image: Image.Image) -> Found:
        """What the directory tells; Pillow turns TIFFs itself, and says so in their size."""
        found = super().beside(file, image)
        found.info = found.info | {"dpi": None}  # what Pillow tells of a TIFF without any is 1
        found.iptc = cast("Tiff", image).iptc
        if not self.by_vips(image, found, self.stored_bits(file, image)):
            found.turn = 1
        return found

    def upright_size(self, image: Image.Image, found: Found) -> tuple[int, int]:
        """As Pillow says, which turns at once."""
        return image.size

    def by_vips(self, image: Image.Image, found: Found, bits: int) -> bool:
        """Also where Pillow does not know the kind."""
        if unknown := cast("Tiff", image).unknown:
            if vips.library() is None:
                raise PictureError(
                    f"this kind of TIFF ({unknown}) is unknown to Pillow",
                    f"Install pyvips: {PHOTO}",
                )
            return True
        return super().by_vips(image, found, bits)

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode: deflate, in strips."""
        tiff.save(picture, file)
