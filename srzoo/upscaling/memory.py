"""This process's memory: what it has, what it may still get, what it can give back."""

from __future__ import annotations

import ctypes
import os
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


def peak() -> int:
    """The most bytes that this process has had in memory."""
    if sys.platform == "linux":
        # Not getrusage: there the peak of whoever started this process lives on.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def cores() -> int:
    """How many threads compute at a time: ``OMP_NUM_THREADS``, or the cores there are."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    if told.isdecimal() and int(told):
        return int(told)
    mine = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(mine, psutil.cpu_count(logical=False) or mine)


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
