"""Allows one run at a time in a folder, until its process ends.

The lock is the operating system's, so it ends with the process. The contents of the file identify
the holder, and decide on file systems without locks.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path

from ..common import files, strict
from ..errors import SrzooError

NAME = f"{files.TEMPORARY}run"
TRIES = 20
LONGEST = 4096
"""The largest size of a mark in bytes; a larger file is not a mark."""


@dataclass(frozen=True)
class Mark:
    """The process that trains in a folder.

    Attributes:
        process: its number.
        here: the machine or container in which that number is valid.
        host: the machine's name, for messages.
        since: its start, for messages.
    """

    process: int
    here: str
    host: str
    since: str


@contextlib.contextmanager
def lock_run_folder(out: Path) -> Generator[None]:
    """Reserve a run's folder for this process; created folders are removed if they stay empty.

    Raises:
        SrzooError: another process trains in it, or it is not a folder and cannot be one.
        OSError: it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise SrzooError(f"{out} is a file, but a run needs a folder", "Choose another name")
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    try:
        handle = _open_locked(out)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                if _is_at(handle, out / NAME):
                    (out / NAME).unlink()
            os.close(handle)
            if os.name == "nt":  # open files cannot be deleted
                with contextlib.suppress(OSError):
                    (out / NAME).unlink()
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _open_locked(out: Path) -> int:
    """Open and lock the file; return its handle."""
    path = out / NAME
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    for _ in range(TRIES):
        handle = os.open(path, flags, 0o666)
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, handle)
            locked = files.lock(handle)
            mark = _read(handle)
            left = mark is not None and files.process_has_gone(
                mark.process, mark.here, os.fstat(handle).st_mtime
            )
            if locked is False and left and mark and mark.here == files.machine_id():
                # Its child processes still run, and have its files open.
                if _is_at(handle, path):
                    path.unlink()
            elif locked is False or (locked is None and mark and not left):
                raise _in_use(out, mark)
            elif _is_at(handle, path):  # the previous holder may have deleted it
                _write(handle)
                stack.pop_all()
                return handle
    raise _in_use(out, None)


def _read(handle: int) -> Mark | None:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        return strict.parse(Mark, json.loads(os.read(handle, LONGEST)), NAME)
    except (OSError, ValueError, RecursionError, SrzooError):
        return None  # just created, and not written yet


def _write(handle: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    mark = Mark(os.getpid(), files.machine_id(), platform.node(), since)
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, json.dumps(asdict(mark)).encode())


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one with that name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _in_use(out: Path, mark: Mark | None) -> SrzooError:
    who = f"process {mark.process} on {mark.host}, since {mark.since}" if mark else "another run"
    return SrzooError(f"{out} is in use by {who}", "Wait for it, stop it, or choose another folder")
