"""The pictures of a folder, and of the folders in it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from .. import images
from ..errors import PictureError, SrzooError
from . import naming


@dataclass
class Found:
    """What lies in a tree, in the order of names, each folder's own files first.

    Attributes:
        pictures: each with the folder it lies in, seen from the top.
        results: results of earlier runs, which are no inputs.
        links: linked folders, which are not followed: they may lead round in circles.
        problems: folders that cannot be looked into.
    """

    pictures: list[tuple[Path, Path]] = field(default_factory=list[tuple[Path, Path]])
    results: list[Path] = field(default_factory=list[Path])
    links: list[Path] = field(default_factory=list[Path])
    problems: list[tuple[Path, SrzooError]] = field(default_factory=list[tuple[Path, SrzooError]])


def look_into(folder: Path, models: tuple[str, ...], recursive: bool, output: Path | None) -> Found:
    """Gather a folder's pictures; what is hidden is passed over.

    Args:
        folder: where to look.
        models: names of models: ``X-NAME`` in a folder that also holds ``X`` is a result.
        recursive: look into the folders in it too.
        output: a folder that is not looked into if it lies in this one.

    Raises:
        PictureError: it holds no pictures, or cannot be looked into.
    """
    found, deeper = Found(), False
    stack = [Path()]
    while stack:
        place = stack.pop()
        try:
            entries = sorted(os.scandir(folder / place), key=lambda entry: entry.name)
        except OSError as error:
            problem = PictureError(
                f"cannot look into {folder / place}: {error.strerror}", "Change its rights"
            )
            if place == Path():
                raise problem from error
            found.problems.append((folder / place, problem))
            continue
        entries = [entry for entry in entries if not entry.name.startswith(".")]
        below = [entry for entry in entries if entry.is_dir()]
        deeper |= bool(below)
        if recursive:
            found.links += [Path(entry.path) for entry in below if entry.is_symlink()]
            below = [e for e in below if not e.is_symlink() and not _is(e, output)]
            stack += [place / entry.name for entry in reversed(below)]
        _take(folder, place, entries, models, found)
    if not (found.pictures or found.problems):
        hint = f"Known: {' '.join(sorted(images.READABLE))}"
        if deeper and not recursive:
            hint = "Give --recursive to look into the folders in it"
        raise PictureError(f"{folder} holds no pictures", hint)
    return found


def _take(
    folder: Path,
    place: Path,
    entries: list[os.DirEntry[str]],
    models: tuple[str, ...],
    found: Found,
) -> None:
    names = [
        entry.name
        for entry in entries
        if Path(entry.name).suffix.lower() in images.READABLE
        # A link to nowhere is taken, so that it is told.
        and (entry.is_file() or not os.path.exists(entry.path))
    ]
    stems = {Path(name).stem for name in names}
    for name in names:
        stem = Path(name).stem
        if naming.is_result(stem, stems, models):
            found.results.append(folder / place / name)
        else:
            found.pictures.append((folder / place / name, place))


def _is(entry: os.DirEntry[str], folder: Path | None) -> bool:
    try:
        return folder is not None and os.path.samefile(entry.path, folder)
    except OSError:
        return False
