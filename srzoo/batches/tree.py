"""The pictures of a folder and its subfolders."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from .. import images
from ..common import files
from ..errors import PictureError, SrzooError
from . import naming

MAX_SUFFIXES = 5
"""The number of suffixes that are listed; others are only counted."""


@dataclass
class Ignored:
    """The files and folders that were left out.

    Attributes:
        suffixes: files of other kinds, by suffix.
        hidden: files and folders whose names begin with a dot.
        folders: subfolders, if only the named folders are read.
    """

    suffixes: Counter[str] = field(default_factory=Counter[str])
    hidden: int = 0
    folders: int = 0

    def add(self, other: Ignored) -> None:
        """Add the counts of another folder."""
        self.suffixes.update(other.suffixes)
        self.hidden += other.hidden
        self.folders += other.folders

    def __bool__(self) -> bool:
        return bool(self.suffixes or self.hidden or self.folders)

    def __str__(self) -> str:
        kinds = [f"{n} {suffix or 'without ending'}" for suffix, n in self.suffixes.most_common()]
        several = len(kinds) - MAX_SUFFIXES
        kinds = [*kinds[:MAX_SUFFIXES], f"{several} more kinds"] if several > 1 else kinds
        parts = [", ".join(kinds)] * bool(kinds) + [f"{self.hidden} hidden"] * bool(self.hidden)
        if self.folders:
            parts.append(f"{self.folders} folder{'s' * (self.folders > 1)}: give -r")
        return f"left out: {'; '.join(parts)}"


@dataclass
class FolderContents:
    """The contents of a tree, sorted by name, each folder's own files first.

    Attributes:
        pictures: each with its folder, relative to the top.
        results: results of earlier runs, which are not inputs.
        links: linked folders, which are not followed, as they may be circular.
        problems: folders that cannot be read.
        ignored: other contents.
    """

    pictures: list[tuple[Path, Path]] = field(default_factory=list[tuple[Path, Path]])
    results: list[Path] = field(default_factory=list[Path])
    links: list[Path] = field(default_factory=list[Path])
    problems: list[tuple[Path, SrzooError]] = field(default_factory=list[tuple[Path, SrzooError]])
    ignored: Ignored = field(default_factory=Ignored)


def scan_folder(
    folder: Path, models: tuple[str, ...], recursive: bool, output: Path | None
) -> FolderContents:
    """Collect a folder's pictures, without hidden ones.

    Args:
        folder: the folder.
        models: names of models: ``X-NAME`` in a folder that also contains ``X`` is a result.
        recursive: include subfolders.
        output: a folder to leave out if it is in this one.

    Raises:
        PictureError: it contains no pictures, or cannot be read.
    """
    found = FolderContents()
    stack = [Path()]
    while stack:
        place = stack.pop()
        try:
            with os.scandir(folder / place) as opened:
                entries = sorted(opened, key=lambda entry: entry.name)
        except OSError as error:
            problem = PictureError(
                f"cannot read {folder / place}: {error.strerror}", "Change its rights"
            )
            if place == Path():
                raise problem from error
            found.problems.append((folder / place, problem))
            continue
        found.ignored.hidden += sum(_hidden(entry.name) for entry in entries)
        entries = [entry for entry in entries if not entry.name.startswith(".")]
        below = [e for e in entries if _is_folder(e) and not _is(e, output)]
        if not recursive:
            found.ignored.folders += len(below)
        else:
            found.links += [Path(entry.path) for entry in below if entry.is_symlink()]
            stack += [place / entry.name for entry in reversed(below) if not entry.is_symlink()]
        _add_files(folder, place, entries, models, found)
    if not (found.pictures or found.problems):
        hint = images.KNOWN_FORMATS
        if found.ignored.folders:
            hint = "Give --recursive to include its subfolders"
        left = f" ({found.ignored})" if found.ignored.suffixes else ""
        raise PictureError(f"{folder} contains no pictures{left}", hint)
    return found


def _add_files(
    folder: Path,
    place: Path,
    entries: list[os.DirEntry[str]],
    models: tuple[str, ...],
    found: FolderContents,
) -> None:
    names: list[str] = []
    for entry in entries:
        if _is_folder(entry):
            continue
        suffix = Path(entry.name).suffix.lower()
        # A broken link is kept, so that it is reported; devices and FIFOs are left out.
        if suffix in images.READABLE and (
            os.path.isfile(entry.path) or not os.path.exists(entry.path)
        ):
            names.append(entry.name)
        else:
            found.ignored.suffixes[suffix] += 1
    stems = {Path(name).stem for name in names}
    for name in names:
        stem = Path(name).stem
        if naming.is_result(stem, stems, models):
            found.results.append(folder / place / name)
        else:
            found.pictures.append((folder / place / name, place))


def _hidden(name: str) -> bool:
    return name.startswith(".") and not name.startswith(files.TEMPORARY)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    return os.path.isdir(entry.path)  # raises no OSError for broken links


def _is(entry: os.DirEntry[str], folder: Path | None) -> bool:
    try:
        return folder is not None and os.path.samefile(entry.path, folder)
    except OSError:
        return False
