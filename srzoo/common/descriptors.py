"""Descriptor 1, reserved for a program's own output, not for that of its libraries."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

OUT, ERR = 1, 2


def open_closed_descriptors() -> None:
    """Open what is closed of descriptors 0 to 2, so that no file of ours gets such a number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest that is free
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)


def take_stdout() -> io.FileIO:
    """Standard output as a file of one's own; what others print goes to standard error from now on.

    That holds to the end of the process: C libraries keep their lines, and print them when they
    are unloaded. :func:`give_back_stdout` undoes it.
    """
    own = io.FileIO(os.dup(OUT), "wb")
    os.dup2(ERR, OUT)
    return own


def give_back_stdout(own: io.FileIO) -> None:
    """Undo :func:`take_stdout`, when all that C libraries have kept has been printed."""
    flush_c()
    os.dup2(own.fileno(), OUT)


def flush_c() -> None:
    """Have C libraries print what they keep back (``fflush(NULL)``)."""
    import ctypes  # costs a start-up some milliseconds

    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        library.fflush(None)


def take_stdout_as_text() -> TextIO:
    """Standard output as text, taken over: for a process that only answers another one."""
    sys.stdout.flush()
    return io.TextIOWrapper(io.BufferedWriter(take_stdout()), encoding="utf-8", line_buffering=True)
