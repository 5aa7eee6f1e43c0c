"""Opened files to arrays: by Pillow, or by pyvips where Pillow would lose something."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from PIL import Image

from ..errors import PictureError
from . import metadata, profiles, vips
from .picture import PHOTO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .picture import Pixels

LARGE = 2**26
"""Pixels from which pyvips decodes, where it is: Pillow needs twice the memory and more."""
SHALLOW = f"16 bits a channel became 8; to keep them: {PHOTO}"
NO_PROFILE = "the CMYK had no profile and was taken for ordinary print"
NO_PROFILE_HERE = "the CMYK had no profile and was converted by a coarse formula; for a better one"
MODES = {(True, False): "L", (True, True): "LA", (False, False): "RGB", (False, True): "RGBA"}
"""By whether it is gray, and whether it has alpha."""
WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")

Decoded = tuple["Pixels", "Pixels | None", "bytes | None"]
"""Colours, alpha, ICC profile."""


def decode(
    image: Image.Image, beside: Image.Image, file: Path | BinaryIO | None, lost: list[str]
) -> Decoded:
    """An opened file's pixels, turned upright.

    Args:
        image: as Pillow opened it, not decoded yet.
        beside: the image that knows its metadata.
        file: where it comes from; None for an image from elsewhere.
        lost: takes what could not be kept.
    """
    turn = metadata.orientation(beside)
    if file and _needs_vips(image, beside):
        planes, cmyk = vips.decode(file)
        pixels, alpha = _split(planes, image, beside)
        icc = beside.info.get("icc_profile")
        if cmyk:
            lost += ["CMYK became RGB", *([] if icc else [NO_PROFILE])]
            icc = None
        if image.format == "AVIF":
            turn = 1  # vips has turned it
    elif file and image.format == "HEIF" and image.info.get("bit_depth", 8) > 8:
        pixels, alpha = _deep_heic(file)
        icc = image.info.get("icc_profile")
    else:
        if _is_deep(image) and not image.mode.startswith("I;16"):
            lost.append(SHALLOW)
        image.load()
        if image.format == "TIFF":
            turn = 1  # Pillow has turned it
        pixels, alpha, icc = _by_pillow(image, beside.info.get("icc_profile"), lost)
    return _upright(pixels, turn), None if alpha is None else _upright(alpha, turn), icc


def _is_deep(image: Image.Image) -> bool:
    """Whether a file, not decoded yet, has more than 8 bits a channel."""
    if image.format == "AVIF":
        return _is_deep_avif(cast("Any", image).fp)
    tiles: list[Any] = getattr(image, "tile", [])
    raw = [tile[3] if isinstance(tile[3], str) else str((tile[3] or ("",))[0]) for tile in tiles]
    return image.mode.startswith("I;16") or any(";16" in mode for mode in raw)


def _is_deep_avif(file: BinaryIO | None) -> bool:
    if file is None:
        return False
    place = file.tell()
    file.seek(0)
    head = file.read(2**16)
    file.seek(place)
    at = head.find(b"av1C")
    return 0 < at < len(head) - 6 and bool(head[at + 6] & 0x40)


def _needs_vips(image: Image.Image, beside: Image.Image) -> bool:
    """Whether pyvips has to decode a file. Where it is not installed, Pillow makes 8 bits."""
    if image.format == "TIFF" and (unknown := cast("Any", image).unknown):
        if vips.library() is None:
            raise PictureError(
                f"this kind of TIFF ({unknown}) is unknown to Pillow", f"Install pyvips: {PHOTO}"
            )
        return True
    large = image.width * image.height >= LARGE and image.format in ("JPEG", "PNG", "TIFF")
    plain = image.mode.startswith("I;16") and "transparency" not in beside.info
    wanted = _is_deep(image) and not plain
    wanted |= large and image.mode in ("L", "LA", "RGB", "RGBA")
    return wanted and vips.library() is not None


def _split(planes: NDArray[Any], image: Image.Image, beside: Image.Image) -> tuple[Any, Any]:
    """Colours H x W or H x W x 3, and alpha H x W or None, from what vips decoded."""
    colours = 1 if planes.shape[2] < 3 else 3
    pixels = planes[:, :, 0] if colours == 1 else planes[:, :, :3]
    seen = image.mode in WITH_ALPHA or "transparency" in beside.info
    alpha = planes[:, :, colours] if seen and planes.shape[2] > colours else None
    return np.ascontiguousarray(pixels), None if alpha is None else np.ascontiguousarray(alpha)


def _deep_heic(file: Path | BinaryIO) -> tuple[Any, Any]:
    """The main picture of a HEIC file with more than 8 bits a channel, as 16."""
    heif = importlib.import_module("pillow_heif")
    data = file.read_bytes() if isinstance(file, Path) else file
    opened = heif.open_heif(data, convert_hdr_to_8bit=False, hdr_to_16bit=True)
    planes = np.asarray(opened[opened.primary_index])
    planes = planes | planes >> int(opened.info["bit_depth"])  # so that white is white
    if planes.ndim == 3 and planes.shape[2] == 4:
        return np.ascontiguousarray(planes[:, :, :3]), np.ascontiguousarray(planes[:, :, 3])
    return np.array(planes), None


def _by_pillow(image: Image.Image, icc: bytes | None, lost: list[str]) -> Decoded:
    """Colours, alpha and the profile of an image that Pillow has decoded."""
    if image.mode.startswith("I;16"):
        pixels = _array(image).astype(np.uint16)
        if getattr(image, "white_is_zero", False):
            pixels = 65_535 - pixels
        return pixels, None, icc
    if image.mode in ("I", "F"):
        raise PictureError(
            f"the picture has 32 bits a channel (mode {image.mode})", "Convert it to 8 or 16 bits"
        )
    if image.mode == "CMYK":
        return _array(_from_cmyk(image, icc, lost)), None, None
    if image.mode == "LAB":
        lost.append("L*a*b* became RGB in sRGB")
        image, icc = profiles.to_srgb(image, profiles.lab()) or image, None
    see_through = "transparency" in image.info or image.mode in WITH_ALPHA
    gray = image.mode in ("1", "L", "LA", "La") or _gray_palette(image)
    wanted = MODES[gray, see_through]
    if image.mode != wanted:
        image = image.convert(wanted)
    if not see_through:
        return _array(image), None, icc
    alpha = _array(image.getchannel("A"))
    return _array(image.convert("L" if gray else "RGB")), alpha, icc


def _gray_palette(image: Image.Image) -> bool:
    if image.mode not in ("P", "PA"):
        return False
    colours = np.reshape(image.getpalette("RGB") or [0, 0, 1], (-1, 3))
    return bool((colours == colours[:, :1]).all())


def _array(image: Image.Image) -> NDArray[Any]:
    """An image's pixels; band by band, since Pillow copies them several times over."""
    first = np.asarray(image.crop((0, 0, image.width, 1)))
    out = np.empty((image.height, *first.shape[1:]), first.dtype)
    step = max(1, 2**24 // image.width)
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        out[top:bottom] = np.asarray(image.crop((0, top, image.width, bottom)))
    return out


def _from_cmyk(image: Image.Image, icc: bytes | None, lost: list[str]) -> Image.Image:
    lost.append("CMYK became RGB")
    if icc is not None:
        if converted := profiles.to_srgb(image, icc):
            return converted
        lost.append("the colour profile is damaged and was not used")
    else:
        lost.append(NO_PROFILE if vips.library() else f"{NO_PROFILE_HERE}: {PHOTO}")
    profile = vips.cmyk_profile()
    return (profile and profiles.to_srgb(image, profile)) or image.convert("RGB")


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turned and mirrored as EXIF's orientation asks for."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
