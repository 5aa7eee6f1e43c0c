"""JPEG."""

from __future__ import annotations

import contextlib
import hashlib
import struct
from dataclasses import replace
from typing import Any, BinaryIO, cast

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from ...errors import PictureError
from .. import decoding, metadata, xmp, xmppacket
from ..format import DAMAGED, DEEP, Memory, ReadRequest
from ..jpeg import jpegcheck, jpegfile
from ..picture import Picture
from ..pillow import FileMetadata, PillowFormat, save_with_pillow

SEGMENT = 65_000
"""The largest size of a JPEG segment, with room for its name."""
PROFILE = 255 * 65_519
"""The largest size of a profile: 255 segments."""
DENSITY = 65_535
"""The largest DPI: JFIF stores 16 bits."""

QUALITY = 95
FORCE = "Restore the file, or give force_damaged=True"
OTHERS = "only the main picture of the file is used"
TRAILERS = {
    b"hdr-gain-map/1.0": xmp.GAIN_MAP, jpegfile.ISO_GAIN_MAP: xmp.GAIN_MAP,
    b"HDRGainMap": xmp.GAIN_MAP, b"hdrgainmap": xmp.GAIN_MAP, b"ftyp": xmp.VIDEO,
    b"MotionPhoto_Data": xmp.VIDEO, b"DepthMap": xmp.DEPTH, b"depthmap": xmp.DEPTH,
    b"DepthData": xmp.DEPTH, b"depthdata": xmp.DEPTH, b"SoundShot": xmp.SOUND,
}  # fmt: skip
"""Signatures that identify data after a photo."""
SIGNS = {
    jpegfile.ISO_GAIN_MAP: xmp.GAIN_MAP,
    b"_JPSJPS_": "it is a stereo pair (JPS); the result is not marked as one",
    b"FLIR\0": "the thermal data (FLIR) are gone", b"JP": "the content credentials (C2PA) are gone",
}  # fmt: skip


class OpenedJPEG(JpegImageFile):
    """A JPEG as opened by Pillow, with its layout."""

    layout: jpegfile.JPEGLayout
    force: bool = False


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
    memory = Memory((1.4, 1.8), thrifty=True)

    def recognises(self, head: bytes, suffix: str) -> bool:
        """Whether it begins with SOI and another marker."""
        return head.startswith(b"\xff\xd8\xff")

    def open_image(self, file: BinaryIO, request: ReadRequest) -> Image.Image:
        """The part of the file that a decoder needs."""
        layout = jpegfile.read_layout(file)
        image = OpenedJPEG(layout.stream(file))
        image.layout, image.force = layout, request.force_damaged
        return image

    def frame_count(self, image: Image.Image) -> int:
        """One: previews, depth and the rest of a burst belong to the photo."""
        return 1

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The metadata in the segments."""
        beside, lost = cast("OpenedJPEG", image).layout.metadata, list[str]()
        if beside.exif:  # long data continue in the next segment
            image.info["exif"] = b"Exif\0\0" + b"".join(
                part for at, part in enumerate(beside.exif) if not at or part[:2] not in ORDERS
            )
        if beside.xmp:
            image.info["xmp"], notes = metadata.without_pointers(_extended_xmp(beside, lost))
            lost += notes
        icc = _profile(beside.icc)
        if beside.icc and not icc:
            lost.append("the colour profile is damaged and was dropped")
        image.info["icc_profile"] = icc
        found = super().read_metadata(file, image)
        found.lost += lost
        if beside.left <= 0:
            found.lost.append(f"more than {jpegfile.MOST_KEPT // 10**6} MB of metadata: dropped")
        found.lost += [sentence for sign, sentence in SIGNS.items() if sign in beside.signs]
        found.iptc, paths = _resources(b"".join(beside.photoshop))
        if paths:
            found.lost.append("the clipping paths are gone")
        across, down = image.info.get("jfif_density", (1, 1))
        if image.info.get("jfif_unit") == 0 and across != down and across * down:
            found.lost.append(
                f"its pixels are not square ({across}:{down}): the result does not record that"
            )
        comments = [_text(comment) for comment in beside.comments]
        if comment := "\n".join(filter(None, comments)):
            found.texts = (("Comment", comment),)
        return found

    def decode_pixels(
        self, file: BinaryIO, image: Image.Image, found: FileMetadata
    ) -> decoding.Decoded:
        """The pixels, checked for completeness; data after them are reported as dropped."""
        layout, force = cast("OpenedJPEG", image).layout, cast("OpenedJPEG", image).force
        jpegfile.add_scans(file, layout)
        if problem := _find_damage(file, layout, found.lost):
            if not force:
                raise PictureError(f"the file is {problem}", FORCE)
            found.lost.append(f"the file is {problem}")
        elif not layout.ended:
            found.lost.append("the file lacks its end marker (EOI); the picture is whole")
        behind = _trailing_data(file, layout)
        if known := {*TRAILERS.values()} & {*found.lost}:  # already known from the XMP data
            behind = [sentence for sentence in behind if sentence in TRAILERS.values()]
        found.lost += [sentence for sentence in behind if sentence not in known]
        if len(layout.components) == 4 and not layout.metadata.adobe:
            found.lost.append("the CMYK has no Adobe marker and was read as Adobe's")
        whole = OpenedJPEG(layout.stream(file))
        try:
            return super().decode_pixels(layout.stream(file), whole, found)
        except DAMAGED as error:
            if not force:
                raise PictureError(f"the file is damaged: {error}", FORCE) from error
            whole.tile = []  # keep the part that was decoded
            return decoding.decode_with_pillow(whole, found.info.get("icc_profile"), found.lost)

    def writable_texts(self, picture: Picture) -> tuple[tuple[str, str], ...]:
        """The comment."""
        return tuple(text for text in picture.texts if text[0] == "Comment")

    def fit(self, picture: Picture) -> Picture:
        """The picture, with metadata that fit into short segments."""
        picture = super().fit(picture)
        if picture.exif and len(picture.exif) > SEGMENT:
            exif = metadata.without_maker_note(picture.exif)
            lost = "the EXIF maker note is too long for a JPEG: dropped"
            picture = picture.with_loss(lost, exif=exif)
            if len(exif) > SEGMENT:
                picture = picture.with_loss(
                    "the EXIF data is too long for a JPEG: dropped", exif=None
                )
        if picture.xmp and len(picture.xmp) > SEGMENT:
            short, names = xmp.shorten(picture.xmp, SEGMENT)
            what = f"dropped {', '.join(names[:8])}" if short else "dropped"
            if names or not short:
                picture = picture.with_loss(f"the XMP data is too long for a JPEG: {what}")
            picture = replace(picture, xmp=short)
        if picture.iptc and not metadata.photoshop_segment(picture.iptc):
            picture = picture.with_loss(
                "the IPTC records are too long for a JPEG: dropped", iptc=None
            )
        if picture.icc and len(picture.icc) > PROFILE:
            picture = picture.with_loss(
                "the colour profile is too long for a JPEG: dropped", icc=None
            )
        if picture.dpi and not all(1 <= round(value) <= DENSITY for value in picture.dpi):
            x, y = picture.dpi
            lost = f"JPEG holds 1 to {DENSITY:,} dpi: {x:g} x {y:g} dropped"
            picture = picture.with_loss(lost, dpi=None)
        if any(len(_comment(text)) > DENSITY + 2 for _, text in picture.texts):
            picture = picture.with_loss("the comment is too long for a JPEG: dropped", texts=())
        return picture

    def write(self, picture: Picture, file: BinaryIO, quality: int | None) -> None:
        """Encode by Pillow; full colour resolution from quality 90."""
        quality = quality or QUALITY
        options: dict[str, Any] = {"quality": quality, "subsampling": 0 if quality >= DEEP else 2}
        if picture.dpi:
            options["dpi"] = picture.dpi
        extra = b"".join(_comment(text) for _, text in picture.texts)
        if picture.iptc:
            extra += metadata.photoshop_segment(picture.iptc)
        if extra:
            options["extra"] = extra
        save_with_pillow(replace(picture, dpi=None), file, "JPEG", options)


ORDERS = (b"II", b"MM")


def _find_damage(file: BinaryIO, layout: jpegfile.JPEGLayout, lost: list[str]) -> str | None:
    """The damage to the picture's data; None if none is known."""
    if problem := layout.problem():
        return f"damaged: {problem}"
    if not layout.complete():
        what = "its finer detail or some of its colours are missing"
        if not layout.ended or layout.marker not in jpegfile.PROGRESSIVE:
            return f"cut off: {what}"
        lost.append(f"{what}: the file may be cut off")
    if (row := layout.cut()) is not None:
        return f"cut off: {row} of {layout.height} rows are intact"
    try:
        found = jpegcheck.find_damage(file, layout)
    except DAMAGED as error:
        return f"damaged: {error}"
    if not found:
        return None
    what, row = found
    if what != jpegcheck.MISSING:
        amount = "more data than pixels" if what == jpegcheck.LONG else "some pixels not complete"
        lost.append(f"there are {amount} at row {row} of {layout.height}: it may be damaged")
        return None
    if layout.ended and any(scan.interval for scan in layout.scans):
        return f"damaged: data are missing from row {row} of {layout.height} on"
    return f"cut off: {row} of {layout.height} rows are intact"


def _trailing_data(file: BinaryIO, layout: jpegfile.JPEGLayout) -> list[str]:
    """Sentences on data after the picture, which are dropped."""
    at = layout.end + 2 * layout.ended
    notes: dict[str, None] = {}
    others, count, tail = False, 0, b""
    file.seek(at)
    while data := file.read(jpegfile.CHUNK):
        if not count:
            others = data.lstrip(b"\0\xff\r\n ")[:1] == b"\xd8"
        notes |= {sentence: None for sign, sentence in TRAILERS.items() if sign in tail + data}
        count += len(data.rstrip(b"\0\xff\r\n ") if not notes else data)
        tail = data[-64:]
    if others and not notes:
        notes[OTHERS] = None
    if count and not notes:
        notes[f"{count:,} bytes behind the picture were dropped"] = None
    return list(notes)


def _profile(segments: list[bytes]) -> bytes | None:
    """A profile's parts in order; None if some are missing."""
    parts = {part[0]: part[2:] for part in reversed(segments) if len(part) > 2}
    count = max((part[1] for part in segments if len(part) > 2), default=0)
    if not count or set(range(1, count + 1)) - set(parts):
        return None
    return b"".join(parts[at] for at in range(1, count + 1))


def _extended_xmp(beside: jpegfile.JPEGMetadata, lost: list[str]) -> bytes:
    """The XMP packet, with its extended parts in other segments if they are valid."""
    main = beside.xmp[0]
    names = {part[:32] for part in beside.extended if len(part) >= 40 and part[:32] in main}
    if len(names) == 1:
        name = names.pop()
        parts = [part for part in beside.extended if part[:32] == name and len(part) >= 40]
        starts = [struct.unpack(">I", part[36:40])[0] for part in parts]
        ordered = sorted(zip(starts, parts, strict=True), key=lambda pair: pair[0])
        data = b"".join(part[40:] for _, part in ordered)
        if hashlib.md5(data, usedforsecurity=False).hexdigest().upper().encode() == name.upper():
            with contextlib.suppress(xmppacket.UnreadableError):
                main = xmp.join_extended(main, data)
    if len(beside.xmp) > 1:
        lost.append("only the first of several XMP packets was kept")
    return main


def _resources(block: bytes) -> tuple[bytes | None, bool]:
    """IPTC records from Photoshop's resources, and whether clipping paths exist."""
    iptc, paths, at = None, False, 0
    while block[at : at + 4] == b"8BIM" and at + 12 <= len(block):
        (kind,) = struct.unpack_from(">H", block, at + 4)
        at += 7 + block[at + 6]
        at += at % 2
        if at + 4 > len(block):
            break
        (length,) = struct.unpack_from(">I", block, at)
        data = block[at + 4 : at + 4 + length]
        at += 4 + length + length % 2
        if kind == metadata.IPTC_RESOURCE and iptc is None:
            iptc = data or None
        paths = paths or 2000 <= kind <= 2997
    return iptc, paths


def _text(comment: bytes) -> str:
    """A comment's text: UTF-8 if valid, else Latin-1; without NUL."""
    try:
        text = comment.decode("utf-8")
    except UnicodeDecodeError:
        text = comment.decode("latin-1")
    return text.replace("\0", "")


def _comment(text: str) -> bytes:
    """A segment with a comment; a long text may exceed the limit of a segment."""
    data = text.encode("utf-8", "replace")
    return b"\xff\xfe" + struct.pack(">H", min(len(data) + 2, DENSITY)) + data
