"""Reserves descriptor 1 for the program's own output, without that of its libraries."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import TextIO

OUT, ERR = 1, 2


def open_closed_descriptors() -> None:
    """Open closed descriptors from 0 to 2, so that no other file gets such a number."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            handle = os.open(os.devnull, os.O_RDWR)  # the lowest free number
            if handle != number:
                os.dup2(handle, number)
                os.close(handle)


def take_stdout() -> io.FileIO:
    """Reserve standard output as a file; other output goes to standard error from now on.

    This lasts to the end of the process: C libraries buffer lines, and print them when they are
    unloaded. :func:`give_back_stdout` undoes it.
    """
    own = io.FileIO(os.dup(OUT), "wb")
    os.dup2(ERR, OUT)
    return own


def give_back_stdout(own: io.FileIO) -> None:
    """Undo :func:`take_stdout`, after flushing the buffers of C libraries."""
    flush_c()
    os.dup2(own.fileno(), OUT)


def flush_c() -> None:
    """Flush the buffers of C libraries (``fflush(NULL)``)."""
    import ctypes  # takes milliseconds to import

    with contextlib.suppress(OSError, AttributeError, TypeError):
        library = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        library.fflush(None)


def take_stdout_as_text() -> TextIO:
    """Reserve standard output as text, for a process that only answers another one."""
    sys.stdout.flush()
    return io.TextIOWrapper(io.BufferedWriter(take_stdout()), encoding="utf-8", line_buffering=True)
