"""A picture file to arrays and back, keeping what the format can hold.

Reading applies the EXIF orientation and keeps the ICC profile, EXIF, XMP and DPI.
What cannot be kept is said in ``Picture.lost``, never dropped in silence.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import warnings
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from PIL import Image, ImageCms

from . import files
from .errors import PictureError, did_you_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]

ORIENTATION = 0x0112
EXIF_WIDTH, EXIF_HEIGHT = 0xA002, 0xA003
IFDS = {0x8769, 0x8825}  # camera settings, GPS
DESCRIPTIVE = {
    0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298,  # description to copyright
    0x9C9B, 0x9C9C, 0x9C9D, 0x9C9E, 0x9C9F, 0x4746, 0x4749,  # Windows' title to rating
}  # fmt: skip
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class Format:
    """A file format that srzoo writes.

    Attributes:
        name: Pillow's name.
        suffixes: file name endings, the usual one first.
        max_side: the most pixels a side may have.
        alpha: whether it holds transparency.
        quality: the default of the quality setting, or None where there is none.
    """

    name: str
    suffixes: tuple[str, ...]
    max_side: int
    alpha: bool = True
    quality: int | None = None


FORMATS = {
    "jpg": Format("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), 65_535, alpha=False, quality=95),
    "png": Format("PNG", (".png",), 2**31 - 1),
    "webp": Format("WEBP", (".webp",), 16_383, quality=90),
    "tiff": Format("TIFF", (".tif", ".tiff"), 2**31 - 1),
}
READABLE = frozenset(
    suffix for format in FORMATS.values() for suffix in format.suffixes
) | {".bmp", ".gif"}  # fmt: skip
MAX_PIXELS = 500_000_000
"""Larger pictures are refused before they are decoded (decompression bombs)."""


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: uint8, H x W (gray) or H x W x 3 (RGB).
        alpha: uint8 H x W, or None; 0 is transparent.
        format: a key of ``FORMATS``: what it was read from, or the nearest we write.
        icc, exif, xmp, dpi: metadata to write again.
        lost: what could not be kept, one sentence each.
    """

    pixels: U8
    alpha: U8 | None = None
    format: str = "png"
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    lost: tuple[str, ...] = field(default=())

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]


def format_of(path: Path) -> str:
    """The format that a file name's ending asks for.

    Raises:
        PictureError: srzoo does not write such files.
    """
    for key, format in FORMATS.items():
        if path.suffix.lower() in format.suffixes:
            return key
    raise PictureError(
        f"cannot write {path}: {path.suffix or 'a name without ending'} is no format srzoo writes",
        did_you_mean(path.suffix.lower(), [s for f in FORMATS.values() for s in f.suffixes]),
    )


def read_size(path: Path) -> tuple[int, int]:
    """Width and height as they will be after reading, from the file's header alone.

    Raises:
        PictureError: missing, no picture, or larger than ``MAX_PIXELS``.
    """
    with _opened(path) as image:
        # Pillow turns TIFFs itself, and says so in their size at once.
        turned = image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8)
        return (image.height, image.width) if turned else image.size


def read(path: Path) -> Picture:
    """Decode a picture file.

    Raises:
        PictureError: missing, empty, damaged, no picture, or larger than ``MAX_PIXELS``.
    """
    with _opened(path) as image:
        return from_pil(image)


@contextlib.contextmanager
def _opened(path: Path) -> Generator[Image.Image]:
    # Pillow reports damage by many kinds of exception: ValueError, SyntaxError and
    # struct.error come from broken chunks and tags, EOFError from cut-off ones.
    try:
        if path.is_dir():
            raise PictureError(f"{path} is a folder", "Name a picture file")
        if path.stat().st_size == 0:
            raise PictureError(f"{path} is empty", "Restore the file")
        with warnings.catch_warnings():
            # Above 89 megapixels Pillow warns; our own limit stands below.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            warnings.filterwarnings("ignore", module="PIL")  # damaged tags: kept or said so
            with Image.open(path) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise PictureError(
                        f"{path} claims {image.width}x{image.height} pixels,"
                        f" more than {MAX_PIXELS:,}",
                        "Cut it into parts",
                    )
                yield image
    except FileNotFoundError:
        raise PictureError(f"{path} does not exist", "Check the name") from None
    except Image.UnidentifiedImageError:
        raise PictureError(
            f"{path} is no picture that can be read", f"Known: {' '.join(sorted(READABLE))}"
        ) from None
    except Image.DecompressionBombError as error:
        raise PictureError(f"cannot read {path}: {error}", "Cut it into parts") from error
    except (
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        IndexError,
        KeyError,
        struct.error,
    ) as error:
        raise PictureError(f"cannot read {path}: {error}", "Restore the file") from error


def from_pil(image: Image.Image) -> Picture:
    """Take a Pillow image apart.

    Raises:
        PictureError: its mode has no 8-bit form (32-bit integers or floats).
    """
    lost: list[str] = []
    name = {"MPO": "JPEG"}.get(image.format or "PNG", image.format or "PNG")
    format = next((key for key, f in FORMATS.items() if f.name == name), "png")
    if getattr(image, "n_frames", 1) > 1:
        lost.append(f"only the first of {getattr(image, 'n_frames', 1)} frames is taken")
    if _is_deep(image):  # asked before decoding, which forgets it
        lost.append("16 bits a channel became 8")
    image.load()
    exif, xmp, icc = _exif(image, lost), _xmp(image), image.info.get("icc_profile")
    dpi = image.info.get("dpi")
    if (turn := UPRIGHT.get(_orientation(image))) is not None:
        info = image.info
        image = image.transpose(turn)
        image.info = info
    if image.mode == "CMYK":
        lost.append("CMYK became RGB")
        image, icc = _from_cmyk(image, icc, lost), None
    image = _to_8_bit(image)
    alpha = None
    if image.mode in ("RGBA", "LA"):
        alpha = np.asarray(image.getchannel("A"))
        image = image.convert("RGB" if image.mode == "RGBA" else "L")
    return Picture(
        pixels=np.asarray(image),
        alpha=alpha,
        format=format,
        icc=icc,
        exif=exif,
        xmp=xmp,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        lost=tuple(lost),
    )


def _orientation(image: Image.Image) -> int:
    value: object = image.getexif().get(ORIENTATION, 1)
    return value if isinstance(value, int) else 1


def _is_deep(image: Image.Image) -> bool:
    tiles: list[Any] = getattr(image, "tile", [])
    return image.mode.startswith("I;16") or any("16" in str(tile[3]) for tile in tiles)


def _exif(image: Image.Image, lost: list[str]) -> bytes | None:
    """The descriptive part of the EXIF data; what describes this file's layout is left out."""
    try:
        found = image.getexif()
        kept = Image.Exif()
        for tag in DESCRIPTIVE & set(found):
            kept[tag] = found[tag]
        for pointer in IFDS & set(found):
            values = {
                tag: value
                for tag, value in found.get_ifd(pointer).items()
                if tag not in (EXIF_WIDTH, EXIF_HEIGHT)
            }
            if values:
                kept.get_ifd(pointer).update(values)
                kept[pointer] = values
        return kept.tobytes() if len(kept) else None
    except (ValueError, TypeError, KeyError, SyntaxError, OSError, struct.error) as error:
        lost.append(f"the EXIF data is damaged and was dropped ({error})")
        return None


def _xmp(image: Image.Image) -> bytes | None:
    """The XMP packet, its orientation reset like EXIF's."""
    xmp = image.info.get("xmp")
    if not isinstance(xmp, bytes):
        return None
    return re.sub(rb"(tiff:Orientation(?:=[\"']|>))[2-8]", rb"\g<1>1", xmp)


def _from_cmyk(image: Image.Image, icc: bytes | None, lost: list[str]) -> Image.Image:
    if icc is None:
        return image.convert("RGB")
    srgb = cast("Any", ImageCms).createProfile("sRGB")
    try:
        converted = ImageCms.profileToProfile(image, io.BytesIO(icc), srgb, outputMode="RGB")
    except ImageCms.PyCMSError as error:
        lost.append(f"the colour profile is damaged and was not used ({error})")
        return image.convert("RGB")
    return converted or image.convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16"):
        deep = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((deep * 255 + 32_767) // 65_535).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise PictureError(
            f"the picture has 32 bits a channel (mode {image.mode})", "Convert it to 8 or 16 bits"
        )
    if image.mode in ("RGB", "L", "RGBA", "LA"):
        return image
    if image.mode == "1":
        return image.convert("L")
    see_through = "transparency" in image.info or image.mode in ("PA", "RGBa", "La")
    return image.convert("RGBA" if see_through else "RGB")


def to_pil(picture: Picture) -> Image.Image:
    """A Pillow image in mode L, LA, RGB or RGBA, with its metadata in ``info``."""
    image = Image.fromarray(picture.pixels)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    if picture.dpi:
        image.info["dpi"] = picture.dpi
    if picture.exif:
        image.info["exif"] = picture.exif
    return image


def check_writable(path: Path, size: tuple[int, int], format: str) -> None:
    """Refuse what cannot be written before any work is done for it.

    Raises:
        PictureError: the format cannot hold so many pixels.
    """
    if max(size) > FORMATS[format].max_side:
        raise PictureError(
            f"cannot write {path}: {FORMATS[format].name} holds at most"
            f" {FORMATS[format].max_side} pixels a side, the result has {size[0]}x{size[1]}",
            "Choose --format png or tiff",
        )


def write(picture: Picture, path: Path, format: str, quality: int | None = None) -> Picture:
    """Write a picture file whole or not at all.

    Args:
        picture: what to write.
        path: where; replaced if it exists (callers decide about that).
        format: a key of ``FORMATS``.
        quality: 1 to 100 for JPEG and WebP; None for 95 and 90.

    Returns:
        The picture as it was written: what the format cannot hold is gone from it, and
        said in ``lost``.

    Raises:
        PictureError: the place cannot be written, or is full.
    """
    check_writable(path, picture.size, format)
    if picture.alpha is not None and not FORMATS[format].alpha:
        picture = _on_white(picture, FORMATS[format].name)
    if picture.pixels.ndim == 2 and FORMATS[format].name == "WEBP":
        picture = replace(picture, lost=(*picture.lost, "WebP has no gray: written as RGB"))
    try:
        with files.replacing(path) as file:
            to_pil(picture).save(file, FORMATS[format].name, **_options(picture, format, quality))
    except OSError as error:
        raise PictureError(
            f"cannot write {path}: {error.strerror or error}", "Choose another place with -o"
        ) from error
    return picture


def _options(picture: Picture, format: str, quality: int | None) -> dict[str, Any]:
    name = FORMATS[format].name
    options: dict[str, Any] = {"icc_profile": picture.icc}
    if picture.exif:
        options["exif"] = picture.exif
    if picture.xmp:
        options["xmp"] = picture.xmp
    if picture.dpi:
        options["dpi"] = picture.dpi
    if name == "JPEG":
        quality = quality or FORMATS[format].quality or 95
        options |= {"quality": quality, "subsampling": 0 if quality >= 90 else 2}
    elif name == "WEBP":
        options |= {"quality": quality or FORMATS[format].quality, "exact": True}
    elif name == "TIFF":
        options["compression"] = "tiff_lzw"
    elif name == "PNG":
        options["compress_level"] = 3  # the default of 6 takes longer than upscaling does
        if picture.xmp:
            options.pop("xmp")
            options["pnginfo"] = _png_xmp(picture.xmp)
    return options


def _png_xmp(xmp: bytes) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode("utf-8", "replace"))
    return info


def _on_white(picture: Picture, name: str) -> Picture:
    flat = rgb(picture)
    pixels = flat[:, :, 0] if picture.pixels.ndim == 2 else flat
    lost = (*picture.lost, f"{name} has no transparency: laid on white")
    return replace(picture, pixels=pixels, alpha=None, lost=lost)


def rgb(picture: Picture) -> U8:
    """The pixels as uint8 H x W x 3: gray is repeated, transparency laid on white."""
    pixels = picture.pixels
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if picture.alpha is None or picture.alpha.min() == 255:
        return np.array(pixels)
    alpha = picture.alpha[:, :, None].astype(np.uint32)
    return ((pixels * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
