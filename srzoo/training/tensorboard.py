"""A run's numbers for TensorBoard, beside log.jsonl."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import SrzooError
from .watch import Watch


@contextmanager
def also(watch: Watch, folder: Path) -> Generator[Watch]:
    """The same watch, which writes TensorBoard's events into ``folder`` too.

    Raises:
        SrzooError: the package tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError as error:
        raise SrzooError(
            "the package tensorboard is not installed", 'pip install "srzoo[tensorboard]"'
        ) from error
    writer: Any = SummaryWriter(folder)

    def stepped(step: int, losses: dict[str, float], speed: float, waiting: float) -> None:
        for name, value in losses.items():
            writer.add_scalar(f"loss/{name}", value, step)
        writer.add_scalar("steps per second", speed, step)
        watch.on_step(step, losses, speed, waiting)

    def evaluated(step: int, values: dict[str, float]) -> None:
        for name, value in values.items():
            writer.add_scalar(f"validation/{name}", value, step)
        watch.on_evaluation(step, values)

    try:
        yield replace(watch, on_step=stepped, on_evaluation=evaluated)
    finally:
        writer.close()
