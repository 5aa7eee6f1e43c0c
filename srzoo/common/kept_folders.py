"""Cached folders: written completely and synced, checked for damage, without leftovers.

A kept folder has a sealed file of facts, which lists the other files with size and sha256.
Standard library only, but for psutil, which knows the processes of every system.
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
"""The key of a sealed file that holds the sha256 of all the others."""
LARGEST = 32 << 20
"""Bytes of a sealed file: a larger one is none of ours."""
OLD_NAMES = re.compile(rf"{re.escape(files.TEMPORARY)}\w{{8}}(\.\w+)?")
"""Unfinished files as they were named before they told their process; a ledger is none."""
DATA_LOSS = errno.ENOSPC, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)
"""What a sync says when data is lost; anything else says that it cannot be asked."""


@dataclass(frozen=True)
class FileRecord:
    """One file of a kept folder: its name, bytes, and sha256 in hex."""

    name: str
    size: int
    sha256: str


def seal(facts: Mapping[str, Any]) -> bytes:
    """Facts as JSON with a seal: whatever changes in the file, :func:`check_seal` sees it."""
    return json.dumps({**facts, SEAL: _seal(facts)}).encode() + b"\n"


def check_seal(path: Path) -> dict[str, Any] | None:
    """The facts of a sealed file, or None if it is missing, damaged, or none of ours."""
    try:
        if not path.is_file():  # a FIFO would be waited for
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
    """What a folder holds at the moment.

    Raises:
        OSError: a file cannot be read.
    """
    found = sorted(path for path in folder.iterdir() if path.is_file())
    return tuple(FileRecord(path.name, path.stat().st_size, sha256(path)) for path in found)


def records_to_json(parts: Iterable[FileRecord]) -> list[dict[str, Any]]:
    """Parts as JSON can hold them."""
    return [asdict(part) for part in parts]


def records_from_json(value: object) -> tuple[FileRecord, ...] | None:
    """What :func:`records_to_json` gave, or None."""
    try:
        return strict.parse(tuple[FileRecord, ...], value, "the parts")
    except SrzooError:
        return None


def sha256(path: Path) -> str:
    """Of a file, in hex.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def intact(folder: Path, parts: Iterable[FileRecord], *, sure: bool = True) -> bool:
    """Whether a folder's files are those that were listed; if not ``sure``, by size alone."""
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
    """A temporary folder beside what will be kept; what killed processes left there goes.

    Raises:
        OSError: ``parent`` cannot be made or written.
    """
    parent.mkdir(parents=True, exist_ok=True)
    sweep(parent)
    with tempfile.TemporaryDirectory(
        dir=parent, prefix=files.prefix(), ignore_cleanup_errors=True
    ) as name:
        yield Path(name)


def temporary_folder(owner: object) -> Path:
    """A folder among the machine's temporary ones, which goes when ``owner`` does.

    Raises:
        OSError: there is none that can be written.
    """
    parent = Path(tempfile.gettempdir())
    sweep(parent)
    made = Path(tempfile.mkdtemp(dir=parent, prefix=files.prefix()))
    weakref.finalize(owner, shutil.rmtree, made, ignore_errors=True)
    return made


def sync(path: Path) -> None:
    """Wait until a file, or a folder and all files in it, is on the disk.

    Where a file system cannot be asked for it, it goes on.

    Raises:
        OSError: data was lost: the disk is full, or broken.
    """
    if path.is_dir():
        for inner in path.iterdir():
            sync(inner)
        if os.name != "posix":
            return  # folders cannot be opened there
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
    """Give a complete folder its name, synced; what stood there goes to ``new``'s own folder.

    Raises:
        OSError: the disk is full, or the name is taken by somebody who was faster.
    """
    sync(new)
    if final.exists() or final.is_symlink():
        final.rename(new.with_name(f"{new.name}-before"))
    new.rename(final)
    _sync_names(final.parent)


def _sync_names(folder: Path) -> None:
    """The folder alone, without what is in it."""
    if os.name == "posix":
        with contextlib.suppress(OSError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def sweep(parent: Path) -> None:
    """Take away what killed processes have left unfinished in a folder; errors are passed over.

    A folder names the process that makes it: it is litter once that has gone. What another
    machine or container makes is litter after a day.
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
    """Whether the process that made something unfinished has gone.

    Raises:
        OSError: it is not there any more.
    """
    changed = path.stat().st_mtime
    made = files.MADE.fullmatch(path.name)
    return files.process_has_gone(int(made[1]) if made else 0, made[2] if made else "", changed)
