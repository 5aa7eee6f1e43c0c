"""Cached folders: written atomically and synced, checked for damage, cleaned of leftovers.

Each folder has a sealed file of facts, which lists the other files with size and sha256. It uses
only the standard library, and psutil, which knows the processes of every system.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Generator, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from ..errors import SrzooError
from . import files, strict

SEAL = "seal"
"""The key of a sealed file for the sha256 of all other keys."""
LARGEST = 32 << 20
"""The largest size of a sealed file in bytes."""
OLD_NAMES = re.compile(rf"{re.escape(files.TEMPORARY)}\w{{8}}(\.\w+)?")
"""Names of unfinished files of earlier versions, without their process; ledgers do not match."""
DATA_LOSS = errno.ENOSPC, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)
"""Errors of a sync that mean lost data; others mean that it is not supported."""


@dataclass(frozen=True)
class FileRecord:
    """One file of a kept folder: its name, bytes, and sha256 in hex."""

    name: str
    size: int
    sha256: str


def seal(facts: Mapping[str, Any]) -> bytes:
    """Facts as JSON with a seal, by which :func:`check_seal` detects any change."""
    return json.dumps({**facts, SEAL: _seal(facts)}).encode() + b"\n"


def check_seal(path: Path) -> dict[str, Any] | None:
    """The facts of a sealed file, or None if it is missing, damaged, or another kind of file."""
    try:
        if not path.is_file():  # opening a FIFO would block
            return None
        with path.open("rb") as file:
            found: object = json.loads(file.read(LARGEST))
        if not isinstance(found, dict):
            return None
        facts = cast("dict[str, Any]", found)
        return facts if facts.pop(SEAL, None) == _seal(facts) else None
    except (OSError, ValueError, RecursionError, MemoryError):
        return None


def _seal(facts: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def record_files(folder: Path) -> tuple[FileRecord, ...]:
    """The current files of a folder.

    Raises:
        OSError: a file cannot be read.
    """
    found = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple(FileRecord(path.name, path.stat().st_size, sha256(path)) for path in found)


def records_to_json(parts: Iterable[FileRecord]) -> list[dict[str, Any]]:
    """Records as JSON values."""
    return [asdict(part) for part in parts]


def records_from_json(value: object) -> tuple[FileRecord, ...] | None:
    """The opposite of :func:`records_to_json`; None for other values."""
    try:
        return strict.parse(tuple[FileRecord, ...], value, "the parts")
    except SrzooError:
        return None


def sha256(path: Path) -> str:
    """The sha256 of a file, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def intact(folder: Path, parts: Iterable[FileRecord], *, sure: bool = True) -> bool:
    """Whether a folder's files match the records; if not ``sure``, by size only."""
    try:
        return all(
            (folder / part.name).is_file()
            and (folder / part.name).stat().st_size == part.size
            and (not sure or sha256(folder / part.name) == part.sha256)
            for part in parts
        )
    except (OSError, ValueError):  # a name with a zero byte is a ValueError
        return False


@contextlib.contextmanager
def new_folder(parent: Path) -> Generator[Path]:
    """A temporary folder beside the final one; leftovers of killed processes are deleted.

    Raises:
        OSError: ``parent`` cannot be created or written.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    with tempfile.TemporaryDirectory(
        dir=parent, prefix=files.prefix(), ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def temporary_folder(owner: object) -> Path:
    """A temporary folder that is deleted with ``owner``.

    Raises:
        OSError: no temporary folder is writable.
    """
    parent = Path(tempfile.gettempdir())
    sweep(parent)
    made = Path(tempfile.mkdtemp(dir=parent, prefix=files.prefix()))
    weakref.finalize(owner, shutil.rmtree, made, ignore_errors=True)
    return made


def sync(path: Path) -> None:
    """Wait until a file, or a folder and all files in it, is on the disk.

    It does nothing on file systems that do not support it.

    Raises:
        OSError: data was lost: the disk is full, or broken.
    """
    if path.is_dir():
        for inner in path.iterdir():
            sync(inner)
        if os.name != "posix":
            return  # folders cannot be opened on this system
    try:
        handle = os.open(path, os.O_RDONLY if os.name == "posix" else os.O_RDWR)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno in DATA_LOSS:
            raise
    finally:
        os.close(handle)


def move_into_place(new: Path, final: Path) -> None:
    """Rename a complete, synced folder; an existing one is moved into ``new``'s own folder.

    Raises:
        OSError: the disk is full, or another process has taken the name.
    """
    sync(new)
    if final.exists() or final.is_symlink():
        final.rename(new.with_name(f"{new.name}-before"))
    new.rename(final)
    _sync_names(final.parent)


def _sync_names(folder: Path) -> None:
    """Sync the folder's entry list only, without its files."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def sweep(parent: Path) -> None:
    """Delete unfinished files of killed processes in a folder, ignoring errors.

    A folder's name has the process that makes it: it is a leftover once that process has ended. A
    folder of another machine or container is a leftover after a day.
    """
    with contextlib.suppress(OSError):
        for path in list(parent.glob(f"{files.TEMPORARY}*")):
            with contextlib.suppress(OSError):
                if path.is_symlink() or not is_litter(path):
                    continue
                if path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif files.MADE.fullmatch(path.name) or OLD_NAMES.fullmatch(path.name):
                    path.unlink()


def is_litter(path: Path) -> bool:
    """Whether the process that made something unfinished has ended.

    Raises:
        OSError: it no longer exists.
    """
    changed = path.stat().st_mtime
    made = files.MADE.fullmatch(path.name)
    return files.process_has_gone(int(made[1]) if made else 0, made[2] if made else "", changed)
