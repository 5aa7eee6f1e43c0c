"""Photoshop's documents."""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, cast

from PIL import Image

from ...errors import PictureError
from ..format import ReadRequest
from ..pillow import FileMetadata, PillowFormat

RESOLUTION, IPTC, EXIF, XMP = 1005, 1028, 1058, 1060


class PSD(PillowFormat):
    """PSD, read only: its merged picture."""

    key = "psd"
    name = "PSD"
    pillow = "PSD"
    suffixes = (".psd",)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with the signature."""
        return head[:4] == b"8BPS"

    def open_image(self, file: BinaryIO, request: ReadRequest) -> Image.Image:
        """The opened file; Pillow supports 1 and 8 bits."""
        head = file.read(26)
        file.seek(0)
        bits = struct.unpack_from(">H", head, 22)[0] if len(head) == 26 else 8
        if bits not in (1, 8):
            raise PictureError(f"the PSD has {bits} bits a channel", "Save it as TIFF or PNG")
        return super().open_image(file, request)

    def frame_count(self, image: Image.Image) -> int:
        """One: layers are not pages."""
        return 1

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The metadata in Photoshop's resources."""
        found = super().read_metadata(file, image)
        resources: dict[int, Any] = {
            number: data for number, _, data in getattr(image, "resources", [])
        }
        if len(data := resources.get(RESOLUTION, b"")) >= 12:
            across, down = struct.unpack_from(">I", data)[0], struct.unpack_from(">I", data, 8)[0]
            found.info = found.info | {"dpi": (across / 65_536, down / 65_536)}
        found.xmp, found.iptc = resources.get(XMP), resources.get(IPTC)
        if data := resources.get(EXIF):
            found.exif.load(data if data.startswith(b"Exif\0\0") else b"Exif\0\0" + data)
        if len(cast("list[Any]", getattr(image, "layers", []))) > 1:
            found.lost.append("the layers became one")
        return found
