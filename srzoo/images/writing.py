"""Arrays to picture files: written completely or not at all, with notes on all that is lost."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..common import files
from ..errors import PictureError
from .formats import FORMATS
from .picture import Picture, display_name


def check_writable(path: Path | BinaryIO, size: tuple[int, int], format: str) -> None:
    """Refuse what cannot be written before any work is done for it.

    Raises:
        PictureError: the format cannot hold so many pixels.
    """
    FORMATS[format].check_writable(path, size)


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
    picture = FORMATS[format].fit(picture)
    try:
        with files.as_binary(file) as opened:
            _encode(picture, opened, format, quality)
    except (OSError, ValueError, RuntimeError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise PictureError(
            f"cannot write {display_name(file)}: {reason}", 'Choose another place: output="PATH"'
        ) from error
    return picture


def _encode(picture: Picture, file: BinaryIO, format: str, quality: int | None) -> None:
    FORMATS[format].write(picture, file, quality)
