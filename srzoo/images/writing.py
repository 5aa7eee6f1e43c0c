"""Arrays to picture files: whole or not at all, and what cannot be kept is said."""

from __future__ import annotations

import importlib
import zlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from PIL import Image

from .. import files
from ..errors import PictureError
from . import metadata, png, profiles, tiff, vips
from .picture import FINE, FORMATS, PHOTO, Picture, called, check_writable, on_white, shallow

if TYPE_CHECKING:
    pass

SEGMENT = 65_000
"""Bytes that a segment of a JPEG holds, with room for its name."""
NO_DPI = ("webp", "avif", "heic")
"""Formats that have DPI in EXIF alone."""
NO_GRAY = ("webp", "heic")


def to_pil(picture: Picture) -> Image.Image:
    """A Pillow image in mode L, LA, RGB, RGBA or I;16, with its metadata in ``info``.

    Pillow has no 16 bits in colour or with alpha: they become 8.
    """
    if picture.pixels.ndim == 3 or picture.alpha is not None:
        picture = shallow(picture, "")
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


def write(
    picture: Picture, file: Path | BinaryIO, format: str, quality: int | None = None
) -> Picture:
    """Write a picture file whole or not at all.

    Args:
        picture: what to write.
        file: where; a path is replaced if it exists (callers decide about that). An open
            binary file gets all of it or nothing.
        format: a key of ``FORMATS``.
        quality: 1 to 100 for JPEG, WebP, AVIF and HEIC; None for the format's own, and for
            WebP without loss where the picture came so.

    Returns:
        The picture as it was written: what the format cannot hold is gone from it, and
        said in ``lost``.

    Raises:
        PictureError: the place cannot be written, or is full.
    """
    check_writable(file, picture.size, format)
    picture = _fitted(picture, format)
    try:
        with files.whole(file) as opened:
            _encode(picture, opened, format, quality)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise PictureError(
            f"cannot write {called(file)}: {reason}", "Choose another place with -o"
        ) from error
    return picture


def _fitted(picture: Picture, format: str) -> Picture:
    """The picture as the format can hold it."""
    name = FORMATS[format].name
    if picture.pixels.dtype == np.uint16:
        picture = _fitted_depth(picture, format)
    if picture.alpha is not None and not FORMATS[format].alpha:
        pixels = on_white(picture.pixels, picture.alpha)
        lost = f"{name} has no transparency: laid on white"
        picture = picture.losing(lost, pixels=pixels, alpha=None)
    if picture.pixels.ndim == 2 and format in NO_GRAY:
        picture = _coloured(picture, f"{name} has no gray: written as RGB")
    picture = replace(picture, exif=metadata.with_layout(picture, dpi=format in NO_DPI))
    if picture.xmp:
        picture = replace(picture, xmp=metadata.sized(picture.xmp, picture.size))
    if format == "jpg":
        picture = _fitted_segments(picture)
    if picture.iptc and format not in ("jpg", "tiff"):
        picture = picture.losing(f"{name} has no IPTC records: dropped", iptc=None)
    keywords = {"png": dict(picture.texts).keys(), "jpg": {"Comment"}}.get(format, ())
    kept = tuple(text for text in picture.texts if text[0] in keywords)
    if kept != picture.texts:
        names = ", ".join(key for key, _ in picture.texts if key not in dict(kept))
        picture = picture.losing(f"{name} has no place for texts: dropped {names}", texts=kept)
    return picture


def _fitted_depth(picture: Picture, format: str) -> Picture:
    bits = FORMATS[format].bits
    name = FORMATS[format].name
    if bits == 16:
        return picture
    if bits == 8:
        return shallow(picture, f"16 bits a channel became 8: {name} holds no more")
    if vips.library() is None:
        return shallow(picture, f"16 bits a channel became 8; to keep {bits}: {PHOTO}")
    if picture.pixels.ndim == 2:
        picture = _coloured(picture, f"{name} of {bits} bits has no gray: written as RGB")
    return picture.losing(f"16 bits a channel became {bits}: {name} holds no more")


def _coloured(picture: Picture, why: str) -> Picture:
    """Gray as RGB; one with a profile of its own is converted to sRGB."""
    pixels, icc = picture.pixels, picture.icc
    if icc and profiles.space(icc) == "GRAY":
        picture = shallow(picture, "16 bits a channel became 8: the gray profile was applied")
        converted = profiles.to_srgb(Image.fromarray(picture.pixels), icc)
        if converted:
            return picture.losing(why, pixels=np.asarray(converted), icc=None)
        icc = None
    return picture.losing(why, pixels=np.repeat(pixels[:, :, None], 3, axis=2), icc=icc)


def _fitted_segments(picture: Picture) -> Picture:
    """A JPEG's segments are short."""
    if picture.exif and len(picture.exif) > SEGMENT:
        exif = metadata.without_maker_note(picture.exif)
        picture = picture.losing("the EXIF maker note is too long for a JPEG: dropped", exif=exif)
        if len(exif) > SEGMENT:
            picture = picture.losing("the EXIF data is too long for a JPEG: dropped", exif=None)
    if picture.xmp and len(picture.xmp) > SEGMENT:
        picture = picture.losing("the XMP data is too long for a JPEG: dropped", xmp=None)
    if picture.iptc and not metadata.photoshop_segment(picture.iptc):
        picture = picture.losing("the IPTC records are too long for a JPEG: dropped", iptc=None)
    return picture


def _encode(picture: Picture, file: BinaryIO, format: str, quality: int | None) -> None:
    deep = picture.pixels.dtype == np.uint16
    quality = quality or (None if picture.lossless else FORMATS[format].quality)
    if format == "tiff":
        tiff.save(picture, file)
    elif format == "png" and deep:
        png.write_16_bits(picture, file)
    elif format == "avif" and deep:
        file.write(vips.encode_avif(picture, quality or 85))
    else:
        image = to_pil(picture)
        image.info.clear()
        options = _options(picture, format, quality)
        if format == "heic":
            image.info.update(options)
            importlib.import_module("pillow_heif").from_pillow(image).save(file, **options)
            return
        image.save(file, FORMATS[format].name, **options)


def _options(picture: Picture, format: str, quality: int | None) -> dict[str, Any]:
    given = {"icc_profile": picture.icc, "exif": picture.exif, "xmp": picture.xmp}
    options: dict[str, Any] = {key: value for key, value in given.items() if value}
    if picture.dpi and format not in NO_DPI:
        options["dpi"] = picture.dpi
    if format == "png":
        # Run lengths: four times as fast as the default, and as small for photos
        # (tests/bench/saving.py).
        options |= {"compress_level": 1, "compress_type": zlib.Z_RLE}
        options["pnginfo"] = _png_texts(picture)
        options.pop("xmp", None)
    elif format == "webp" and quality is None:
        options |= {"lossless": True, "quality": 50, "exact": True}  # 50: of the effort
    elif format == "webp":
        options |= {"quality": quality, "exact": True}
    else:
        quality = quality or FORMATS[format].quality or FINE
        options["quality"] = quality
        if format == "jpg":
            options["subsampling"] = 0 if quality >= FINE else 2
            if picture.texts:
                options["comment"] = picture.texts[0][1]
            if picture.iptc:
                options["extra"] = metadata.photoshop_segment(picture.iptc)
        elif format == "heic":
            options["chroma"] = 444 if quality >= FINE else 420
            # Slower ones take longer than upscaling does, and files are hardly better for it.
            options["enc_params"] = {"preset": "ultrafast"}
        elif picture.pixels.ndim == 3:
            options["subsampling"] = "4:4:4" if quality >= FINE else "4:2:0"
    return options


def _png_texts(picture: Picture) -> Any:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    if picture.xmp:
        info.add_itxt(png.XMP_KEYWORD, picture.xmp.decode("utf-8", "replace"))
    for keyword, text in picture.texts:
        info.add_itxt(keyword, text)
    return info
