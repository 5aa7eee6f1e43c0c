"""The caches of srzoo on this machine, which can be made or downloaded again."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ..common import files, kept_folders
from ..errors import SrzooError
from ..exporting import exports
from ..models.folder import read_folder

if TYPE_CHECKING:
    from huggingface_hub import CachedRepoInfo

EXPORTS, PIXELS, HUB, LITTER = "exports", "pixels", "hub", "litter"
KINDS = EXPORTS, PIXELS, HUB, LITTER
"""Exports for engines, decoded training pictures, models from the Hub, and leftovers of killed
processes."""
HERE = EXPORTS, PIXELS, LITTER
"""The kinds in srzoo's own cache; models of the Hub are in its client's cache."""
KEY = 24
"""The length of the names of decoded pixels."""


@dataclass(frozen=True)
class CacheEntry:
    """One item in a cache.

    Attributes:
        kind: one of KINDS.
        name: its description.
        path: its file or folder.
        bytes: on the disk.
        used: when it was last made or used, in seconds since 1970.
        needed: whether it would be used again; None if unknown.
    """

    kind: str
    name: str
    path: Path
    bytes: int
    used: float
    needed: bool | None = None


@dataclass(frozen=True)
class DatasetCache:
    """A dataset with cached decoded pictures, in one folder or several.

    Attributes:
        name: the dataset plugin and its arguments.
        count: cached pictures; one that has changed counts twice.
        bytes: on the disk.
        used: when they were last made or used, in seconds since 1970.
        kept: the folders.
    """

    name: str
    count: int
    bytes: int
    used: float
    kept: tuple[CacheEntry, ...]


def pictures() -> list[DatasetCache]:
    """Decoded pictures by dataset, the largest first."""
    sets: dict[str, list[tuple[CacheEntry, int]]] = {}
    for entry in _pixels():
        facts = kept_folders.check_seal(entry.path / "index.json") or {}
        name = str(facts.get("about") or "of an earlier srzoo, or damaged")
        sets.setdefault(name, []).append((entry, len(facts.get("names", ()))))
    found = [
        DatasetCache(
            name,
            sum(count for _, count in kept),
            sum(entry.bytes for entry, _ in kept),
            max(entry.used for entry, _ in kept),
            tuple(entry for entry, _ in kept),
        )
        for name, kept in sets.items()
    ]
    return sorted(found, key=lambda each: (-each.bytes, each.name))


def places() -> dict[str, Path]:
    """The cache folders, by kind."""
    from huggingface_hub import constants

    return {
        EXPORTS: exports.root(),
        PIXELS: files.cache() / PIXELS,
        HUB: Path(constants.HF_HUB_CACHE),
    }


def entries(kinds: Iterable[str] = KINDS) -> list[CacheEntry]:
    """All cached items, the largest of each kind first."""
    read: dict[str, Callable[[], Iterator[CacheEntry]]] = {
        EXPORTS: _exports, PIXELS: _pixels, HUB: _hub, LITTER: _litter,
    }  # fmt: skip
    return [
        entry for kind in kinds for entry in sorted(read[kind](), key=lambda e: (-e.bytes, e.name))
    ]


def clear(kept: Iterable[CacheEntry]) -> int:
    """Delete items, and return the number of freed bytes.

    Raises:
        SrzooError: an item cannot be deleted.
    """
    freed = 0
    for entry in kept:
        try:
            _remove(entry.path)
        except OSError as error:
            raise SrzooError(
                f"cannot remove {entry.path}: {error.strerror or error}", "Fix that, or keep it"
            ) from error
        freed += entry.bytes
    return freed


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _exports() -> Iterator[CacheEntry]:
    for folder in _listed(exports.root()):
        if exports.NAME.fullmatch(folder.name) and folder.is_dir():
            record = folder / exports.RECORD
            used = record if record.exists() else folder
            yield CacheEntry(
                EXPORTS, folder.name, folder, _size(folder), _time(used), exports.needed(folder)
            )


def _pixels() -> Iterator[CacheEntry]:
    for folder in _listed(files.cache() / PIXELS):
        if len(folder.name) == KEY and folder.name.isalnum() and folder.is_dir():
            index = folder / "index.json"
            used = index if index.exists() else folder
            yield CacheEntry(PIXELS, folder.name, folder, _size(folder), _time(used))


def _litter() -> Iterator[CacheEntry]:
    for place in (exports.root(), files.cache() / PIXELS):
        for path in _listed(place):
            if path.name.startswith(files.TEMPORARY) and kept_folders.is_litter(path):
                yield CacheEntry(LITTER, path.name, path, _size(path), _time(path), needed=False)


def _hub() -> Iterator[CacheEntry]:
    for repo in _repos():
        yield CacheEntry(HUB, repo.repo_id, repo.repo_path, repo.size_on_disk, repo.last_accessed)


def _repos() -> list[CachedRepoInfo]:
    """The repositories in the client's cache that contain models for srzoo."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        found = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except (CacheNotFound, OSError, ValueError, RuntimeError):  # the last: no home folder
        return []
    return [
        repo
        for repo in found
        if repo.repo_type == "model"
        and any(_is_model(revision.snapshot_path) for revision in repo.revisions)
    ]


def _is_model(folder: Path) -> bool:
    try:
        read_folder(folder)
    except (SrzooError, RecursionError):
        return False
    return True


def _listed(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def _size(path: Path) -> int:
    inner = [path] if path.is_file() else path.rglob("*")
    try:
        return sum(file.lstat().st_size for file in inner if file.is_file())
    except OSError:
        return 0  # it was just deleted


def _time(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
