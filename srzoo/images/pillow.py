"""Formats that Pillow reads: the usual steps from a file to a picture.

A format's class uses these steps or overrides them: which image of the file, the depth in its
header, its metadata, and the decoder.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar, cast

from PIL import Image

from ..errors import PictureError
from . import decoding, metadata, profiles, vips
from .format import DAMAGED, FIX, Format, Header, ReadRequest, check_page, check_size
from .picture import PHOTO, Picture, reduce_to_8_bits

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from .picture import Pixels

SIDEWAYS = (5, 6, 7, 8)
ANIMATED = "one frame of an animation, {} of {}: how long and how often it is shown was dropped"
APART = "the still picture of a file with an animation, 1 of {}"
SHALLOW = "{} bits a channel became 8; to keep them: {}"
SHALLOW_HERE = "{} bits a channel became 8: no reader of {} here keeps them"


@dataclass
class FileMetadata:
    """The metadata of a file.

    Attributes:
        info: from Pillow: ``icc_profile``, ``dpi``, ``transparency``, ...
        exif: EXIF data; read only.
        xmp, iptc, texts: as in :class:`Picture`.
        orientation: the orientation of the pixels, 1 to 8 as in EXIF.
        cicp: colour primaries, transfer, matrix and range as in ITU-T H.273.
        lost: a sentence for everything that cannot be kept.
    """

    info: dict[Any, Any] = field(default_factory=dict[Any, Any])
    exif: Image.Exif = field(default_factory=Image.Exif)
    xmp: bytes | None = None
    iptc: bytes | None = None
    texts: tuple[tuple[str, str], ...] = ()
    orientation: int = 1
    cicp: tuple[int, int, int, int] | None = None
    lost: list[str] = field(default_factory=list[str])


class PillowFormat(Format):
    """A format that Pillow reads, or pyvips if Pillow would lose something.

    Attributes:
        pillow: Pillow's name of the format.
        loader: libvips' loader for it, if there is one.
        row_by_row: whether Pillow keeps the rows that were decoded before damage.
    """

    pillow: ClassVar[str] = ""
    loader: ClassVar[str] = ""
    row_by_row: ClassVar[bool] = False

    # The steps, in order.

    def open_image(self, file: BinaryIO, request: ReadRequest) -> Image.Image:
        """The opened file, not decoded. No other decoder of Pillow is tried."""
        return Image.open(file, formats=(self.pillow,))

    def frame_count(self, image: Image.Image) -> int:
        """The number of pictures of equal standing."""
        return getattr(image, "n_frames", 1)

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """Bits per channel, from the file's header."""
        return 8

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """The metadata of the file."""
        found = FileMetadata(image.info)
        found.exif = metadata.load_exif(image, found.lost)
        found.xmp = _bytes_or_none(image.info.get("xmp"))
        found.iptc = metadata.find_iptc(image.info)
        found.orientation = metadata.orientation(found.exif, found.xmp)
        return found

    def decode_pixels(
        self, file: BinaryIO, image: Image.Image, found: FileMetadata
    ) -> decoding.Decoded:
        """Colours, alpha and the profile, in the orientation of the file."""
        bits = self.stored_bits(file, image)
        if self.needs_vips(image, found, bits):
            return self.decode_with_vips(file, image, found)
        if bits > 8 and not image.mode.startswith("I;16"):
            found.lost.append(self.depth_note(bits))
        image.load()
        return decoding.decode_with_pillow(image, found.info.get("icc_profile"), found.lost)

    # Decisions for the steps.

    def depth_note(self, bits: int) -> str:
        """The note if only 8 bits can be read."""
        if self.loader and vips.library() is None:
            return SHALLOW.format(bits, PHOTO)
        return SHALLOW_HERE.format(bits, self.name)

    def needs_vips(self, image: Image.Image, found: FileMetadata, bits: int) -> bool:
        """Whether pyvips decodes: if Pillow would lose depth, or need much memory."""
        plain = image.mode.startswith("I;16") and "transparency" not in found.info
        large = self.memory.thrifty and image.width * image.height >= decoding.LARGE
        large = large and image.mode in ("L", "LA", "RGB", "RGBA")
        wanted = (bits > 8 and not plain) or large
        return wanted and bool(self.loader) and vips.can_read(self.loader)

    def decode_with_vips(
        self, file: BinaryIO, image: Image.Image, found: FileMetadata
    ) -> decoding.Decoded:
        """The pixels, decoded by pyvips."""
        planes, cmyk = vips.decode(file, self.loader)
        clear = image.mode in decoding.WITH_ALPHA or "transparency" in found.info
        pixels, alpha = decoding.split_alpha(planes, clear)
        icc = found.info.get("icc_profile")
        if cmyk:
            found.lost += ["CMYK became RGB", *([] if icc else [decoding.NO_PROFILE])]
            icc = None
        return pixels, alpha, icc

    # Reading a file.

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """The facts of the file before it is decoded."""
        with without_pillow_limits():
            image, pages = self._select_frame(file, request)
            found = self.read_metadata(file, image)
            bits = 16 if self.decoded_bits(file, image, found) > 8 else 8
            size = self.upright_size(image, found)
            return Header(size, bits, self.channels(image, found), pages)

    def upright_size(self, image: Image.Image, found: FileMetadata) -> tuple[int, int]:
        """Width and height after rotation."""
        return (image.height, image.width) if found.orientation in SIDEWAYS else image.size

    def channels(self, image: Image.Image, found: FileMetadata) -> int:
        """1 (gray) to 4 (colour and alpha) after reading."""
        clear = image.mode in decoding.WITH_ALPHA or "transparency" in found.info
        gray = image.mode in decoding.GRAYS or decoding.gray_palette(image)
        return (1 if gray else 3) + clear

    def decoded_bits(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> int:
        """Bits per channel after reading."""
        bits = self.stored_bits(file, image)
        if self.needs_vips(image, found, bits) or image.mode.startswith("I;16"):
            return bits
        return 8

    def read(self, file: BinaryIO, request: ReadRequest) -> Picture:
        """Decode the file."""
        with without_pillow_limits():
            image, _ = self._select_frame(file, request)
            found = self.read_metadata(file, image)
            if self.row_by_row:
                _load(image, request, found)
            lossless = self.lossless(file)
            size = self.upright_size(image, found)
            picture = self.picture(found, *self.decode_pixels(file, image, found))
            if picture.size != size:
                sizes = "{}x{} pixels, and holds {}x{}".format(*size, *picture.size)
                raise ValueError(f"the file states {sizes}")
            return replace(picture, lossless=lossless)

    def picture(
        self, found: FileMetadata, pixels: Pixels, alpha: Pixels | None, icc: bytes | None
    ) -> Picture:
        """A picture from decoded parts, rotated upright."""
        lost = found.lost
        if icc and (problem := profiles.profile_problem(icc, pixels.ndim == 2)):
            lost.append(problem)
            icc = None
        raw, file_dpi = found.info.get("exif"), found.info.get("dpi")
        exif, dpi = metadata.exif_and_dpi(found.exif, file_dpi, lost, raw)
        xmp = metadata.descriptive_xmp(found.xmp, lost) if found.xmp else None
        turned = decoding.turn_upright(pixels, found.orientation)
        return Picture(
            pixels=turned,
            alpha=None if alpha is None else decoding.turn_upright(alpha, found.orientation),
            format=self.key if self.writes and not self.install else self.successor,
            icc=icc,
            exif=exif,
            xmp=xmp,
            dpi=dpi,
            lost=tuple(lost),
            iptc=found.iptc,
            texts=found.texts,
            cicp=found.cicp,
        )

    def lossless(self, file: BinaryIO) -> bool:
        """Whether the file is lossless, for formats that support both."""
        return False

    def _select_frame(self, file: BinaryIO, request: ReadRequest) -> tuple[Image.Image, int]:
        """The requested image, and the number of images."""
        image = self.open_image(file, request)
        check_size(image.size, request)
        pages = self.frame_count(image)
        if at := check_page(pages, request, self.unit):
            self.seek(image, at)
            check_size(image.size, request)
        return image, pages

    def seek(self, image: Image.Image, index: int) -> None:
        """Go to a page or frame, from 0."""
        image.seek(index)


def _load(image: Image.Image, request: ReadRequest, found: FileMetadata) -> None:
    """Decode a picture by Pillow; with force, the readable part of a damaged one."""
    try:
        image.load()
    except OSError as error:
        if not request.force_damaged:
            raise PictureError(str(error), FIX) from error
        try:
            if image.im.getbbox(False) is None:  # nothing was decoded
                raise error
        except AttributeError:
            raise error from None
        cast("ImageFile", image).tile = []  # missing parts stay black
        found.lost.append(f"the file is damaged ({error}): what is missing is black")


class _PillowLimits:
    """Suspended while any thread reads, as they are global to the process:

    Pillow's limit of pixels, which is lower than srzoo's, and Python's filters of warnings.
    """

    lock = threading.Lock()
    readers = 0
    before: int | None = None
    warnings = ExitStack()


@contextmanager
def without_pillow_limits() -> Generator[None]:
    """Suspend Pillow's limits and warnings."""
    with _PillowLimits.lock:
        if not _PillowLimits.readers:
            _PillowLimits.before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            _PillowLimits.warnings.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")  # damaged tags are kept or reported
        _PillowLimits.readers += 1
    try:
        yield
    finally:
        with _PillowLimits.lock:
            _PillowLimits.readers -= 1
            if not _PillowLimits.readers:
                Image.MAX_IMAGE_PIXELS = _PillowLimits.before
                _PillowLimits.warnings.close()


def from_pil(image: Image.Image) -> Picture:
    """Convert a Pillow image to a picture.

    Raises:
        PictureError: its mode has no 8-bit or 16-bit form (32-bit integers or floats), it has no
            pixels, or it cannot be decoded.
    """
    from .formats import FORMATS

    own = next((f for f in FORMATS.values() if getattr(f, "pillow", "") == image.format), None)
    format = cast("PillowFormat", own) if own else PillowFormat()
    try:
        with without_pillow_limits():
            found = PillowFormat.read_metadata(format, io.BytesIO(), image)
            found.info = {key: found.info[key] for key in found.info if key != "exif"}
            image.load()
            if not image.width * image.height:
                raise PictureError("the image has no pixels", "Give one that has")
            icc = _bytes_or_none(image.info.get("icc_profile"))
            pixels, alpha, icc = decoding.decode_with_pillow(image, icc, found.lost)
            return format.picture(found, pixels, alpha, icc)
    except PictureError:
        raise
    except (*DAMAGED, Warning) as error:  # ``info`` may contain anything
        raise PictureError(f"the image cannot be decoded: {error}", "Convert it") from error


def _bytes_or_none(value: object) -> bytes | None:
    """The value if it is bytes; else None."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace")
    return bytes(value) if isinstance(value, bytes | bytearray) else None


def save_with_pillow(picture: Picture, file: BinaryIO, name: str, options: dict[str, Any]) -> None:
    """Encode a picture by Pillow, with its profile, EXIF and XMP."""
    image = to_pil(picture)
    image.info.clear()
    given = {"icc_profile": picture.icc, "exif": picture.exif, "xmp": picture.xmp}
    image.save(file, name, **{key: value for key, value in given.items() if value} | options)


def to_pil(picture: Picture) -> Image.Image:
    """A Pillow image in mode L, LA, RGB, RGBA or I;16, with its metadata in ``info``.

    Pillow does not support 16 bits in colour or with alpha: they become 8.
    """
    if picture.pixels.ndim == 3 or picture.alpha is not None:
        picture = reduce_to_8_bits(picture, "")
    image = Image.fromarray(picture.pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    if icc := picture.profile:
        image.info["icc_profile"] = icc
    if picture.dpi:
        image.info["dpi"] = picture.dpi
    if picture.exif:
        image.info["exif"] = picture.exif
    return image
