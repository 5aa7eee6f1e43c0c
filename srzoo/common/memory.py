"""This process's memory: used, available, and what it can release."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from . import forks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONTAINER = Path("/sys/fs/cgroup")
"""Where Linux tells the limits of groups of processes: containers, systemd's slices and units."""
OWN_GROUP = Path("/proc/self/cgroup")
"""Which groups this process is in: a line for each hierarchy, ``number:controllers:path``."""


def used() -> int:
    """Bytes that this process has in memory."""
    return int(psutil.Process().memory_info().rss)


def free() -> int:
    """Bytes of memory that this process may still take, by all limits there are.

    Of the machine; of its control groups, version 1 or 2, and of those around them; and those of
    ``ulimit -v`` and ``ulimit -d``. What files keep in memory as long as nobody wants it is free.
    """
    found = [int(psutil.virtual_memory().available), *_free_in_groups(), *_free_by_ulimit()]
    return max(0, min(found))


def _free_in_groups() -> Iterator[int]:
    """Bytes left in each control group that has a limit."""
    try:
        lines = OWN_GROUP.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        lines = []
    # Where the file is missing, only the root groups: in a container they are its own group.
    paths = {"": "/", "memory": "/"}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        paths |= dict.fromkeys(controllers.split(","), path)
    for root in (CONTAINER, CONTAINER / "unified"):
        for group in _upwards(root, paths[""]):
            yield from _free_in_group(
                group, ("memory.max", "memory.high"), "memory.current", "inactive_file"
            )
    for group in _upwards(CONTAINER / "memory", paths["memory"]):
        kept = "total_inactive_file"
        yield from _free_in_group(group, ("memory.limit_in_bytes",), "memory.usage_in_bytes", kept)


def _upwards(root: Path, path: str) -> Iterator[Path]:
    """A group, those around it, and the root; those that cannot be seen from here are missing."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])


def _free_in_group(
    group: Path, limits: tuple[str, ...], usage_file: str, kept: str
) -> Iterator[int]:
    """What a group may still take, by each of its limits.

    Args:
        group: its folder.
        limits: the files with its limits.
        usage_file: the file with what it has taken.
        kept: the line of ``memory.stat`` with what is given back when it is wanted.
    """
    for name in limits:
        limit = _text(group / name).strip()
        now = _text(group / usage_file).strip()
        if limit.isdecimal() and now.isdecimal():
            lines = _text(group / "memory.stat").splitlines()
            stat = dict(line.split(maxsplit=1) for line in lines if " " in line)
            yield int(limit) - max(0, int(now) - int(stat.get(kept, 0)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _free_by_ulimit() -> Iterator[int]:
    """Bytes left by limits on the address space and on data."""
    if sys.platform == "win32":
        return
    import resource

    usage: Any = psutil.Process().memory_info()
    for limit, taken in ((resource.RLIMIT_AS, "vms"), (resource.RLIMIT_DATA, "data")):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY and hasattr(usage, taken):
            yield most - int(getattr(usage, taken))


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


def processors() -> int:
    """How many processors this process may use, counted as the system does."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def cores() -> int:
    """How many threads compute at a time: ``OMP_NUM_THREADS``, or the cores there are.

    One where those of the process that this was forked from are missing.
    """
    if forks.threads_lost():
        return 1
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdecimal() and int(stated):
        return int(stated)
    mine = processors()
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
