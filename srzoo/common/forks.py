"""Whether this process was forked from one with engine threads, which a fork does not copy.

A fork copies memory, but of all threads only the one that forks. Code that waits for another
thread, such as OpenMP's team or MNN's pool, would wait for ever: so in a forked process engines use
one thread, and objects of the parent are never closed.
"""

from __future__ import annotations

import ctypes
import os
import weakref

_started: set[int] = set()
"""The numbers of the processes in which an engine had threads: this one, and its ancestors."""
_held: weakref.WeakSet[object] = weakref.WeakSet()
"""Objects that wait for their threads when they are deleted."""


def note_threads(held: object = None) -> None:
    """Record that an engine has, or is about to start, threads in this process.

    Args:
        held: an object that waits for them when it is deleted; a forked process keeps it.
    """
    if not _started and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_hold)
    _started.add(os.getpid())
    if held is not None:
        _held.add(held)


def threads_lost() -> bool:
    """Whether an engine had threads before this process was forked."""
    return bool(_started - {os.getpid()})


def _hold() -> None:
    for part in list(_held):
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(part))
    _held.clear()
