"""Sets of pictures for evaluation: pairs of HR and LR files, HR only, or LR only."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import images
from ..errors import PictureError, SrzooError, did_you_mean
from ..recipes.data_folder import DATA_VARIABLE
from . import layouts, partners
from .degrading import degrade

if TYPE_CHECKING:
    from ..contracts import U8, Degradation


@dataclass(frozen=True)
class FailedPicture:
    """A picture that could not be measured, and the reason, in a sentence with its name."""

    picture: str
    what: str


@dataclass(frozen=True)
class PictureSet:
    """The files of a set; files at the same index belong to the same picture.

    Attributes:
        name: the set's name.
        hr: HR files; None if there are none.
        lr: LR files; None if they are made from HR.
        missing: pictures without a file, or with several candidates; left out of both.
        root: the set's folder; messages name files relative to it.
    """

    name: str
    hr: tuple[Path, ...] | None
    lr: tuple[Path, ...] | None
    missing: tuple[FailedPicture, ...] = ()
    root: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """One file of each picture, which names it: HR if there is one."""
        return self.hr or self.lr or ()

    @property
    def size(self) -> int:
        """The number of pictures, including the missing ones."""
        return len(self.files) + len(self.missing)

    def where_lr(self) -> str | None:
        """The folder of the LR files; None if they are made from HR."""
        return str(self.lr[0].parent) if self.lr else None


def find_hr(data: str | Path, scale: int) -> PictureSet:
    """The HR files of a set of pictures.

    Args:
        data: a folder, or the short name of a set, as ``evaluate`` takes it.
        scale: selects a part, if the set has several.

    Raises:
        SrzooError: the set does not exist, or has no such part.
    """
    root = _root(data)
    folder = layouts.find_hr_folder(root, scale)
    hr = layouts.pictures(folder)
    if not hr:
        parts = layouts.lr_parts(root)
        raise SrzooError(
            f"{folder} contains no pictures" + (f" for x{scale}" if parts else ""),
            f"It has {', '.join(parts)}" if parts else "Put them there, or into HR and LR in it",
        )
    both = layouts.split_pairs(hr, scale)
    return PictureSet(layouts.name_of(root), both[0] if both else hr, None, root=root)


def find(data: str | Path, scale: int, lr: str | Path | None = None) -> PictureSet:
    """The files of a set of pictures, with LR files if there are any.

    Args:
        data, scale: as for :func:`find_hr`.
        lr: the folder of its LR pictures; None to search the known places.

    Raises:
        SrzooError: as for :func:`find_hr`; or no LR file belongs to any HR file.
    """
    found = find_hr(data, scale)
    if lr is not None:
        place = layouts.lr_part(_folder(Path(lr)), scale)
        return _with_lr(found, layouts.pictures(place), scale, place)
    folder = found.files[0].parent
    if both := layouts.split_pairs(layouts.pictures(folder), scale):
        return _with_lr(found, both[1], scale, folder)
    place = layouts.find_lr_folder(_root(data), folder, scale)
    return _with_lr(found, layouts.pictures(place), scale, place) if place else found


def photo_set(folder: str | Path) -> PictureSet:
    """A folder of LR pictures without HR.

    Raises:
        SrzooError: the folder does not exist, or contains no pictures.
    """
    folder = _folder(Path(folder))
    if found := layouts.pictures(folder):
        return PictureSet(layouts.name_of(folder), None, found, root=folder)
    raise SrzooError(f"{folder} contains no pictures", "Name the folder that contains them")


def result_set(
    folder: str | Path, found: PictureSet | None, scale: int | None
) -> tuple[PictureSet, tuple[Path, ...]]:
    """Results of a set, in a folder, or in its subfolder with the set's name.

    Args:
        folder: of finished SR files.
        found: the set, as :func:`find_hr` returns it; None for results without HR.
        scale: the factor.

    Returns:
        The set without pictures that have no result or several candidates, and the results.

    Raises:
        SrzooError: the folder does not exist, or no result belongs to any picture.
    """
    folder = _folder(Path(folder))
    if found is None:
        alone = photo_set(folder)
        return alone, alone.files
    place = folder / found.name
    place = place if place.is_dir() else folder
    files = {path.name: path for path in layouts.pictures(place)}
    return _matched(found, files, scale, place, "result")


def set_folder(name: str, root: Path | None = None) -> Path:
    """The folder of a set with a short name.

    Args:
        name: for example "Set5"; "DIV2K_valid" also finds a folder DIV2K_valid_HR.
        root: contains sets in ``benchmarks`` or directly; None for ``$SRZOO_DATA``.

    Raises:
        SrzooError: the folder does not exist, or ``root`` is not known.
    """
    if root is None:
        if not os.environ.get(DATA_VARIABLE):
            raise SrzooError(
                f"the folder {name} does not exist",
                f"Name one, or set {DATA_VARIABLE} to the folder whose benchmarks contain it",
            )
        root = Path(os.environ[DATA_VARIABLE])
    homes = [home for home in (root / "benchmarks", root) if home.is_dir()]
    known = [path.name for home in homes[:1] for path in home.iterdir() if path.is_dir()]
    plain = Path(name).name == name
    for home in homes if plain else ():
        for place in (home / name, home / f"{name}_HR", *sorted(home.glob(f"*/{name}_HR"))):
            if place.is_dir():
                return place
    raise SrzooError(f"{root} has no set of pictures {name!r}", did_you_mean(name, known))


def pairs(
    found: PictureSet, scale: int, maker: Degradation | None, seed: int
) -> Iterator[tuple[U8, U8]]:
    """LR and HR pictures, one pair at a time, as :func:`pair` gives them.

    Raises:
        PictureError: a file cannot be read, or its size does not fit.
    """
    for at in range(len(found.files)):
        lr, hr = pair(found, at, scale, maker, seed)
        assert hr is not None, "sets of pairs have HR"
        yield lr, hr


def pair(
    found: PictureSet, at: int, scale: int, maker: Degradation | None, seed: int
) -> tuple[U8, U8 | None]:
    """The LR picture at an index, and its HR picture; uint8 H x W x 3.

    HR is cropped at its right and bottom to exactly ``scale`` times the size of LR. Gray
    becomes R = G = B; transparent pictures are put on white.

    Args:
        found: the files.
        at: the index.
        scale: the factor.
        maker: makes LR pictures if the set has no LR files; else it may be None.
        seed: with the HR file's name, it determines the random numbers of each picture.

    Raises:
        PictureError: a file cannot be read, or its size does not fit.
    """
    source = found.lr[at] if found.lr else None
    if found.hr is None:
        assert source is not None, "a set has HR or LR"
        return _rgb(source), None
    path = found.hr[at]
    hr = _cropped(_rgb(path), path, scale)
    height, width = hr.shape[0] // scale, hr.shape[1] // scale
    if source is not None:
        lr = _rgb(source)
    elif maker is None:
        raise SrzooError(f"{path} has no LR picture", "Name a degradation to make it")
    else:
        chance = np.random.default_rng([seed, zlib.crc32(path.name.encode())])
        lr = degrade(hr, scale, maker, type(maker).__name__, chance, str(path))
    if lr.shape != (height, width, 3):
        raise PictureError(
            f"{source or f'the LR picture made of {path}'} has {lr.shape[1]}x{lr.shape[0]} pixels;"
            f" HR divided by {scale} is {width}x{height}",
            "Check the scale",
        )
    return lr, hr


def result_pair(found: PictureSet, at: int, file: Path, scale: int | None) -> tuple[U8, U8 | None]:
    """A finished SR picture, and the HR picture cropped as for :func:`pair`; uint8 H x W x 3.

    Raises:
        PictureError: a file cannot be read, or the size of SR is neither that of HR nor that of the
            cropped HR.
    """
    sr = _rgb(file)
    if found.hr is None or scale is None:
        return sr, None
    path = found.hr[at]
    whole = _rgb(path)
    hr = _cropped(whole, path, scale)
    if sr.shape not in (hr.shape, whole.shape):
        raise PictureError(
            f"{file} has {sr.shape[1]}x{sr.shape[0]} pixels;"
            f" {path.name} has {hr.shape[1]}x{hr.shape[0]} at x{scale}",
            "Check the scale",
        )
    return np.ascontiguousarray(sr[: hr.shape[0], : hr.shape[1]]), hr


def _root(data: str | Path) -> Path:
    return Path(data) if Path(data).is_dir() else set_folder(str(data))


def _folder(path: Path) -> Path:
    if not path.is_dir():
        raise SrzooError(
            f"the folder {path} does not exist", "Name the one that contains the pictures"
        )
    return path


def _with_lr(found: PictureSet, lr: tuple[Path, ...], scale: int, place: Path) -> PictureSet:
    """A set with the LR files that belong to its HR files."""
    files = {path.name: path for path in lr}
    if found.hr and all(path.name in files for path in found.hr):
        return replace(found, lr=tuple(files[path.name] for path in found.hr))
    reduced, small = _matched(found, files, scale, place, "partner")
    return replace(reduced, lr=small)


def _matched(
    found: PictureSet, files: Mapping[str, Path], scale: int | None, place: Path, what: str
) -> tuple[PictureSet, tuple[Path, ...]]:
    """A set without the pictures that do not have exactly one file, and the files of the others."""
    hr = found.files
    matched = partners.find([path.name for path in hr], files, scale)
    if not matched.certain:
        first = hr[0]
        several = matched.ambiguous[first.name]
        raise SrzooError(
            f"{place} has no certain {what} for any of the {len(hr)} pictures of {first.parent}:"
            f" {first.name} has {' or '.join(several) or f'no {what}'}",
            f"Begin names alike: {first.name}, {first.stem}_x{scale or 4}.png, one for each",
        )
    missing = tuple(
        FailedPicture(
            path.name,
            f"{path} has no {what} in {place}"
            if not (several := matched.ambiguous[path.name])
            else f"{path}: several files in {place} may be its {what}: {', '.join(several)}",
        )
        for path in hr
        if path.name in matched.ambiguous
    )
    kept = tuple(path for path in hr if path.name in matched.certain)
    partner = tuple(files[matched.certain[path.name]] for path in kept)
    return replace(found, hr=kept, missing=missing), partner


def _rgb(path: Path) -> U8:
    return images.rgb(images.read(path))


def _cropped(hr: U8, path: Path, scale: int) -> U8:
    """HR without the pixels that belong to no LR pixel."""
    height, width = hr.shape[0] // scale * scale, hr.shape[1] // scale * scale
    if not height or not width:
        raise PictureError(f"{path} is smaller than {scale}x{scale} pixels", "Leave it out")
    return np.ascontiguousarray(hr[:height, :width])
