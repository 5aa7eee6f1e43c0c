"""Reads, upscales and measures the pictures of one set, in a pipeline."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BrokenPluginError, PictureError, SrzooError
from .judging import MetricQueue, PendingValues
from .sets import FailedPicture

if TYPE_CHECKING:
    from ..contracts import U8, Metric


@dataclass
class MeasuredSet:
    """The measurements of a set.

    Attributes:
        seconds: total time of upscaling, while other pictures were read and measured.
        values: by the index of the picture and the metric's name, without failed pictures.
        failed: the pictures that could not be measured.
    """

    seconds: float = 0.0
    values: dict[int, dict[str, float]] = field(default_factory=dict[int, dict[str, float]])
    failed: list[FailedPicture] = field(default_factory=list[FailedPicture])


def measure(
    files: tuple[Path, ...],
    load: Callable[[int], tuple[U8, U8 | None]],
    enlarge: Callable[[U8], U8],
    metrics: Mapping[str, Metric],
    scale: int,
    step: Callable[[], None],
    *,
    keep_going: bool,
) -> MeasuredSet:
    """Measure pictures.

    Args:
        files: one file per picture, for its name.
        load: returns the LR and HR picture at an index; called ahead, in a separate thread.
        enlarge: LR to SR.
        metrics: by name.
        scale: the factor.
        step: called for each picture.
        keep_going: whether to note a picture that cannot be measured, instead of raising its error.
            Errors that affect all pictures, such as too little memory, are raised in any case.
    """
    found = MeasuredSet()
    errors: list[Exception] = []
    behind: deque[tuple[int, PendingValues]] = deque()

    def collect(*, wait: bool) -> None:
        while behind and (wait or behind[0][1].done()):
            at, judged = behind.popleft()
            try:
                found.values[at] = judged.values()
            except Exception as error:  # noqa: BLE001 - a metric may be anybody's
                fail(at, error)

    def fail(at: int, error: Exception) -> None:
        if not keep_going:
            if isinstance(error, BrokenPluginError):
                error.what = _explain(error, files[at])
            raise error
        errors.append(error)
        found.failed.append(FailedPicture(files[at].name, _explain(error, files[at])))

    reader = ThreadPoolExecutor(1, "srzoo-reader")
    try:
        with MetricQueue(metrics) as judging:
            ahead = reader.submit(load, 0)
            for at in range(len(files)):
                now = ahead
                if at + 1 < len(files):
                    ahead = reader.submit(load, at + 1)
                try:
                    lr, hr = now.result()
                    start = time.perf_counter()
                    sr = enlarge(lr)
                    found.seconds += time.perf_counter() - start
                    behind.append((at, judging.add(sr, hr, scale)))
                except Exception as error:  # noqa: BLE001 - a degradation, likewise
                    fail(at, error)
                collect(wait=False)
                step()
            collect(wait=True)
    finally:
        reader.shutdown(cancel_futures=True)
    if errors and not found.values:
        of_the_run = (e for e in errors if isinstance(e, SrzooError))
        if error := next((e for e in of_the_run if not isinstance(e, PictureError)), None):
            raise error
    return found


def _explain(error: Exception, file: Path) -> str:
    """The error, with the picture's name in it."""
    if isinstance(error, SrzooError):
        what = error.what
    else:
        first = (str(error).splitlines() or [""])[0]
        what = f"{type(error).__name__}: {first}".rstrip(": ")
    return what if file.name in what else f"{file}: {what}"
