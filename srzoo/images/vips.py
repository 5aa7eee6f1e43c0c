"""pyvips, the extra ``photo``: 16-bit colour, and large pictures in little memory.

Its imports are deferred until they are needed.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from ..errors import PictureError
from . import profiles
from .bmff import heif
from .format import DEEP
from .picture import Picture, display_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .picture import Pixels


@cache
def library() -> Any:
    """pyvips, or None if it or its library is not installed."""
    try:
        return importlib.import_module("pyvips")
    except (ImportError, OSError):
        return None


def can_read(loader: str) -> bool:
    """Whether pyvips is installed and has a loader, such as "pngload"."""
    pyvips = library()
    return pyvips is not None and bool(pyvips.type_find("VipsOperation", loader))


def decode(file: BinaryIO, loader: str) -> tuple[Pixels, bool]:
    """A file's stored pixels, H x W x C, C from 1; and whether it is CMYK.

    The last channel may be alpha. CMYK is returned as RGB in sRGB.

    Args:
        file: the file; its name is only for messages.
        loader: the only loader that is tried.

    Raises:
        PictureError: it is damaged, or of an unknown kind.
    """
    pyvips = library()
    try:
        source, held = _source(pyvips, file)
        load = getattr(pyvips.Image, f"{loader}_source")
        image = load(source, access="sequential", fail_on="error")
        cmyk = image.interpretation == "cmyk"
        if cmyk:
            image = _from_inks(image)
        if image.format not in ("uchar", "ushort"):
            raise PictureError(
                f"cannot read {display_name(file)}: it has {image.format} values",
                "Convert it to 8 or 16 bits a channel",
            )
        dtype = np.uint8 if image.format == "uchar" else np.uint16
        data = np.frombuffer(image.write_to_memory(), dtype)
        pixels: NDArray[Any] = data.reshape(image.height, image.width, image.bands)
        bits = image.get("bits-per-sample") if image.get_typeof("bits-per-sample") else 16
        if dtype == np.uint16 and bits < 16:
            pixels = pixels | pixels >> bits  # they were shifted: this scales white to the maximum
        del source, held  # must live until here
    except pyvips.Error as error:
        reason = " ".join(str(error).split())
        raise PictureError(
            f"cannot read {display_name(file)}: {reason}", "Restore the file"
        ) from error
    return pixels, cmyk


def _from_inks(image: Any) -> Any:
    """CMYK to sRGB, of the same depth; without a profile, through one of ordinary print."""
    profile = "cmyk" if image.get_typeof("icc-profile-data") == 0 else "none"
    return image.icc_transform(
        "srgb", embedded=True, input_profile=profile, intent="relative",
        black_point_compensation=True, depth=16 if image.format == "ushort" else 8,
    )  # fmt: skip


def from_cmyk(planes: Pixels, icc: bytes | None) -> Pixels | None:
    """CMYK of 16 bits, H x W x 4, to sRGB; None if pyvips cannot convert it.

    Args:
        planes: the largest value is full ink.
        icc: its profile; None for ordinary print.
    """
    if (pyvips := library()) is None:
        return None
    try:
        image = pyvips.Image.new_from_array(planes).copy(interpretation="cmyk")
        if icc:
            image.set_type(pyvips.GValue.blob_type, "icc-profile-data", icc)
        data = np.frombuffer(_from_inks(image).write_to_memory(), np.uint16)
    except pyvips.Error:
        return None
    return data.reshape(*planes.shape[:2], 3)


def _source(pyvips: Any, file: BinaryIO) -> tuple[Any, bytes | None]:
    """A file for pyvips; and the data that must live as long."""
    # Opened by Python, as a name may contain anything; a descriptor needs no name.
    file.seek(0)
    if not file.seekable():
        source = pyvips.SourceCustom()
        source.on_read(_reader(file))
        return source, None
    try:
        return pyvips.Source.new_from_descriptor(file.fileno()), None  # duplicates it
    except (AttributeError, OSError):
        data = file.read()
        return pyvips.Source.new_from_memory(data), data


def _reader(file: BinaryIO) -> Callable[[int], bytes]:
    def read(size: int) -> bytes:
        try:
            return file.read(size)
        except PictureError:  # the file stores it, as no error may pass through C
            return b""

    return read


def cmyk_profile() -> bytes | None:
    """A profile of ordinary print, for CMYK pictures without one."""
    pyvips = library()
    return pyvips.Image.profile_load("cmyk") if pyvips else None


def encode_avif(picture: Picture, quality: int) -> bytes:
    """A picture of 16 bits a channel as AVIF of 12.

    Raises:
        PictureError: the library failed.
    """
    pyvips = library()
    planes = picture.pixels if picture.pixels.ndim == 3 else picture.pixels[:, :, None]
    if picture.alpha is not None:
        planes = np.concatenate([planes, picture.alpha[:, :, None]], axis=2)
    image = pyvips.Image.new_from_array(np.ascontiguousarray(planes))
    kind = "rgb16" if picture.pixels.ndim == 3 else "grey16"
    # Its EXIF always has a resolution; 72 means none in EXIF.
    x, y = (value / 25.4 for value in picture.dpi or (72, 72))
    image = image.copy(interpretation=kind, xres=x, yres=y)
    for name, data in (
        # If numbers state the colours, they replace the profile afterwards.
        ("icc-profile-data", profiles.matrix_profile("sRGB") if picture.cicp else picture.icc),
        ("exif-data", picture.exif),
        ("xmp-data", picture.xmp),
    ):
        if data:
            image.set_type(pyvips.GValue.blob_type, name, data)
    try:
        data = image.heifsave_buffer(
            compression="av1", bitdepth=12, Q=quality, effort=3,
            subsample_mode="off" if quality >= DEEP else "on",
            keep="icc|xmp|exif" if picture.exif else "icc|xmp",
        )  # fmt: skip
    except pyvips.Error as error:
        reason = " ".join(str(error).split())
        raise PictureError(f"cannot write AVIF: {reason}", "Choose another format: png") from error
    return heif.with_cicp(data, picture.cicp) if picture.cicp else data
