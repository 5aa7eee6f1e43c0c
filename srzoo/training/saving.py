"""Writes the files of a run to its folder; disk errors become errors with a fix."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from ..common import troubles
from ..errors import SrzooError
from . import checkpoint
from .checkpoint import RunState
from .parts import Parts
from .step import Run


@contextmanager
def explain_failures(what: str, left: str) -> Generator[None]:
    """Turn disk errors into a ``SrzooError``; ``left`` states what is saved nevertheless."""
    try:
        yield
    except OSError as error:
        raise SrzooError(
            f"cannot save {what}: {troubles.describe(error)}; {left}", troubles.fix_for(error)
        ) from error


def save_checkpoint(run: Run, out: Path, progress: RunState, left: str) -> None:
    """Write a checkpoint; ``left`` states what is saved if that fails."""
    with explain_failures(f"step {progress.step}", left):
        checkpoint.save(run.parts, out, progress, run.scalers)


def finish_checkpoint(run: Run, out: Path, now: RunState) -> None:
    """Publish the weights to release, and delete old checkpoints."""
    release(run.parts, out, now)
    with explain_failures("room", f"the checkpoint of step {now.step} is kept"):
        checkpoint.prune(out, run.parts.recipe.train.keep, now.best[0] if now.best else None)


def release(parts: Parts, out: Path, progress: RunState) -> None:
    """Copy the stage's best checkpoint, or its last, to the run's own model folder."""
    best = progress.best if parts.recipe.train.release == "best" else None
    step = best[0] if best else progress.step
    folder = checkpoint.folder_of(out, step)
    # It is missing if the run resumes from another run's checkpoint.
    if step > parts.start and folder.is_dir():
        with explain_failures(
            f"the model of step {step}", f"the checkpoint of step {progress.step} is kept"
        ):
            checkpoint.publish(folder, out)
