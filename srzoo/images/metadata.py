"""EXIF, XMP and IPTC: parts that are kept, and parts that are adapted to the new picture.

EXIF and XMP have modules of their own, which this one re-exports.
"""

from __future__ import annotations

import struct
from typing import Any, cast

from .exif import CAMERA as CAMERA
from .exif import GPS as GPS
from .exif import INTEROP as INTEROP
from .exif import descriptive_exif as descriptive_exif
from .exif import exif_and_dpi as exif_and_dpi
from .exif import load_exif as load_exif
from .exif import orientation as orientation
from .exif import valid_dpi as valid_dpi
from .exif import with_size_and_dpi as with_size_and_dpi
from .exif import without_maker_note as without_maker_note
from .xmp import ENHANCED as ENHANCED
from .xmp import PARTLY_INVENTED as PARTLY_INVENTED
from .xmp import SOURCE_TYPES as SOURCE_TYPES
from .xmp import descriptive_xmp as descriptive_xmp
from .xmp import with_provenance as with_provenance
from .xmp import with_size as with_size
from .xmp import without_pointers as without_pointers

IPTC_RESOURCE = 0x0404
"""The key of IPTC in Photoshop's resources."""


def find_iptc(info: dict[Any, Any]) -> bytes | None:
    """The IPTC records from what Pillow found in a JPEG or a TIFF."""
    resources: object = info.get("photoshop")
    if not isinstance(resources, dict):
        return None
    found = cast("dict[int, object]", resources).get(IPTC_RESOURCE)
    return found if isinstance(found, bytes) and found else None


def photoshop_segment(iptc: bytes) -> bytes:
    """A JPEG's APP13 segment with IPTC records; empty if they are too long."""
    body = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc))
    body += iptc + bytes(len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body if len(body) < 65_533 else b""
