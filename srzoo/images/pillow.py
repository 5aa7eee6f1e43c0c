"""Formats that Pillow reads: the usual steps from a file to a picture.

A format's class takes the steps as they are, or gives its own: which image of the file, what its
header says of depth, what stands beside the pixels, who decodes them.
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
    """What stands in a file beside its pixels.

    Attributes:
        info: as Pillow gives it: ``icc_profile``, ``dpi``, ``transparency``, ...
        exif: EXIF data, to be changed by nobody.
        xmp, iptc, texts: as in :class:`Picture`.
        orientation: how the pixels have to be turned, 1 to 8 as in EXIF.
        cicp: colour primaries, transfer, matrix and range as in ITU-T H.273.
        lost: takes what cannot be kept.
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
    """A format that Pillow reads, and others where Pillow would lose something.

    Attributes:
        pillow: Pillow's name of the format.
        loader: libvips' loader for it, where there is one.
        row_by_row: whether Pillow keeps the rows that it had decoded when it met damage.
    """

    pillow: ClassVar[str] = ""
    loader: ClassVar[str] = ""
    row_by_row: ClassVar[bool] = False

    # The steps, in their order.

    def open_image(self, file: BinaryIO, request: ReadRequest) -> Image.Image:
        """The file opened, nothing decoded. No other decoder of Pillow's is asked."""
        return Image.open(file, formats=(self.pillow,))

    def frame_count(self, image: Image.Image) -> int:
        """How many pictures of equal standing it holds."""
        return getattr(image, "n_frames", 1)

    def stored_bits(self, file: BinaryIO, image: Image.Image) -> int:
        """Bits of a channel, by the file's header."""
        return 8

    def read_metadata(self, file: BinaryIO, image: Image.Image) -> FileMetadata:
        """What stands beside the pixels."""
        found = FileMetadata(image.info)
        found.exif = metadata.load_exif(image, found.lost)
        found.xmp = _bytes_or_none(image.info.get("xmp"))
        found.iptc = metadata.find_iptc(image.info)
        found.orientation = metadata.orientation(found.exif, found.xmp)
        return found

    def decode_pixels(
        self, file: BinaryIO, image: Image.Image, found: FileMetadata
    ) -> decoding.Decoded:
        """Colours, alpha and the profile, turned as they lie in the file."""
        bits = self.stored_bits(file, image)
        if self.needs_vips(image, found, bits):
            return self.decode_with_vips(file, image, found)
        if bits > 8 and not image.mode.startswith("I;16"):
            found.lost.append(self.depth_note(bits))
        image.load()
        return decoding.decode_with_pillow(image, found.info.get("icc_profile"), found.lost)

    # What the steps ask.

    def depth_note(self, bits: int) -> str:
        """What is said where 8 bits are all that can be had."""
        if self.loader and vips.library() is None:
            return SHALLOW.format(bits, PHOTO)
        return SHALLOW_HERE.format(bits, self.name)

    def needs_vips(self, image: Image.Image, found: FileMetadata, bits: int) -> bool:
        """Whether pyvips decodes: where Pillow would lose depth, or need much memory."""
        plain = image.mode.startswith("I;16") and "transparency" not in found.info
        large = self.memory.thrifty and image.width * image.height >= decoding.LARGE
        large = large and image.mode in ("L", "LA", "RGB", "RGBA")
        wanted = (bits > 8 and not plain) or large
        return wanted and bool(self.loader) and vips.can_read(self.loader)

    def decode_with_vips(
        self, file: BinaryIO, image: Image.Image, found: FileMetadata
    ) -> decoding.Decoded:
        """What pyvips decodes of it."""
        planes, cmyk = vips.decode(file, self.loader)
        clear = image.mode in decoding.WITH_ALPHA or "transparency" in found.info
        pixels, alpha = decoding.split_alpha(planes, clear)
        icc = found.info.get("icc_profile")
        if cmyk:
            found.lost += ["CMYK became RGB", *([] if icc else [decoding.NO_PROFILE])]
            icc = None
        return pixels, alpha, icc

    # The way of a file.

    def header(self, file: BinaryIO, request: ReadRequest) -> Header:
        """What the file tells before it is decoded."""
        with without_pillow_limits():
            image, pages = self._select_frame(file, request)
            found = self.read_metadata(file, image)
            bits = 16 if self.decoded_bits(file, image, found) > 8 else 8
            size = self.upright_size(image, found)
            return Header(size, bits, self.channels(image, found), pages)

    def upright_size(self, image: Image.Image, found: FileMetadata) -> tuple[int, int]:
        """Width and height when it is turned."""
        return (image.height, image.width) if found.orientation in SIDEWAYS else image.size

    def channels(self, image: Image.Image, found: FileMetadata) -> int:
        """1 (gray) to 4 (colour and alpha), as reading will give them."""
        clear = image.mode in decoding.WITH_ALPHA or "transparency" in found.info
        gray = image.mode in decoding.GRAYS or decoding.gray_palette(image)
        return (1 if gray else 3) + clear

    def decoded_bits(self, file: BinaryIO, image: Image.Image, found: FileMetadata) -> int:
        """Bits of a channel as reading will give them."""
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
        """A picture of what was found, turned upright."""
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
        """Whether the file's pixels are kept without loss, where a format can do both."""
        return False

    def _select_frame(self, file: BinaryIO, request: ReadRequest) -> tuple[Image.Image, int]:
        """The image that is asked for, and how many there are."""
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
    """Have Pillow decode a picture; of a damaged one what there is, if that is asked for."""
    try:
        image.load()
    except OSError as error:
        if not request.force_damaged:
            raise PictureError(str(error), FIX) from error
        try:
            if image.im.getbbox(False) is None:  # nothing is there
                raise error
        except AttributeError:
            raise error from None
        cast("ImageFile", image).tile = []  # what is missing stays black
        found.lost.append(f"the file is damaged ({error}): what is missing is black")


class _PillowLimits:
    """Set aside while anything is read, in however many threads, since the process has one each:

    Pillow's limit of pixels, which is lower than ours, and Python's filters of warnings.
    """

    lock = threading.Lock()
    readers = 0
    before: int | None = None
    warnings = ExitStack()


@contextmanager
def without_pillow_limits() -> Generator[None]:
    """Pillow's limits and warnings set aside."""
    with _PillowLimits.lock:
        if not _PillowLimits.readers:
            _PillowLimits.before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            _PillowLimits.warnings.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")  # damaged tags: kept or said so
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
    """Take a Pillow image apart.

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
    except (*DAMAGED, Warning) as error:  # anything may stand in a mode or in ``info``
        raise PictureError(f"the image cannot be decoded: {error}", "Convert it") from error


def _bytes_or_none(value: object) -> bytes | None:
    """What ought to be bytes; None for anything else."""
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

    Pillow has no 16 bits in colour or with alpha: they become 8.
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
