"""This process's memory: what it has, what it may still get, what it can give back."""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

CONTAINER = Path("/sys/fs/cgroup")
"""Where Linux tells a container's limit."""


def used() -> int:
    """Bytes that this process has in memory."""
    return int(psutil.Process().memory_info().rss)


def free() -> int:
    """Bytes of memory that are free, on this machine or for this container."""
    found = int(psutil.virtual_memory().available)
    try:
        limit = (CONTAINER / "memory.max").read_text(encoding="ascii").strip()
        taken = (CONTAINER / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return found
    if limit.isdecimal() and taken.isdecimal():
        found = min(found, max(0, int(limit) - int(taken)))
    return found


def give_back() -> None:
    """Have the system take what was freed.

    The allocator of most Linux systems keeps freed blocks of up to 32 MB in case they are wanted
    again; blocks of other sizes do not fit, and so it keeps more and more.
    """
    if trim := _trim():
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
