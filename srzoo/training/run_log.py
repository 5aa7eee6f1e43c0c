"""The logs of a run: log.jsonl, and the curves as a picture."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

from ..common import checked_file, files, troubles
from ..errors import SrzooError

T = TypeVar("T")
LOG = "log.jsonl"
CURVES = "curves.png"
SHEET = "sheet.png"
STAGES = "mean_of_stages"
"""Marks metrics of a mean over stages."""


class RunLog:
    """Collects losses and times between two lines of the log.

    Args:
        out: the run's folder; None in a process that does not write.
        step: the step at which the run resumes; later lines are deleted, as their steps run again,
            and so are the metrics of a mean over stages.
        tell: called once, with a sentence, if a line cannot be written.
    """

    def __init__(
        self, out: Path | None, step: int, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._path = out / LOG if out else None
        self._tell = tell
        self._failed = False
        self._losses: list[dict[str, Tensor]] = []
        self._facts: list[dict[str, Tensor]] = []
        self._waiting = 0.0
        self._since = time.perf_counter()
        self._left = self._since
        self._step = step
        if self._path and self._path.exists():
            lines = read(self._path)
            kept = [line for line in lines if line["step"] <= step and STAGES not in line]
            with files.atomic_write(self._path) as file:
                file.writelines(json.dumps(line).encode() + b"\n" for line in kept)

    def timed_wait(self, get: Callable[[], T]) -> T:
        """Call ``get``, and count its time as waiting."""
        start = time.perf_counter()
        item = get()
        self._waiting += time.perf_counter() - start
        return item

    def add(self, losses: dict[str, Tensor], facts: dict[str, Tensor]) -> None:
        """Add the loss terms of a batch, and its other values."""
        self._losses.append({name: value.detach() for name, value in losses.items()})
        self._facts.append(facts)

    def means(self) -> tuple[int, dict[str, float], dict[str, float]]:
        """The step of the last line, and the mean losses and facts since then."""
        return self._step, _means(self._losses), _means(self._facts)

    def log(
        self,
        step: int,
        losses: dict[str, float],
        facts: dict[str, float],
        rates: dict[str, float],
    ) -> dict[str, Any]:
        """Write a line, return it, and start the next."""
        seconds = time.perf_counter() - self._since
        speed, wait = (step - self._step) / seconds, self._waiting / seconds
        times = {**rates, "steps_per_second": round(speed, 4), "waiting": round(wait, 5)}
        rounded = {name: float(f"{value:.4g}") for name, value in facts.items()}
        line: dict[str, Any] = {"step": step, "losses": losses, "facts": rounded, **times}
        self._write(line)
        self._losses, self._facts, self._waiting, self._step = [], [], 0.0, step
        self._since = time.perf_counter()
        return line

    def warn(self, step: int, word: str) -> None:
        """Write a warning to the log."""
        self._write({"step": step, "warning": word})

    def pause_clock(self) -> None:
        """Stop counting time until :meth:`resume_clock`."""
        self._left = time.perf_counter()

    def resume_clock(self) -> None:
        """Count time again."""
        self._since += time.perf_counter() - self._left

    def log_evaluation(self, step: int, values: dict[str, float], stages: int = 1) -> None:
        """Write a line of metrics; of the mean over ``stages`` if more than one."""
        of = {STAGES: stages} if stages > 1 else {}
        self._write({"step": step, "validation": values, **of})

    def draw(self) -> None:
        """Draw the curves again.

        Raises:
            SrzooError: matplotlib is not installed.
            OSError: they cannot be written.
        """
        if self._path and self._path.exists():
            draw_curves(read(self._path), self._path.with_name(CURVES))

    def _write(self, line: dict[str, Any]) -> None:
        """Append a line atomically; a missing line does not end a run."""
        if self._path is None:
            return
        end = None
        try:
            with self._path.open("ab", buffering=0) as file:
                end = file.tell()
                checked_file.write_all(file, json.dumps(line).encode() + b"\n")
            self._failed = False
        except OSError as error:
            if end is not None:
                with contextlib.suppress(OSError):
                    os.truncate(self._path, end)
            if not self._failed:
                self._failed = True
                self._tell(f"a line of the log is missing: {troubles.describe(error)}")


def read(log: Path) -> list[dict[str, Any]]:
    """All complete lines of a log."""
    found: list[dict[str, Any]] = []
    for text in log.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError, RecursionError):  # a line cut off by a kill
            line: object = json.loads(text)
            if isinstance(line, dict) and isinstance(line.get("step"), int):  # pyright: ignore[reportUnknownMemberType]
                found.append(cast("dict[str, Any]", line))
    return found


def last_values(log: Path) -> dict[str, float]:
    """The values of a log's last evaluation; empty without one."""
    lines = read(log) if log.is_file() else []
    every: list[dict[str, float]] = [line["validation"] for line in lines if "validation" in line]
    return every[-1] if every else {}


def _means(items: list[dict[str, Tensor]]) -> dict[str, float]:
    """The mean of each name over the items that have it; fetched from the device in one copy."""
    every = [value.detach().float() for item in items for value in item.values()]
    stacked: Any = torch.stack(every) if every else torch.zeros(0)
    numbers = iter(cast("list[float]", stacked.tolist()))
    found: dict[str, list[float]] = {}
    for item in items:
        for name in item:
            found.setdefault(name, []).append(next(numbers))
    return {name: sum(values) / len(values) for name, values in found.items()}


PANELS = {
    "D(real), D(fake)": ("d_real", "d_fake"),
    "D right": ("d_right",),
    "gradients": ("generator_gradient", "discriminator_gradient"),
    "SR outside 0..1": ("outside",),
    "colour drift": ("red_drift", "green_drift", "blue_drift"),
}
"""Values that share a panel."""

LOGARITHMIC = ("gradients",)
COLUMNS = 4


def draw_curves(lines: list[dict[str, Any]], path: Path) -> None:
    """Draw losses, facts and metrics over the steps, as a PNG."""
    try:
        from matplotlib.figure import Figure  # not pyplot, which has global state
    except ImportError as error:
        raise SrzooError(
            "curves need the package matplotlib", 'Install it: pip install "srzoo[train]"'
        ) from error
    series: dict[str, tuple[list[int], list[float]]] = {}
    losses: dict[str, None] = {}
    metrics: dict[str, None] = {}
    for line in lines:
        losses |= dict.fromkeys(line.get("losses", {}))
        metrics |= dict.fromkeys(line.get("validation", {}))
        for group in ("losses", "facts", "validation"):
            for name, value in line.get(group, {}).items():
                steps, values = series.setdefault(name, ([], []))
                steps.append(line["step"])
                values.append(value)
    wanted = {name: (name,) for name in [*losses, *metrics]} | PANELS
    panels = {
        title: [name for name in names if name in series]
        for title, names in wanted.items()
        if not series.keys().isdisjoint(names)
    }
    columns = max(1, min(COLUMNS, len(panels)))
    rows = -(-len(panels) // columns) or 1
    figure: Any = Figure(figsize=(4 * columns, 2.8 * rows), layout="constrained")
    for number, (title, names) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(rows, columns, number)
        for name in names:
            steps, values = series[name]
            axes.plot(steps, values, marker="." if len(steps) < 30 else None, label=name)
        if len(names) > 1:
            axes.legend(fontsize="x-small")
        if title in LOGARITHMIC:
            axes.set_yscale("log")
        axes.set_title(title)
        axes.grid(alpha=0.3)
    with files.atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=80)
