"""Sets of pictures to measure on: HR and LR files side by side, or HR files alone."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import images
from ..dataroot import DATA_VARIABLE
from ..errors import PictureError, SrzooError, did_you_mean

if TYPE_CHECKING:
    from ..contracts import U8, Degradation


@dataclass(frozen=True)
class PictureSet:
    """HR files, and the LR files of the same names; ``lr`` is None where none are there."""

    name: str
    hr: tuple[Path, ...]
    lr: tuple[Path, ...] | None


def find(data: str | Path, scale: int) -> PictureSet:
    """The files of one set of pictures.

    Args:
        data: a folder, or the short name of a set, as ``evaluate`` takes it.
        scale: which of its parts, where it has several.

    Raises:
        SrzooError: there is no such set, or it has no such part, or names do not match.
    """
    root = Path(data) if Path(data).is_dir() else named(str(data))
    part = root / f"x{scale}"
    folder = part if part.is_dir() else root
    high, low = folder / "HR", folder / "LR"
    hr = _pictures(high if high.is_dir() else folder)
    if not hr:
        parts = sorted(path.name for path in root.glob("x[0-9]*") if path.is_dir())
        raise SrzooError(
            f"{folder} holds no pictures" + (f" for x{scale}" if parts else ""),
            f"It has {', '.join(parts)}" if parts else "Put them there, or into HR and LR in it",
        )
    lr = tuple(low / path.name for path in hr) if high.is_dir() and low.is_dir() else None
    for path in lr or ():
        if not path.is_file():
            raise SrzooError(
                f"{high / path.name} has no partner {path}",
                "HR and LR have to hold files of the same names",
            )
    return PictureSet(name_of(root), hr, lr)


def named(name: str, root: Path | None = None) -> Path:
    """The folder of a set that has a short name.

    Args:
        name: "Set5", for instance.
        root: where sets lie, in ``benchmarks`` or directly; None for ``$SRZOO_DATA``.

    Raises:
        SrzooError: it is not there, or nothing says where sets lie.
    """
    if root is None:
        if not os.environ.get(DATA_VARIABLE):
            raise SrzooError(
                f"there is no folder {name}",
                f"Name one, or set {DATA_VARIABLE} to the folder whose benchmarks hold it",
            )
        root = Path(os.environ[DATA_VARIABLE])
    homes = [home for home in (root / "benchmarks", root) if home.is_dir()]
    known = [path.name for home in homes[:1] for path in home.iterdir() if path.is_dir()]
    for home in homes:
        if Path(name).name == name and (home / name).is_dir():
            return home / name
    raise SrzooError(f"{root} has no set of pictures {name!r}", did_you_mean(name, known))


def name_of(folder: Path) -> str:
    """A folder's name, or that of the one it belongs to if it is a part: x4, or HR."""
    folder = Path(os.path.abspath(folder))
    while re.fullmatch(r"x[0-9]+|HR", folder.name):
        folder = folder.parent
    return folder.name


def _pictures(folder: Path) -> tuple[Path, ...]:
    return tuple(
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in images.READABLE and path.name[0] != "." and path.is_file()
    )


def pairs(
    found: PictureSet, scale: int, maker: Degradation | None, seed: int
) -> Iterator[tuple[U8, U8]]:
    """LR and HR pictures, uint8 H x W x 3, one pair at a time.

    HR is cropped at its right and bottom to exactly ``scale`` times the size of LR. Gray
    becomes R = G = B; transparency is laid on white.

    Args:
        found: the files.
        scale: the factor.
        maker: makes LR pictures where the set has none; may be None where it has.
        seed: each picture's chance depends on it and on the HR file's name alone.

    Raises:
        PictureError: a file cannot be read, or its size does not fit.
    """
    for at, path in enumerate(found.hr):
        hr = images.rgb(images.read(path))
        height, width = hr.shape[0] // scale, hr.shape[1] // scale
        if not height or not width:
            raise PictureError(f"{path} is smaller than {scale}x{scale} pixels", "Leave it out")
        hr = np.ascontiguousarray(hr[: height * scale, : width * scale])
        if found.lr is not None:
            lr = images.rgb(images.read(found.lr[at]))
        else:
            if maker is None:
                raise SrzooError(f"{path} has no LR picture", "Name a degradation to make it")
            lr = maker(hr, scale, np.random.default_rng([seed, zlib.crc32(path.name.encode())]))
        if lr.shape != (height, width, 3):
            source = found.lr[at] if found.lr else f"the LR picture made of {path}"
            raise PictureError(
                f"{source} has {lr.shape[1]}x{lr.shape[0]} pixels;"
                f" HR divided by {scale} is {width}x{height}",
                "Check the scale",
            )
        yield lr, hr
