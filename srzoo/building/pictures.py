"""Functions for datasets of picture files: find them, read them, detect changes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from .. import images
from ..errors import PictureError

if TYPE_CHECKING:
    from PIL import Image

    from ..contracts import U8


def find_pictures(root: Path, recursive: bool = True) -> list[str]:
    """The pictures of a tree, as sorted relative names with forward slashes.

    Hidden files and folders are left out. Links to folders are followed, each folder once.

    Raises:
        PictureError: ``root`` is not a folder, or contains no pictures.
    """
    if not root.is_dir():
        what = "is a file" if root.exists() else "does not exist"
        raise PictureError(f"the folder {root} {what}", "Name a folder of pictures")
    seen: set[str] = set()
    names: list[str] = []
    for place, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        fresh = real not in seen
        seen.add(real)
        folders[:] = [name for name in folders if name[0] != "."] if recursive and fresh else []
        if fresh:
            names += [
                (Path(place) / name).relative_to(root).as_posix()
                for name in files
                if name[0] != "." and os.path.splitext(name)[1].lower() in images.READABLE
            ]
    if not names:
        raise PictureError(f"the folder {root} contains no pictures", images.KNOWN_FORMATS)
    return sorted(names)


def fingerprint(files: Iterable[tuple[str, Path]], *rest: object) -> str:
    """A sha256 over names, sizes and modification times, and further settings.

    Args:
        files: the name of each file in the dataset, and its path.
        rest: settings that change the pictures; their ``repr`` is included.

    Raises:
        PictureError: a file is missing.
    """
    digest = hashlib.sha256(repr(rest).encode())
    for name, path in files:
        try:
            facts = path.stat()
        except OSError as error:
            raise PictureError(f"{path}: {error.strerror}", "Restore the file") from error
        digest.update(f"{name}\0{facts.st_size}\0{facts.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def picture_key(files: Iterable[Path], *rest: object) -> str:
    """:func:`fingerprint` for the files of one picture, with their full paths.

    Raises:
        PictureError: a file is missing.
    """
    return fingerprint(((os.path.abspath(path), path) for path in files), *rest)


def picture_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as :func:`read_rgb` returns it, from the file's header.

    Raises:
        PictureError: the file is missing, damaged, or not a picture.
    """
    width, height = images.read_size(path)
    return height, width


def read_rgb(path: Path) -> U8:
    """Decode a file to uint8 H x W x 3: upright, gray as R = G = B, transparency on white.

    Raises:
        PictureError: the file is missing, damaged, or not a picture.
    """
    return images.rgb(images.read(path))


def rgb_of_pil(picture: Image.Image) -> U8:
    """:func:`read_rgb` for a picture that Pillow has opened.

    Raises:
        PictureError: it has no 8-bit form.
    """
    return images.rgb(images.from_pil(picture))


def fit_pair(hr: U8, lr: U8, scale: int, name: str) -> tuple[U8, U8]:
    """Crop a pair at its right and lower edges so that HR is ``scale`` times LR.

    Either may exceed the other by less than one LR pixel: LR pictures are made from HR
    pictures cropped to a multiple of the scale, or, by MATLAB, rounded up.

    Args:
        hr: uint8 H x W x 3.
        lr: uint8 h x w x 3.
        scale: the factor between HR and LR, along each side.
        name: the name of the pair in errors.

    Raises:
        PictureError: the sizes do not match.
    """
    height, width = pair_size(hr.shape[:2], lr.shape[:2], scale, name)
    return hr[: height * scale, : width * scale], lr[:height, :width]


def pair_size(hr: tuple[int, ...], lr: tuple[int, ...], scale: int, name: str) -> tuple[int, int]:
    """Height and width, in LR pixels, after :func:`fit_pair` of pictures of these sizes.

    Raises:
        PictureError: the sizes do not match.
    """
    for large, small in zip(hr, lr, strict=True):
        if abs(large - scale * small) >= scale:
            raise PictureError(
                f"{name}: HR is {hr[1]}x{hr[0]} and LR {lr[1]}x{lr[0]},"
                f" which do not match at scale {scale}",
                "Check the scale and the two files",
            )
    height, width = (min(large // scale, small) for large, small in zip(hr, lr, strict=True))
    if not (height and width):
        raise PictureError(f"{name}: HR is smaller than one LR pixel", "Check the scale")
    return height, width
