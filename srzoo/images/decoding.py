"""Converts decoded images and planes to arrays: colours, alpha, and upright."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import PictureError
from . import profiles, vips
from .picture import PHOTO

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .picture import Pixels

LARGE = 2**26
"""Pixels from which pyvips decodes, if installed: Pillow needs more than twice the memory."""
NO_PROFILE = "the CMYK had no profile and was read as ordinary print"
NO_PROFILE_HERE = "the CMYK had no profile and was converted by a coarse formula; for a better one"
MODES = {(True, False): "L", (True, True): "LA", (False, False): "RGB", (False, True): "RGBA"}
"""The mode, by whether it is gray, and whether it has alpha."""
WITH_ALPHA = ("RGBA", "LA", "PA", "RGBa", "La")
GRAYS = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")

Decoded = tuple["Pixels", "Pixels | None", "bytes | None"]
"""Colours, alpha, ICC profile."""


def split_alpha(planes: NDArray[Any], clear: bool) -> tuple[Any, Any]:
    """Colours H x W or H x W x 3, and alpha H x W or None, from planes H x W x C.

    Args:
        planes: gray or RGB, and further channels.
        clear: whether the first further channel is alpha.
    """
    colours = 1 if planes.shape[2] < 3 else 3
    pixels = planes[:, :, 0] if colours == 1 else planes[:, :, :3]
    alpha = planes[:, :, colours] if clear and planes.shape[2] > colours else None
    return np.ascontiguousarray(pixels), None if alpha is None else np.ascontiguousarray(alpha)


def decode_with_pillow(image: Image.Image, icc: bytes | None, lost: list[str]) -> Decoded:
    """Colours, alpha and the profile of an image that Pillow has decoded."""
    if image.mode.startswith("I;16"):
        return to_array(image).astype(np.uint16), None, icc
    if image.mode in ("I", "F"):
        raise PictureError(
            f"the picture has 32 bits a channel (mode {image.mode})", "Convert it to 8 or 16 bits"
        )
    if image.mode == "CMYK":
        return to_array(_from_cmyk(image, icc, lost)), None, None
    if image.mode == "LAB":
        lost.append("L*a*b* became RGB in sRGB")
        image, icc = profiles.to_srgb(image, profiles.lab_profile()) or image, None
    see_through = "transparency" in image.info or image.mode in WITH_ALPHA
    gray = image.mode in ("1", "L", "LA", "La") or gray_palette(image)
    wanted = MODES[gray, see_through]
    if image.mode != wanted:
        image = image.convert(wanted)
    if not see_through:
        return to_array(image), None, icc
    alpha = to_array(image.getchannel("A"))
    return to_array(image.convert("L" if gray else "RGB")), alpha, icc


def gray_palette(image: Image.Image) -> bool:
    """Whether an image has a palette of only grays."""
    if image.mode not in ("P", "PA"):
        return False
    colours = np.reshape(image.getpalette("RGB") or [0, 0, 1], (-1, 3))
    return bool((colours == colours[:, :1]).all())


def to_array(image: Image.Image) -> NDArray[Any]:
    """An image's pixels, band by band, as Pillow would make several copies."""
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


def turn_upright(pixels: Pixels, orientation: int) -> Pixels:
    """Rotate and mirror pixels by EXIF's orientation."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)
