"""Unexpected errors: one line for the user, and a traceback in a log that the line names."""

from __future__ import annotations

import errno
import os
import platform
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from .._version import __version__
from ..errors import MemoryBudgetError, SrzooError
from . import files
from .strangers import described

LOG = ".srzoo-errors.log"
"""The log's name in a batch's output folder."""
MOST = 4_000_000
"""The largest size of a log in bytes, as ten thousand pictures may fail in the same way."""
DEBUG = "SRZOO_DEBUG"
"""The environment variable that prints tracebacks, too."""
FULL = {errno.ENOSPC, errno.EDQUOT}
FIXES = {
    errno.EACCES: "Change its rights, or choose another place",
    errno.EPERM: "Change its rights, or choose another place",
    errno.EROFS: "Choose another place: that one is read-only",
    errno.ENOENT: "Check the name",
    errno.ENOTDIR: "Check the name: a part of it is not a folder",
    errno.EISDIR: "Name a file, not a folder",
    errno.EEXIST: "Choose another name",
    errno.ENAMETOOLONG: "Choose a shorter name",
    errno.ELOOP: "Fix the link: it leads back to itself",
    errno.EMFILE: "Let the process open more files: ulimit -n",
    errno.ENFILE: "Close other programs: the system has too many files open",
    errno.EFBIG: "Allow larger files (ulimit -f), or choose another place",
    errno.ENOMEM: 'Close other programs, or give memory="2GB"',
    errno.EIO: "Check the disk, and its cables or its network",
} | dict.fromkeys(FULL, "Make room there, or choose another place")
"""The fix for an OSError, by its number."""


def explain(error: BaseException, what: str, folder: Path | None = None) -> SrzooError:
    """Turn any error into one that states the problem and the fix.

    Args:
        error: the error; its traceback, which may keep whole pictures in memory, is cleared.
        what: the failed action, such as "cannot enlarge a.jpg".
        folder: the folder of the log beside a batch's ledger.

    Returns:
        A SrzooError unchanged; an error of the system with its reason; any other error with the
        name of the log that has its traceback. The error is the cause. With ``--debug`` the
        traceback is a note of it.
    """
    if isinstance(error, SrzooError):
        found = error
    elif isinstance(error, OSError) and error.strerror:
        found = SrzooError(f"{what}: {describe(error)}", fix_for(error))
    else:
        path = log(error, what, folder)
        where = f"Its traceback is in {path}: report it, please" if path else "Report it, please"
        if isinstance(error, MemoryError):
            where = f'Close other programs, or give memory="2GB". {where}'
            found = MemoryBudgetError(f"{what}: not enough memory", where)
        else:
            found = SrzooError(f"{what}: unexpected error: {_line(error)}", where)
    if found is not error:
        found.__cause__ = error
    if os.environ.get(DEBUG):
        found.add_note(_traceback(error))
    for each in _chain(found):
        each.__traceback__ = None
    return found


def describe(error: OSError) -> str:
    """The system's reason, and the file."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    cause = str(error.strerror or error)
    return f"{' to '.join(names)}: {cause}" if names else cause


def fix_for(error: OSError) -> str:
    """The fix for an error of the system."""
    return FIXES.get(error.errno or 0, "Check the place, or choose another")


def log(error: BaseException, what: str, folder: Path | None = None) -> Path | None:
    """Append a traceback to the log, and return its path; None if it cannot be written.

    Args:
        error: with the traceback.
        what: the failed action.
        folder: the folder of the log, if it is writable; else the user's folder for logs is used,
            with one log for each run.
    """
    text = (
        f"{time.strftime('%Y-%m-%d %H:%M:%S')} srzoo {__version__},"
        f" Python {platform.python_version()}, {platform.platform()}\n{what}\n{_traceback(error)}\n"
    )
    name = time.strftime(f"errors-%Y%m%d-{os.getpid()}.log")
    places = [folder / LOG] if folder else []
    for path in (*places, files.state() / name, files.temporary() / name):
        try:
            _append(path, text)
        except (OSError, ValueError):
            continue
        return path
    return None


def _append(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, flags, 0o600), "a", encoding="utf-8", errors="backslashreplace") as to:
        if os.fstat(to.fileno()).st_size < MOST:
            to.write(text)


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except (MemoryError, RecursionError):
        return f"{_line(error)} (there was no room for more)\n"


def _line(error: BaseException) -> str:
    """The error's class, and the first line of its message."""
    return described(error).splitlines()[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
