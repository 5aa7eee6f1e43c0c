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
"""The folder in which Linux lists the limits of control groups: containers, systemd's units."""
OWN_GROUP = Path("/proc/self/cgroup")
"""The groups of this process: a line for each hierarchy, ``number:controllers:path``."""


def used() -> int:
    """Bytes of memory that this process uses."""
    return int(psutil.Process().memory_info().rss)


def free() -> int:
    """Bytes of memory that this process may still allocate, by all limits.

    The limits are those of the machine; of the control groups (version 1 or 2) that contain it; and
    of ``ulimit -v`` and ``ulimit -d``. Memory that caches files counts as free.
    """
    found = [int(psutil.virtual_memory().available), *_free_in_groups(), *_free_by_ulimit()]
    return max(0, min(found))


def _free_in_groups() -> Iterator[int]:
    """Bytes left in each control group that has a limit."""
    try:
        lines = OWN_GROUP.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        lines = []
    # If the file is missing, only the root groups: in a container they are its own.
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
    """A group, its parents, and the root; invisible ones are left out."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for count in range(len(parts), -1, -1):
        yield root.joinpath(*parts[:count])


def _free_in_group(
    group: Path, limits: tuple[str, ...], usage_file: str, kept: str
) -> Iterator[int]:
    """The free bytes of a group by each of its limits.

    Args:
        group: its folder.
        limits: the files with its limits.
        usage_file: the file with its usage.
        kept: the line of ``memory.stat`` for reclaimable memory.
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
    """The peak memory of this process in bytes."""
    if sys.platform == "linux":
        # Not getrusage: it includes the peak of the parent process before exec.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # macOS counts bytes


def processors() -> int:
    """The number of processors that this process may use, as the system counts."""
    known = hasattr(os, "sched_getaffinity")
    return len(os.sched_getaffinity(0)) if known else os.cpu_count() or 1


def cores() -> int:
    """The number of computing threads: ``OMP_NUM_THREADS``, or the number of cores.

    One in a forked process whose parent had engine threads.
    """
    if forks.threads_lost():
        return 1
    stated = os.environ.get("OMP_NUM_THREADS", "")
    if stated.isdecimal() and int(stated):
        return int(stated)
    mine = processors()
    return min(mine, psutil.cpu_count(logical=False) or mine)


def give_back() -> None:
    """Return freed memory to the system.

    The allocator of most Linux systems keeps freed blocks of up to 32 MB for reuse. Blocks of other
    sizes do not fit, so it keeps more and more.
    """
    if trim := _trim():
        trim(0)


@cache
def _trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
