"""One run in a folder at a time, for the life of its process.

The lock is the system's own, so whatever ends a process ends its lock. What is written into the
file says who holds it, and decides where a file system knows no locks.
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
"""Bytes of a mark; a longer one is none of ours."""


@dataclass(frozen=True)
class Mark:
    """Who trains in a folder.

    Attributes:
        process: its number.
        here: the machine or container in which that number means something.
        host: the machine's name, for people.
        since: when it began, for people.
    """

    process: int
    here: str
    host: str
    since: str


@contextlib.contextmanager
def lock_run_folder(out: Path) -> Generator[None]:
    """Have a run's folder for this process alone; folders that were made go if they stay empty.

    Raises:
        SrzooError: another process trains in it, or it is not a folder and can be none.
        OSError: it cannot be written.
    """
    if out.exists() and not out.is_dir():
        raise SrzooError(f"{out} is a file, and a run needs a folder", "Choose another name")
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
            if os.name == "nt":  # an open file stays there, and so does one that another opened
                with contextlib.suppress(OSError):
                    (out / NAME).unlink()
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()


def _open_locked(out: Path) -> int:
    """The open and locked file."""
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
                # Processes that it had started are there still, and have its files open.
                if _is_at(handle, path):
                    path.unlink()
            elif locked is False or (locked is None and mark and not left):
                raise _in_use(out, mark)
            elif _is_at(handle, path):  # whoever had it may have taken it away meanwhile
                _write(handle)
                stack.pop_all()
                return handle
    raise _in_use(out, None)


def _read(handle: int) -> Mark | None:
    try:
        os.lseek(handle, 0, os.SEEK_SET)
        return strict.parse(Mark, json.loads(os.read(handle, LONGEST)), NAME)
    except (OSError, ValueError, RecursionError, SrzooError):
        return None  # of a moment ago, and not written yet


def _write(handle: int) -> None:
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    mark = Mark(os.getpid(), files.machine_id(), platform.node(), since)
    os.ftruncate(handle, 0)
    os.lseek(handle, 0, os.SEEK_SET)
    os.write(handle, json.dumps(asdict(mark)).encode())


def _is_at(handle: int, path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except OSError:
        return False


def _in_use(out: Path, mark: Mark | None) -> SrzooError:
    who = f"process {mark.process} on {mark.host}, since {mark.since}" if mark else "another run"
    return SrzooError(f"{out} is in use by {who}", "Wait for it, stop it, or choose another folder")
