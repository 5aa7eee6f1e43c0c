"""Whether this process was forked from one with engine threads, which a fork does not copy.

A fork copies memory, and of all threads the one that forks. What waits for another, such as
OpenMP's team or MNN's pool, waits for ever: so in such a process engines compute in one thread, and
what the parent has opened is never closed.
"""

from __future__ import annotations

import ctypes
import os
import weakref

_started: set[int] = set()
"""The processes, by number, in which an engine has had threads: this one, and those before it."""
_held: weakref.WeakSet[object] = weakref.WeakSet()
"""What has threads that it waits for when it goes."""


def note_threads(held: object = None) -> None:
    """Note that an engine has, or is about to get, threads of its own in this process.

    Args:
        held: what waits for them when it goes; in a forked process it stays to the end.
    """
    if not _started and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_hold)
    _started.add(os.getpid())
    if held is not None:
        _held.add(held)


def threads_lost() -> bool:
    """Whether one had them before this process was forked."""
    return bool(_started - {os.getpid()})


def _hold() -> None:
    for part in list(_held):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(part))
    _held.clear()
