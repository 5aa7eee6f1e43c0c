"""Writes picture files atomically, with notes on everything that is lost."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from ..common import files
from ..errors import PictureError
from .formats import FORMATS
from .picture import Picture, display_name


def check_writable(path: Path | BinaryIO, size: tuple[int, int], format: str) -> None:
    """Refuse a picture that cannot be written, before any work is done.

    Raises:
        PictureError: the format does not support so many pixels.
    """
    FORMATS[format].check_writable(path, size)


def write(
    picture: Picture, file: Path | BinaryIO, format: str, quality: int | None = None
) -> Picture:
    """Write a picture file atomically.

    Args:
        picture: what to write.
        file: a path, which is replaced if it exists (callers decide about that), or an open
            binary file, which gets all of it or nothing.
        format: a key of ``FORMATS``.
        quality: 1 to 100 for JPEG, WebP, AVIF and HEIC; None for the format's default, or
            lossless WebP for a lossless input.

    Returns:
        The picture as written, without what the format does not support; ``lost`` lists
            it.

    Raises:
        PictureError: the folder cannot be written, or the disk is full.
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
