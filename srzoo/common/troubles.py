"""Unexpected errors: one line for the user, and the traceback in a log that the line names."""

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
"""Bytes from which a log is not added to: ten thousand pictures may fail in the same way."""
DEBUG = "SRZOO_DEBUG"
"""The environment variable that has tracebacks printed, too."""
FULL = {errno.ENOSPC, errno.EDQUOT}
FIXES = {
    errno.EACCES: "Change its rights, or choose another place",
    errno.EPERM: "Change its rights, or choose another place",
    errno.EROFS: "Choose another place: that one can only be read",
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
    errno.EIO: "Look at the disk, and at its cables or its network",
} | dict.fromkeys(FULL, "Make room there, or choose another place")
"""What mends an OSError, by its number."""


def explain(error: BaseException, what: str, folder: Path | None = None) -> SrzooError:
    """An error of any kind as one that says what is wrong and what mends it.

    Args:
        error: what was caught; its traceback, which may hold whole pictures, is let go.
        what: could not be done, such as "cannot enlarge a.jpg".
        folder: where the log is kept beside a batch's ledger.

    Returns:
        A SrzooError as it is; what the system says with the reason; anything else with the
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
    """What the system says, and of which file."""
    names = [str(name) for name in (error.filename, error.filename2) if name is not None]
    said = str(error.strerror or error)
    return f"{' to '.join(names)}: {said}" if names else said


def fix_for(error: OSError) -> str:
    """What mends it."""
    return FIXES.get(error.errno or 0, "Look at the place, or choose another")


def log(error: BaseException, what: str, folder: Path | None = None) -> Path | None:
    """Add a traceback to the log, and give back its path; None if there is no place for one.

    Args:
        error: the traceback's.
        what: could not be done.
        folder: where it is kept, if that can be written; else it is the user's folder for logs,
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
    """The first line of what it says, after its kind."""
    return described(error).splitlines()[0]


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
