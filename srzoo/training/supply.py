"""Batches made in advance, in a thread or by worker processes.

A crop is a pure function of (seed, step, index), so threads and workers make the same batches, byte
for byte, in the same order.
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
"""Batches that a thread makes ahead while others are used."""
AHEAD_OF_WORKERS = 3
"""Batches per worker process: one in the making, the others in pipes."""
MOST_WORKERS = 8
_crops: Crops | None = None
"""The source of crops in a worker process; None elsewhere."""


def workers_for(asked: int | None, processes: int = 1) -> int:
    """The number of worker processes: as requested, or half of the cores less one for training.

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
    """The batches from ``start`` up to, but not including, ``stop``, made ahead.

    Args:
        crops: the source of crops.
        start, stop: numbers of batches.
        part, parts: the part of each batch, if several processes share it.
        workers: the number of worker processes; 0 for a thread of this process.

    Raises:
        SrzooError: the crops cannot be pickled. An error in making a batch is raised when it is
            due.
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
        # If it were started among the workers, signals would reach those that follow.
        resource_tracker.ensure_running()
    for module in references.modules():  # workers cannot import these, so their code is sent
        cloudpickle.register_pickle_by_value(module)  # pyright: ignore[reportUnknownMemberType]
    try:
        sent: bytes = cloudpickle.dumps(crops)  # pyright: ignore[reportUnknownMemberType]
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as error:
        raise SrzooError(
            f"the crops cannot be sent to worker processes: {error}",
            "Set data.workers = 0, or keep open files out of the degradation's attributes",
        ) from error
    # multiprocessing's own pool would run the caller's script again unless it is guarded, and
    # forks of a process with threads and a CUDA context can hang.
    pool: Any = loky.ProcessPoolExecutor(
        workers, initializer=_begin, initargs=(sent, os.getpid()), env={"OMP_NUM_THREADS": "1"}
    )
    return pool, _Part(part, parts), AHEAD_OF_WORKERS * workers


class _Part:
    """Makes one process's part of a batch, in a worker process."""

    def __init__(self, part: int, parts: int) -> None:
        self._part = part
        self._parts = parts

    def __call__(self, number: int) -> Batch:
        assert _crops is not None
        return _crops.batch(number, self._part, self._parts)


def _begin(sent: bytes, parent: int) -> None:
    """Initialise a worker process."""
    global _crops
    _crops = pickle.loads(sent)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the training process handles them

    def leave_with_parent() -> None:
        while psutil.pid_exists(parent) and os.getppid() == started_by:
            time.sleep(1)
        os._exit(0)

    started_by = os.getppid()

    threading.Thread(target=leave_with_parent, daemon=True).start()


def prefetch(
    make: Callable[[int], T], start: int, stop: int, pool: Executor, depth: int = AHEAD
) -> Generator[T]:
    """``make(start)``, ``make(start + 1)``, ... made in a pool, a few ahead of their use.

    Raises:
        SrzooError: a worker process has ended. An error in ``make`` is raised when its result is
            due.
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
    """Turn the error of a pool that lost a process into a SrzooError."""
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
    """Block Ctrl-C and SIGTERM while workers start; this process receives them afterwards.

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
