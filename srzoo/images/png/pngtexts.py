"""Metadata in the chunks of a PNG: EXIF, XMP, IPTC, texts, profile, resolution.

The data are untrusted: inflated data are limited in size, and invalid data are dropped with a note.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from PIL import Image

from .. import metadata
from ..format import DAMAGED
from ..pillow import FileMetadata
from .pngchunks import PNGChunks
from .pngwriter import XMP_KEYWORD

ROOM = 2**25
"""The largest total size of inflated metadata in bytes."""
MOST = 10_000
"""The largest number of texts that are kept."""
RAW = "Raw profile type "
"""ImageMagick's prefix for EXIF, XMP, IPTC and profiles as hexadecimal digits."""
KINDS = ("exif", "app1", "xmp", "iptc", "8bim", "icc", "icm")
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
EXIF_NAME = b"Exif\0\0"
IPTC_RESOURCE = 0x0404
SQUARE = 0.005
"""The accepted difference of a pixel's sides that count as equal: resolutions are rounded."""


def read_metadata(chunks: PNGChunks) -> FileMetadata:
    """All metadata of the file."""
    return _Reader(chunks).found


class _Reader:
    def __init__(self, chunks: PNGChunks) -> None:
        self.found = FileMetadata(lost=[*chunks.notes])
        self.room = ROOM
        self.texts: list[tuple[str, str]] = []
        self.raw: dict[str, bytes] = {}
        data = chunks.data
        self.exif = data.get(b"eXIf")
        self.icc: bytes | None = None
        self.attempt("the colour profile", self.profile, data.get(b"iCCP"))
        for name, text in chunks.texts:
            if len(self.texts) > MOST:
                break
            xmp = text.startswith(XMP_KEYWORD.encode() + b"\0")
            self.attempt("the XMP data" if xmp else "a text", self.text, name + text)
        for kind, body in self.raw.items():
            self.attempt(
                f"the text '{RAW}{kind}'", self.profile_as_text, kind.encode() + b"\0" + body
            )
        if len(chunks.texts) > MOST and len(self.texts) > MOST:
            self.add_note(f"it has more than {MOST:,} texts: the others were dropped")
        self.attempt("the EXIF data", self.load, self.exif)
        self.found.orientation = metadata.orientation(self.found.exif, self.found.xmp)
        self.attempt("the resolution", self.resolution, data.get(b"pHYs"))
        if code := data.get(b"cICP"):
            self.found.cicp = (code[0], code[1], code[2], code[3])
        self.found.texts = tuple(self.texts[:MOST])
        self.found.info["icc_profile"] = self.icc

    def add_note(self, what: str) -> None:
        if what not in self.found.lost:
            self.found.lost.append(what)

    def attempt(self, what: str, do: Callable[[bytes], None], data: bytes | None) -> None:
        """Read an item, or report that it could not be read."""
        try:
            if data is not None:
                do(data)
        except (*DAMAGED, zlib.error) as error:
            self.add_note(f"{what} is damaged or too large and was dropped ({error})")

    def inflate(self, data: bytes) -> bytes:
        """Inflate data; a ValueError if they are too large."""
        inflater = zlib.decompressobj()
        out = inflater.decompress(data, self.room + 1)
        self.room -= min(len(out), self.room)
        if not inflater.eof:
            raise ValueError("it is cut off" if self.room else f"more than {ROOM:,} bytes")
        return out

    def profile(self, data: bytes) -> None:
        _, _, rest = data.partition(b"\0")
        self.take_profile(self.inflate(rest[1:]))

    def take_profile(self, icc: bytes) -> None:
        if icc[36:40] != b"acsp":
            raise ValueError("it is not an ICC profile")
        self.icc = self.icc or icc

    def text(self, data: bytes) -> None:
        """Read a text of any of the three kinds."""
        name, rest = data[:4], data[4:]
        keyword, _, rest = rest.partition(b"\0")
        coding = "latin-1"
        if name == b"zTXt":
            rest = self.inflate(rest[1:])
        elif name == b"iTXt":
            compressed, rest = rest[:1] == b"\1", rest[2:]
            _language, _, rest = rest.partition(b"\0")
            _translated, _, rest = rest.partition(b"\0")
            rest = self.inflate(rest) if compressed else rest
            coding = "utf-8"
        key = keyword.decode("latin-1")
        if not key:
            raise ValueError("it has no keyword")
        if key == XMP_KEYWORD:
            self.found.xmp = self.found.xmp or rest
        elif key.removeprefix(RAW).lower() in KINDS and key.startswith(RAW):
            self.raw.setdefault(key.removeprefix(RAW).lower(), rest)
        else:
            self.texts.append((key, rest.decode(coding, "replace")))

    def profile_as_text(self, data: bytes) -> None:
        """Read a newline, the kind, the length, and hexadecimal digits."""
        kind, _, body = data.partition(b"\0")
        _, _, length, digits = body.split(b"\n", 3)
        raw = bytes.fromhex(digits.decode("ascii"))[: int(length)]
        if kind in (b"icc", b"icm"):
            self.take_profile(raw)
        elif kind in (b"iptc", b"8bim"):
            self.found.iptc = self.found.iptc or find_iptc(raw)
        elif kind == b"xmp" or raw.startswith(XMP_NAME):
            self.found.xmp = self.found.xmp or raw.removeprefix(XMP_NAME)
        elif kind == b"exif" or raw.startswith(EXIF_NAME):
            self.exif = self.exif or raw

    def load(self, data: bytes) -> None:
        exif = Image.Exif()
        exif.load(EXIF_NAME + data.removeprefix(EXIF_NAME))
        self.found.exif = exif
        self.found.info["exif"] = EXIF_NAME + data.removeprefix(EXIF_NAME)

    def resolution(self, data: bytes) -> None:
        """Read pixels per metre, or the aspect ratio of pixels."""
        x, y, unit = struct.unpack(">IIB", data)
        if not (x and y):
            return
        if abs(x / y - 1) > SQUARE:
            self.add_note(f"the pixels are not square ({y / x:.4g}:1): kept as they are")
        dpi = (x * 0.0254, y * 0.0254)
        if unit == 1 and max(dpi) < 1e6:
            self.found.info["dpi"] = dpi
        elif unit == 1:
            raise ValueError(f"{dpi[0]:.0f} dots an inch")


def find_iptc(resources: bytes) -> bytes | None:
    """The IPTC records in Photoshop's resources, or bare ones."""
    if resources.startswith(b"\x1c"):
        return resources
    at = len(b"Photoshop 3.0\0") if resources.startswith(b"Photoshop 3.0\0") else 0
    while resources[at : at + 4] == b"8BIM":
        number, name = struct.unpack(">HB", resources[at + 4 : at + 7])
        at += 6 + name + 1 + (name + 1) % 2
        (length,) = struct.unpack(">I", resources[at : at + 4])
        if number == IPTC_RESOURCE:
            return resources[at + 4 : at + 4 + length] or None
        at += 4 + length + length % 2
    return None
