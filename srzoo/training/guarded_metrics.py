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
    """A metric whose error is stored, and replaced by the value NaN.

    Args:
        metric: the metric; this object has its attributes.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self.error: Exception | None = None

    def __getattr__(self, name: str) -> Any:
        if name in ("metric", "error"):  # not set yet while it is unpickled
            raise AttributeError(name)
        return getattr(self.metric, name)

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """The metric's value; after an error, NaN without calling the metric."""
        if self.error is None:
            try:
                return judge(self.metric, sr, hr, scale)
            except Exception as error:  # noqa: BLE001 - the caller reports it
                self.error = error
        return math.nan


def ask(metric: Metric, sr: U8, hr: U8 | None, scale: int) -> float:
    """A metric's value for a picture; NaN if a guarded metric fails."""
    return (metric if isinstance(metric, GuardedMetric) else partial(judge, metric))(sr, hr, scale)


def numbers(values: Mapping[str, float]) -> dict[str, float]:
    """The values that are not NaN."""
    return {name: value for name, value in values.items() if not math.isnan(value)}
