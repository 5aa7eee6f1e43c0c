"""What a run leaves to look at: log.jsonl, and the curves as a picture."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from .. import files

T = TypeVar("T")
LOG = "log.jsonl"
CURVES = "curves.png"


class Report:
    """Collects losses and times between two lines of the log.

    Args:
        out: the run's folder.
        step: where the run goes on; lines of the log beyond it are taken away, since
            those steps are done again.
    """

    def __init__(self, out: Path, step: int) -> None:
        self._path = out / LOG
        self._curves = out / CURVES
        self._terms: list[dict[str, Tensor]] = []
        self._waiting = 0.0
        self._since = time.perf_counter()
        self._left = self._since
        self._step = step
        if self._path.exists():
            kept = [line for line in self.lines() if line["step"] <= step]
            with files.replacing(self._path) as file:
                file.writelines(json.dumps(line).encode() + b"\n" for line in kept)

    def lines(self) -> list[dict[str, Any]]:
        """All whole lines of the log so far."""
        found: list[dict[str, Any]] = []
        for text in self._path.read_text(encoding="utf-8").splitlines():
            try:
                found.append(json.loads(text))
            except json.JSONDecodeError:
                break  # a line that a kill cut off; the steps after it are done again
        return found

    def waited(self, get: Callable[[], T]) -> T:
        """Call ``get``, and count the time as waiting."""
        start = time.perf_counter()
        item = get()
        self._waiting += time.perf_counter() - start
        return item

    def add(self, terms: dict[str, Tensor]) -> None:
        """The loss terms of a batch."""
        self._terms.append({name: value.detach() for name, value in terms.items()})

    def log(self, step: int, rate: float) -> tuple[dict[str, float], float, float]:
        """Write a line; give back the mean terms, steps per second, and share of waiting."""
        seconds = time.perf_counter() - self._since
        names = self._terms[0]
        means = {n: sum(float(t[n]) for t in self._terms) / len(self._terms) for n in names}
        speed, wait = (step - self._step) / seconds, self._waiting / seconds
        facts = {"lr": rate, "steps_per_second": round(speed, 4), "waiting": round(wait, 5)}
        self._write({"step": step, "losses": means, **facts})
        self._terms, self._waiting, self._step = [], 0.0, step
        self._since = time.perf_counter()
        return means, speed, wait

    def leave(self) -> None:
        """What follows, up to :meth:`back`, is not training: its time is not counted."""
        self._left = time.perf_counter()

    def back(self) -> None:
        """Training goes on."""
        self._since += time.perf_counter() - self._left

    def evaluated(self, step: int, values: dict[str, float]) -> None:
        """Write a line of metrics, and draw the curves anew."""
        self._write({"step": step, "validation": values})
        draw_curves(self.lines(), self._curves)

    def _write(self, line: dict[str, Any]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def draw_curves(lines: list[dict[str, Any]], path: Path) -> None:
    """Losses and metrics over the steps, as a PNG."""
    from matplotlib.figure import Figure  # the object, not pyplot: no global state

    series: dict[str, tuple[list[int], list[float]]] = {}
    for line in lines:
        for name, value in {**line.get("losses", {}), **line.get("validation", {})}.items():
            steps, values = series.setdefault(name, ([], []))
            steps.append(line["step"])
            values.append(value)
    figure: Any = Figure(figsize=(5 * max(1, len(series)), 3.2), layout="constrained")
    for number, (name, (steps, values)) in enumerate(series.items(), 1):
        axes = figure.add_subplot(1, len(series), number)
        axes.plot(steps, values, marker="." if len(steps) < 30 else None)
        axes.set_title(name)
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    with files.replacing(path) as file:
        figure.savefig(file, format="png", dpi=80)
