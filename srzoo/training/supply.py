"""Batches made in advance, in a thread or by worker processes.

A crop is a pure function of (seed, step, index), so who makes it does not matter: the batches
are the same bytes in the same order.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from multiprocessing import resource_tracker
from typing import Any, TypeVar

import psutil

from ..common import memory
from ..errors import SrzooError
from ..plugins import references
from .crops import Batch, Crops

T = TypeVar("T")
AHEAD = 4
"""Batches that one thread makes while others train."""
AHEAD_OF_WORKERS = 3
"""Batches for each worker process: one in the making, others in the pipes."""
MOST_WORKERS = 8
_crops: Crops | None = None
"""What a worker process draws from; None in any other."""


def workers_for(asked: int | None, processes: int = 1) -> int:
    """How many worker processes: as asked, or half of the cores less one for what trains.

    Args:
        asked: ``data.workers`` of the recipe; None for the default.
        processes: that train on this machine and share its cores.
    """
    if asked is not None:
        return asked
    return max(0, min(MOST_WORKERS, memory.processors() // processes // 2 - 1))


@contextmanager
def ready_batches(
    crops: Crops, start: int, stop: int, part: int = 0, parts: int = 1, workers: int = 0
) -> Generator[Generator[Batch]]:
    """The batches from ``start`` to before ``stop``, made ahead.

    Args:
        crops: where they are drawn.
        start, stop: numbers of batches.
        part, parts: which part of each, where several processes share them.
        workers: processes that make them; 0 for a thread of this one.

    Raises:
        SrzooError: the crops cannot be sent to another process. An error in making a batch is
            raised in its place.
    """
    pool, make, depth = _pool(crops, part, parts, workers)
    with closing(prefetch(make, start, stop, pool, depth)) as batches:
        yield batches


def _pool(
    crops: Crops, part: int, parts: int, workers: int
) -> tuple[Executor, Callable[[int], Batch], int]:
    if not workers:
        return ThreadPoolExecutor(1), lambda number: crops.batch(number, part, parts), AHEAD
    try:
        import loky  # pyright: ignore[reportMissingTypeStubs]
    except ImportError as error:
        raise SrzooError(
            "data.workers needs the package loky",
            'Install it: pip install "srzoo[train]", or set data.workers = 0',
        ) from error
    import cloudpickle  # pyright: ignore[reportMissingTypeStubs]

    if os.name == "posix":
        # Started among the workers, it would let signals through to those that follow.
        resource_tracker.ensure_running()
    for module in references.modules():  # workers cannot import these: their code is sent
        cloudpickle.register_pickle_by_value(module)  # pyright: ignore[reportUnknownMemberType]
    try:
        sent: bytes = cloudpickle.dumps(crops)  # pyright: ignore[reportUnknownMemberType]
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise SrzooError(
            f"the crops cannot be sent to worker processes: {error}",
            "Set data.workers = 0, or keep open files out of the degradation's attributes",
        ) from error
    # Not multiprocessing's own: its workers run the caller's script once more unless it is
    # guarded, and forks of a process with threads and a CUDA context can hang.
    pool: Any = loky.ProcessPoolExecutor(
        workers, initializer=_begin, initargs=(sent, os.getpid()), env={"OMP_NUM_THREADS": "1"}
    )
    return pool, _Part(part, parts), AHEAD_OF_WORKERS * workers


class _Part:
    """Makes one process's part of a batch, in a worker."""

    def __init__(self, part: int, parts: int) -> None:
        self._part = part
        self._parts = parts

    def __call__(self, number: int) -> Batch:
        assert _crops is not None
        return _crops.batch(number, self._part, self._parts)


def _begin(sent: bytes, parent: int) -> None:
    """Make a process a worker."""
    global _crops
    _crops = pickle.loads(sent)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they go to all; the one that trains decides

    def leave_with_parent() -> None:
        while psutil.pid_exists(parent) and os.getppid() == started_by:
            time.sleep(1)
        os._exit(0)

    started_by = os.getppid()

    threading.Thread(target=leave_with_parent, daemon=True).start()


def prefetch(
    make: Callable[[int], T], start: int, stop: int, pool: Executor, depth: int = AHEAD
) -> Generator[T]:
    """``make(start)``, ``make(start + 1)``, ... made in a pool, a few before they are used.

    Raises:
        SrzooError: a worker process is gone. An error in ``make`` is raised in its place.
    """
    made: deque[Future[T]] = deque()
    try:
        with _explained(), _ignore_signals():
            for number in range(start, min(start + depth, stop)):
                made.append(pool.submit(make, number))
        for number in range(start, stop):
            with _explained():
                item = made.popleft().result()
                if number + depth < stop:
                    made.append(pool.submit(make, number + depth))
            yield item
    finally:
        for future in made:
            future.cancel()
        pool.shutdown()


@contextmanager
def _explained() -> Generator[None]:
    """Turn the error of a pool that has lost a process into one of ours."""
    try:
        yield
    except BrokenExecutor as error:
        cause = f": {error.__cause__}" if error.__cause__ else ""
        raise SrzooError(
            f"a worker process that makes crops has ended{cause}",
            "If the memory was full, lower data.workers, or set it to 0",
        ) from error


@contextmanager
def _ignore_signals() -> Generator[None]:
    """Block Ctrl-C and SIGTERM while workers are started; this process gets them afterwards.

    A terminal sends them to workers too, which would end before they can ignore them.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
