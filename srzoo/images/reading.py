"""Picture files to arrays: upright, with all that is known about them."""

from __future__ import annotations

import contextlib
import importlib
import io
import struct
import threading
import warnings
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from PIL import Image

from ..errors import PictureError
from . import decoding, metadata, png, profiles
from .picture import FORMATS, HEIC, MAX_PIXELS, READABLE, Picture, called

if TYPE_CHECKING:
    from .picture import Pixels

SIDEWAYS = (5, 6, 7, 8)
HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
STILLS = {"MPO", "HEIF"}
"""Formats that hold one photo and what belongs to it: previews, depth, the rest of a burst."""
BOMB = "Give --max-pixels {} if you trust it"
TIFFS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def read_size(file: Path | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height as they will be after reading, from the file's header alone.

    Raises:
        PictureError: missing, no picture, animated or of several pages, or larger than
            ``max_pixels``.
    """
    with _opened(file, max_pixels) as image:
        beside, _ = _beside(image)
        # Pillow turns TIFFs itself, and says so in their size at once.
        turned = image.format != "TIFF" and metadata.orientation(beside) in SIDEWAYS
        return (image.height, image.width) if turned else image.size


def read(file: Path | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a picture file.

    Args:
        file: a path, or an open binary file that can seek.
        max_pixels: larger ones are refused before they are decoded.

    Raises:
        PictureError: missing, empty, damaged, no picture, animated or of several pages, or
            larger than ``max_pixels``.
    """
    with _opened(file, max_pixels) as image:
        return _taken_apart(image, file)


def from_pil(image: Image.Image) -> Picture:
    """Take a Pillow image apart.

    Raises:
        PictureError: its mode has no 8-bit or 16-bit form (32-bit integers or floats).
    """
    return _taken_apart(image, None)


@contextlib.contextmanager
def _opened(file: Path | BinaryIO, max_pixels: int) -> Generator[Image.Image]:
    # Pillow reports damage by many kinds of exception: ValueError, SyntaxError and
    # struct.error come from broken chunks and tags, TypeError from tags of a wrong type,
    # EOFError from cut-off ones.
    name = called(file)
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(file, Path):
                if file.is_dir():
                    raise PictureError(f"{name} is a folder", "Name a picture file")
                opened: BinaryIO = stack.enter_context(file.open("rb"))
            else:
                opened = file
            if not opened.read(1):
                raise PictureError(f"{name} is empty", "Restore the file")
            opened.seek(0)
            stack.enter_context(_alone())
            image = stack.enter_context(_identified(opened, name))
            if image.width * image.height > max_pixels:
                raise PictureError(
                    f"{name} claims {image.width}x{image.height} pixels, more than {max_pixels:,}",
                    BOMB.format(image.width * image.height),
                )
            _refuse_more(image, name)
            yield image
    except PictureError as error:
        if name in error.what:
            raise
        raise PictureError(f"cannot read {name}: {error.what}", error.fix) from error
    except FileNotFoundError:
        raise PictureError(f"{name} does not exist", "Check the name") from None
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        IndexError,
        KeyError,
        TypeError,
        RuntimeError,
        struct.error,
    ) as error:
        raise PictureError(f"cannot read {name}: {error}", "Restore the file") from error


class _Reading:
    """Set aside while anything is read, in however many threads, since the process has one each:

    Pillow's limit of pixels, which is lower than ours, and Python's filters of warnings.
    """

    lock = threading.Lock()
    readers = 0
    before: int | None = None
    warnings = contextlib.ExitStack()


@contextlib.contextmanager
def _alone() -> Generator[None]:
    with _Reading.lock:
        if not _Reading.readers:
            _Reading.before, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            _Reading.warnings.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module="PIL")  # damaged tags: kept or said so
        _Reading.readers += 1
    try:
        yield
    finally:
        with _Reading.lock:
            _Reading.readers -= 1
            if not _Reading.readers:
                Image.MAX_IMAGE_PIXELS = _Reading.before
                _Reading.warnings.close()


def _identified(file: BinaryIO, name: str) -> Image.Image:
    head = file.read(64)
    file.seek(0)
    if head[:4] in TIFFS:
        from .pages import Tiff

        return Tiff(file)
    try:
        return Image.open(file)
    except Image.UnidentifiedImageError:
        pass
    if head[4:8] == b"ftyp" and head[8:12] in HEIC_BRANDS:
        file.seek(0)
        try:
            heif = importlib.import_module("pillow_heif")
        except ImportError:
            raise PictureError(f"{name} is HEIC", f"Install what reads it: {HEIC}") from None
        return heif.HeifImageFile(file)
    raise PictureError(
        f"{name} is no picture that can be read", f"Known: {' '.join(sorted(READABLE))}"
    )


def _refuse_more(image: Image.Image, name: str) -> None:
    """Refuse what holds several pictures of equal standing."""
    count: int = getattr(image, "n_frames", 1)
    if count < 2 or image.format in STILLS:
        return
    if image.format == "TIFF":
        count = cast("Any", image).pages()
    if count > 1:
        what = f"has {count} pages" if image.format == "TIFF" else f"is animated: {count} frames"
        raise PictureError(f"{name} {what}", "Split it into single pictures first")


def _beside(image: Image.Image) -> tuple[Image.Image, dict[bytes, bytes]]:
    """An image that knows the file's metadata without decoding it; and a PNG's chunks."""
    file = cast("Any", image).fp
    if image.format != "PNG":
        return image, {}
    place = file.tell()
    small, chunks = png.beside_pixels(file)
    file.seek(place)
    return Image.open(io.BytesIO(small)), chunks


def _taken_apart(image: Image.Image, file: Path | BinaryIO | None) -> Picture:
    """A picture from an image that Pillow has opened, and the file that it comes from."""
    lost: list[str] = []
    beside, chunks = _beside(image) if file else (image, {})
    if image.format in STILLS and getattr(image, "n_frames", 1) > 1:
        lost.append("only the main one of the file's pictures is taken")
    exif, dpi = _exif(beside, lost)
    lossless = file is not None and image.format == "WEBP" and _is_lossless(image)
    pixels, alpha, icc = decoding.decode(image, beside, file, lost)
    icc = _fitting(icc, chunks, pixels, lost)
    xmp = _xmp(beside, lost)
    return Picture(
        pixels=pixels,
        alpha=alpha,
        format=_format(image),
        icc=icc,
        exif=exif,
        xmp=xmp,
        dpi=dpi,
        lost=tuple(lost),
        iptc=_iptc(beside),
        texts=_texts(beside),
        lossless=lossless,
    )


def _format(image: Image.Image) -> str:
    name = {"MPO": "JPEG"}.get(image.format or "PNG", image.format or "PNG")
    return next((key for key, format in FORMATS.items() if format.name == name), "png")


def _is_lossless(image: Image.Image) -> bool:
    """Whether a WebP file's pixels are kept without loss."""
    file: BinaryIO = cast("Any", image).fp
    file.seek(12)
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name in (b"VP8 ", b"VP8L"):
            return name == b"VP8L"
        file.seek(length + length % 2, 1)
    return False


def _fitting(
    icc: bytes | None, chunks: dict[bytes, bytes], pixels: Pixels, lost: list[str]
) -> bytes | None:
    """The profile, if it is about such colours; else what a PNG implies."""
    gray = pixels.ndim == 2
    if icc:
        if profiles.space(icc) in (("GRAY", "RGB") if gray else ("RGB",)):
            return icc
        lost.append(f"the profile is of {profiles.space(icc)} colours and was dropped")
        return None
    icc, problem = png.implied_profile(chunks, gray)
    if problem:
        lost.append(problem)
    return icc


def _exif(image: Image.Image, lost: list[str]) -> tuple[bytes | None, Any]:
    """EXIF data to keep, and the DPI of the file or of its EXIF data."""
    # What Pillow tells of a TIFF without any is 1.
    dpi = None if image.format == "TIFF" else image.info.get("dpi")
    try:
        found = image.getexif()
        dpi = dpi or metadata.exif_dpi(found)
        return metadata.exif_of(found), (float(dpi[0]), float(dpi[1])) if dpi else None
    except metadata.DAMAGED as error:
        lost.append(f"the EXIF data is damaged and was dropped ({error})")
        return None, (float(dpi[0]), float(dpi[1])) if dpi else None


def _xmp(image: Image.Image, lost: list[str]) -> bytes | None:
    xmp = image.info.get("xmp") or image.info.get(png.XMP_KEYWORD)
    if isinstance(xmp, str):
        xmp = xmp.encode()
    if not isinstance(xmp, bytes):
        return None
    kept, more = metadata.xmp_of(xmp)
    if more:
        lost.append("the part of the XMP data that lies apart was dropped")
    return kept


def _iptc(image: Image.Image) -> bytes | None:
    if isinstance(found := getattr(image, "iptc", None), bytes):
        return found
    return metadata.iptc_of(image.info)


def _texts(image: Image.Image) -> tuple[tuple[str, str], ...]:
    comment = image.info.get("comment")
    if isinstance(comment, bytes) and image.format in ("JPEG", "MPO", "GIF"):
        return (("Comment", comment.decode("utf-8", "replace").strip("\0")),)
    if image.format != "PNG":
        return ()
    texts: dict[str, Any] = getattr(image, "text", {})
    own = (png.XMP_KEYWORD, "Raw profile type")
    return tuple((key, str(value)) for key, value in texts.items() if not key.startswith(own))
