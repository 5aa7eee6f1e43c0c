"""JPEG."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, BinaryIO

from PIL import Image

from .. import metadata
from ..format import FINE, Memory
from ..picture import Picture
from ..pillow import Found, PillowFormat, saved

SEGMENT = 65_000
"""Bytes that a segment of a JPEG holds, with room for its name."""

QUALITY = 95


class JPEG(PillowFormat):
    """JPEG: 8 bits, no transparency; the main photo of a phone's several (MPO)."""

    key = "jpg"
    name = "JPEG"
    pillow = "JPEG"
    loader = "jpegload"
    suffixes = (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo")
    writes = True
    max_side = 65_500
    alpha = False
    quality = QUALITY
    iptc = True
    thrifty = True
    memory = Memory((1.4, 2.4))

    def recognises(self, head: bytes, suffix: str) -> bool:
        """It begins with SOI and another marker."""
        return head.startswith(b"\xff\xd8\xff")

    def frames(self, image: Image.Image) -> int:
        """One photo, and what belongs to it: previews, depth, the rest of a burst."""
        return 1

    def beside(self, file: BinaryIO, image: Image.Image) -> Found:
        """What the segments tell."""
        found = super().beside(file, image)
        if "mp" in image.info or getattr(image, "n_frames", 1) > 1:
            found.lost.append("only the main one of the file's pictures is taken")
        if isinstance(comment := image.info.get("comment"), bytes):
            found.texts = (("Comment", comment.decode("utf-8", "replace").strip("\0")),)
        return found

    def texts(self, picture: Picture) -> tuple[tuple[str, str], ...]:
        """A comment."""
        return tuple(text for text in picture.texts if text[0] == "Comment")

    def fitted(self, picture: Picture) -> Picture:
        """The picture as it fits into short segments."""
        picture = super().fitted(picture)
        if picture.exif and len(picture.exif) > SEGMENT:
            exif = metadata.without_maker_note(picture.exif)
            lost = "the EXIF maker note is too long for a JPEG: dropped"
            picture = picture.losing(lost, exif=exif)
            if len(exif) > SEGMENT:
                picture = picture.losing("the EXIF data is too long for a JPEG: dropped", exif=None)
        if picture.xmp and len(picture.xmp) > SEGMENT:
            picture = picture.losing("the XMP data is too long for a JPEG: dropped", xmp=None)
        if picture.iptc and not metadata.photoshop_segment(picture.iptc):
            picture = picture.losing("the IPTC records are too long for a JPEG: dropped", iptc=None)
        return picture

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode by Pillow; full colour resolution from quality 90 on."""
        quality = quality or QUALITY
        options: dict[str, Any] = {"quality": quality, "subsampling": 0 if quality >= FINE else 2}
        if picture.dpi:
            options["dpi"] = picture.dpi
        if picture.texts:
            options["comment"] = picture.texts[0][1]
        if picture.iptc:
            options["extra"] = metadata.photoshop_segment(picture.iptc)
        saved(replace(picture, dpi=None), file, "JPEG", options)
