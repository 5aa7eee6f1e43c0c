"""Metrics over pictures, measured in threads while the next picture is upscaled."""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast

from ..common import memory
from ..contracts import MetricFacts, stated
from ..plugins import importing

if TYPE_CHECKING:
    from ..contracts import U8, Metric

WAITING = 256_000_000
"""Bytes of pictures that may wait for measurement; one picture always may."""


def judge(metric: Metric, sr: U8, hr: U8 | None, scale: int) -> float:
    """The value of a metric for one picture.

    Raises:
        BrokenPluginError: the metric fails, or does not return a number.
    """
    with importing.blamed(metric):
        value: object = metric(sr, hr, scale)
    number = math.nan
    if not isinstance(value, str | bytes | bool):
        with contextlib.suppress(TypeError, ValueError, RuntimeError):
            number = float(cast("Any", value))
    if math.isnan(number):
        raise importing.gave(metric, f"the metric {type(metric).__name__}", value, "a number")
    return number


def needs_reference(metric: Metric) -> bool:
    """Whether a metric compares with an HR picture.

    Raises:
        BrokenPluginError: the metric does not state it.
    """
    with importing.blamed(metric):
        found = cast("object", metric.reference)
    if not isinstance(found, bool):
        raise importing.gave(
            metric, f"the metric {type(metric).__name__}", found, "a bool as reference"
        )
    return found


class PendingValues:
    """The values of one picture, which may still be computing."""

    def __init__(self, futures: Mapping[str, Future[float]]) -> None:
        self.futures = futures

    def done(self) -> bool:
        """Whether all values are computed."""
        return all(future.done() for future in self.futures.values())

    def values(self) -> dict[str, float]:
        """Wait for each metric's value; raises the error of a metric."""
        return {name: future.result() for name, future in self.futures.items()}


class MetricQueue:
    """Measures pictures; :meth:`add` returns a :class:`PendingValues` at once.

    A metric with ``thread_safe`` measures several pictures at a time. All others share one thread,
    and get the pictures in order. :meth:`add` blocks while too many pictures are waiting in memory.
    Leaving the ``with`` block ends the threads.

    Args:
        metrics: by the names that :meth:`PendingValues.values` uses.
        workers: threads; None for one per core.
        ask: calls a metric with a picture.
    """

    def __init__(
        self,
        metrics: Mapping[str, Metric],
        workers: int | None = None,
        ask: Callable[[Metric, U8, U8 | None, int], float] = judge,
    ) -> None:
        self._metrics = metrics
        self._ask = ask
        self._workers = workers or memory.cores()
        self._many = ThreadPoolExecutor(self._workers, "srzoo-metrics")
        self._one = ThreadPoolExecutor(1, "srzoo-metric")
        self._pending: deque[tuple[PendingValues, int]] = deque()

    def __enter__(self) -> MetricQueue:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pool in (self._many, self._one):
            pool.shutdown(cancel_futures=True)

    def add(self, sr: U8, hr: U8 | None, scale: int) -> PendingValues:
        """Queue a picture for measurement; do not change the arrays until it is done.

        Args:
            sr: uint8 H x W x 3.
            hr: the same, or None for metrics without a reference.
            scale: the factor.
        """
        size = sr.nbytes + (0 if hr is None else hr.nbytes)
        self._make_room(size)
        judged = PendingValues(
            {
                name: (self._many if stated(metric, MetricFacts).thread_safe else self._one).submit(
                    self._ask, metric, sr, hr, scale
                )
                for name, metric in self._metrics.items()
            }
        )
        self._pending.append((judged, size))
        return judged

    def _make_room(self, size: int) -> None:
        while self._pending and (
            len(self._pending) > self._workers
            or sum(held for _, held in self._pending) + size > WAITING
        ):
            wait(self._pending.popleft()[0].futures.values())
