"""Reads picture files as arrays: upright, with all metadata."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from ..errors import PictureError
from .format import DAMAGED, HEAD_BYTES, MAX_PIXELS, Format, Header, ReadRequest
from .formats import FORMATS, KNOWN_FORMATS, known
from .picture import Picture, display_name


def read_header(file: Path | BinaryIO, request: ReadRequest | None = None) -> Header:
    """The facts of a file before it is decoded: size, depth, channels, pages.

    Raises:
        PictureError: missing, not a picture, several pages and none chosen, or too large.
    """
    with _opened(file) as (format, opened):
        return format.header(opened, request or ReadRequest())


def read_format(file: Path | BinaryIO) -> str:
    """The format of a picture's result, from the file's first bytes.

    Returns:
        A key of ``images.FORMATS``: the picture's own, or its successor.

    Raises:
        PictureError: missing, or not a picture.
    """
    with _opened(file) as (format, _):
        return format.key if format.key in FORMATS else format.successor


def read_size(file: Path | BinaryIO, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height after reading, from the file's header.

    Raises:
        PictureError: missing, not a picture, animated or of several pages, or larger than
            ``max_pixels``.
    """
    return read_header(file, ReadRequest(max_pixels)).size


def read(
    file: Path | BinaryIO,
    *,
    max_pixels: int = MAX_PIXELS,
    page: int | None = None,
    force_damaged: bool = False,
) -> Picture:
    """Decode a picture file.

    Args:
        file: a path, or an open seekable binary file.
        max_pixels: larger ones are refused before they are decoded.
        page: the page or frame, from 1, of a file with several.
        force_damaged: use the readable part of a damaged file.

    Raises:
        PictureError: missing, empty, damaged, not a picture, animated or of several pages, or
            larger than ``max_pixels``.
    """
    with _opened(file) as (format, opened):
        return format.read(opened, ReadRequest(max_pixels, page, force_damaged))


@contextlib.contextmanager
def _opened(file: Path | BinaryIO) -> Generator[tuple[Format, BinaryIO]]:
    name = display_name(file)
    try:
        with contextlib.ExitStack() as stack:
            if isinstance(file, Path):
                if file.is_dir():
                    raise PictureError(f"{name} is a folder", "Name a picture file")
                opened: BinaryIO = stack.enter_context(file.open("rb"))
            else:
                opened = file
            opened.seek(0)
            format = _identified(opened, name)
            opened.seek(0)
            yield format, opened
    except PictureError as error:
        if name in error.what:
            raise
        raise PictureError(f"cannot read {name}: {error.what}", error.fix) from error
    except FileNotFoundError:
        raise PictureError(f"{name} does not exist", "Check the name") from None
    except Image.UnidentifiedImageError as error:
        raise PictureError(
            f"cannot read {name}: its header is damaged, or of a kind that is not known",
            "Restore the file, or convert it to PNG",
        ) from error
    except DAMAGED as error:
        text = str(error) or type(error).__name__
        unknown = isinstance(error, NotImplementedError) or "nsupported" in text
        fix = "Convert it to PNG or TIFF" if unknown else "Restore the file"
        raise PictureError(f"cannot read {name}: {text}", fix) from error


def _identified(file: BinaryIO, name: str) -> Format:
    """The format of a file; only known formats are ever decoded.

    Raises:
        PictureError: it is empty, or of an unknown format.
    """
    head = file.read(HEAD_BYTES)
    if not head:
        raise PictureError(f"{name} is empty", "Restore the file")
    suffix = Path(name).suffix.lower()
    for format in known():
        if format.recognises(head, suffix):
            if format.install:
                raise PictureError(f"{name} is {format.name}", f"Install it: {format.install}")
            return format
    raise PictureError(f"{name} is not a picture that can be read", KNOWN_FORMATS)
