"""Metrics that may fail: the run continues without them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..evaluating.judging import judge

if TYPE_CHECKING:
    from ..contracts import U8, Metric


class GuardedMetric:
    """A metric whose failure is kept, and is the value NaN.

    Args:
        metric: what is asked; its attributes are this one's.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        if name in ("metric", "error"):  # not there yet: it is being unpickled
            raise AttributeError(name)
        return getattr(self.metric, name)

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """What the metric says; after it failed, NaN without asking again."""
        if self.error is None:
            try:
                return judge(self.metric, sr, hr, scale)
            except Exception as error:  # noqa: BLE001 - the caller reports it
                self.error = error
        return math.nan


def ask(metric: Metric, sr: U8, hr: U8 | None, scale: int) -> float:
    """What a metric says of a picture; NaN of one that is guarded and fails."""
    return (metric if isinstance(metric, GuardedMetric) else partial(judge, metric))(sr, hr, scale)


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """Those that are one."""
    return {name: value for name, value in values.items() if not math.isnan(value)}
