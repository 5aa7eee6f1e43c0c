"""EXIF, XMP and IPTC: what is taken over, what is made to fit the new picture."""

from __future__ import annotations

import html
import re
import struct
from dataclasses import replace
from typing import Any, cast

from PIL import Image

from .._version import __version__
from .picture import Picture

ORIENTATION = 0x0112
DPI_X, DPI_Y, DPI_UNIT = 0x011A, 0x011B, 0x0128
CAMERA, GPS, INTEROP = 0x8769, 0x8825, 0xA005
MAKER_NOTE = 0x927C
EXIF_WIDTH, EXIF_HEIGHT = 0xA002, 0xA003
DESCRIPTIVE = {
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298,  # description to copyright
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0x4746, 0x4749,  # Windows' title to rating
}  # fmt: skip
IPTC_RESOURCE = 0x0404
"""Where Photoshop's block holds IPTC."""
DAMAGED = (ValueError, TypeError, KeyError, SyntaxError, OSError, struct.error)

SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ENHANCED = f"{SOURCE_TYPES}algorithmicallyEnhanced"
"""IPTC: altered by an algorithm that leaves the main content as it is."""
PARTLY_INVENTED = f"{SOURCE_TYPES}compositeWithTrainedAlgorithmicMedia"
"""IPTC: edited with generative AI."""
STRONGER = {"trainedAlgorithmicMedia", "compositeSynthetic", "compositeWithTrainedAlgorithmicMedia"}
"""What a picture said to be must not be made harmless by us."""
EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def orientation(exif: Image.Exif) -> int:
    """How an image has to be turned, 1 to 8 as in EXIF."""
    value: object = exif.get(ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def exif_of(found: Image.Exif) -> bytes | None:
    """The descriptive part of the EXIF data; what describes the old file's layout is left out.

    Raises:
        ValueError, TypeError, KeyError, SyntaxError, OSError, struct.error: it is damaged.
    """
    kept = Image.Exif()
    kept.endian = found.endian  # maker notes are in it, too
    for tag in DESCRIPTIVE & set(found):
        kept[tag] = found[tag]
    for pointer in {CAMERA, GPS} & set(found):
        values = {
            tag: value
            for tag, value in found.get_ifd(pointer).items()
            if tag not in (EXIF_WIDTH, EXIF_HEIGHT)
        }
        if INTEROP in values and not _nested(found, values):
            del values[INTEROP]
        if values:
            kept[pointer] = values
    return kept.tobytes() if len(kept) else None


def _nested(exif: Image.Exif, camera: dict[int, Any]) -> bool:
    """Put the directory in the place of its offset; False where there is none behind it."""
    camera[INTEROP] = dict(exif.get_ifd(INTEROP))
    return bool(camera[INTEROP])


def with_layout(picture: Picture, *, dpi: bool) -> bytes | None:
    """A picture's EXIF data with its size, and with its DPI where the format has no other place."""
    if picture.exif is None and not (dpi and picture.dpi):
        return None
    exif = Image.Exif()
    if picture.exif:
        exif.load(picture.exif)
    camera: dict[int, Any] = dict(exif.get_ifd(CAMERA))
    if INTEROP in camera and not _nested(exif, camera):
        del camera[INTEROP]
    if camera:
        camera |= {EXIF_WIDTH: picture.size[0], EXIF_HEIGHT: picture.size[1]}
    for pointer, values in ((CAMERA, camera), (GPS, dict(exif.get_ifd(GPS)))):
        if values:
            exif[pointer] = values
        elif pointer in exif:
            del exif[pointer]  # an offset to something that cannot be read
    if dpi and picture.dpi:
        exif[DPI_X], exif[DPI_Y], exif[DPI_UNIT] = picture.dpi[0], picture.dpi[1], 2
    return exif.tobytes()


def without_maker_note(exif: bytes) -> bytes:
    """EXIF data without the part that only its camera's maker understands."""
    found = Image.Exif()
    found.load(exif)
    found.get_ifd(CAMERA).pop(MAKER_NOTE, None)
    return exif_of(found) or b""


def exif_dpi(exif: Image.Exif) -> tuple[float, float] | None:
    """The resolution that EXIF data tells."""
    if exif.get(DPI_UNIT, 2) not in (2, 3):
        return None  # a ratio of the pixels' sides, at most
    try:
        x, y = float(exif[DPI_X]), float(exif[DPI_Y])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    inch = 2.54 if exif.get(DPI_UNIT, 2) == 3 else 1.0
    return (x * inch, y * inch) if 0 < x < 1e6 and 0 < y < 1e6 else None


def exif_and_dpi(
    found: Image.Exif, dpi: Any, lost: list[str]
) -> tuple[bytes | None, tuple[float, float] | None]:
    """EXIF data to keep, and the DPI of the file or of its EXIF data.

    Args:
        found: the file's EXIF data.
        dpi: what the file tells besides.
        lost: takes what could not be kept.
    """
    try:
        dpi = dpi or exif_dpi(found)
        return exif_of(found), (float(dpi[0]), float(dpi[1])) if dpi else None
    except DAMAGED as error:
        lost.append(f"the EXIF data is damaged and was dropped ({error})")
        return None, (float(dpi[0]), float(dpi[1])) if dpi else None


def xmp_of(xmp: bytes, lost: list[str]) -> bytes:
    """An XMP packet, upright like EXIF's; ``lost`` is told of a part that lies elsewhere."""
    upright = re.sub(rb"(tiff:Orientation(?:\s*=\s*[\"']|>))[2-8]", rb"\g<1>1", xmp)
    pointer = rb"\s+xmpNote:HasExtendedXMP\s*=\s*(\"[^\"]*\"|'[^']*')"
    whole, parts = re.subn(pointer, b"", upright)
    element = rb"<xmpNote:HasExtendedXMP>.*?</xmpNote:HasExtendedXMP>"
    whole, more = re.subn(element, b"", whole, flags=re.DOTALL)
    if parts or more:
        lost.append("the part of the XMP data that lies apart was dropped")
    return whole


def sized(xmp: bytes, size: tuple[int, int]) -> bytes:
    """An XMP packet whose sizes, if it tells any, are those of the picture."""
    for names, side in (
        (rb"tiff:ImageWidth|exif:PixelXDimension", size[0]),
        (rb"tiff:ImageLength|exif:PixelYDimension", size[1]),
    ):
        pattern = rb"((?:" + names + rb")(?:\s*=\s*[\"']|>))\d+"
        xmp = re.sub(pattern, rb"\g<1>" + str(side).encode(), xmp)
    return xmp


def stamped(picture: Picture, model: str, *, invented: bool = False) -> Picture:
    """The picture with its provenance in XMP.

    ``xmp:CreatorTool`` becomes "srzoo MODEL VERSION"; ``Iptc4xmpExt:DigitalSourceType`` says
    that an algorithm enhanced the picture or, with ``invented``, that generative AI edited it.
    A picture that was said to be made by generative AI stays so.

    Args:
        picture: what to stamp.
        model: the model's name.
        invented: whether the model was trained to invent detail.
    """
    text, lost = EMPTY, picture.lost
    if picture.xmp:
        try:
            text = picture.xmp.decode("utf-8")
        except UnicodeDecodeError:
            lost = (*lost, "the XMP data is not UTF-8 and was replaced")
    if not re.search(r"</\w+:RDF>|<\w+:RDF[^>]*/>", text):
        lost = (*lost, "the XMP data is damaged and was replaced")
        text = EMPTY
    text = re.sub(r"<((\w+):RDF[^>]*)/>", r"<\1></\2:RDF>", text)
    before = re.search(re.escape(SOURCE_TYPES) + r"(\w+)", text)
    source = PARTLY_INVENTED if invented else ENHANCED
    if before and before[1] in STRONGER:
        source = SOURCE_TYPES + before[1]
    for name in ("CreatorTool", "DigitalSourceType"):
        text = re.sub(rf"\s+[\w.-]+:{name}\s*=\s*(\"[^\"]*\"|'[^']*')", "", text)
        element = rf"<([\w.-]+:{name})\b[^>]*?(?:/>|(?<!/)>.*?</\1\s*>)"
        text = re.sub(element, "", text, flags=re.DOTALL)
    about = re.search(r"rdf:about\s*=\s*(\"[^\"]*\"|'[^']*')", text)
    subject = about[1] if about else '""'
    description = (
        f"<rdf:Description rdf:about={subject}"
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        f' xmp:CreatorTool="{html.escape(f"srzoo {model} {__version__}")}"'
        f' Iptc4xmpExt:DigitalSourceType="{source}"/>'
    )
    text = re.sub(r"(</\w+:RDF>)", lambda end: description + end[1], text, count=1)
    return replace(picture, xmp=text.encode(), lost=lost)


def iptc_of(info: dict[Any, Any]) -> bytes | None:
    """The IPTC records from what Pillow found in a JPEG or a TIFF."""
    resources: object = info.get("photoshop")
    if not isinstance(resources, dict):
        return None
    found = cast("dict[int, object]", resources).get(IPTC_RESOURCE)
    return found if isinstance(found, bytes) and found else None


def photoshop_segment(iptc: bytes) -> bytes:
    """A JPEG's APP13 segment with IPTC records; nothing where they are too long for one."""
    body = b"Photoshop 3.0\0" + b"8BIM" + struct.pack(">HHI", IPTC_RESOURCE, 0, len(iptc))
    body += iptc + bytes(len(iptc) % 2)
    return b"\xff\xed" + struct.pack(">H", len(body) + 2) + body if len(body) < 65_533 else b""
