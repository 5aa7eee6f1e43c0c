"""The files of a run in its folder; errors of the disk become errors with a fix."""

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
    """Turn errors of the disk into a ``SrzooError``; ``left`` says what is saved all the same."""
    try:
        yield
    except OSError as error:
        raise SrzooError(
            f"cannot save {what}: {troubles.describe(error)}; {left}", troubles.fix_for(error)
        ) from error


def save_checkpoint(run: Run, out: Path, progress: RunState, left: str) -> None:
    """Write a checkpoint; ``left`` says what is saved if that fails."""
    with explain_failures(f"step {progress.step}", left):
        checkpoint.save(run.parts, out, progress, run.scalers)


def finish_checkpoint(run: Run, out: Path, now: RunState) -> None:
    """Publish the weights that are the ones to release, and let old checkpoints go."""
    release(run.parts, out, now)
    with explain_failures("room", f"step {now.step} is saved, and stays"):
        checkpoint.prune(out, run.parts.recipe.train.keep, now.best[0] if now.best else None)


def release(parts: Parts, out: Path, progress: RunState) -> None:
    """Make the stage's best checkpoint, or its last, the run's own model folder."""
    best = progress.best if parts.recipe.train.release == "best" else None
    step = best[0] if best else progress.step
    folder = checkpoint.folder_of(out, step)
    # Not there if the run goes on from another run's checkpoint.
    if step > parts.start and folder.is_dir():
        with explain_failures(
            f"the model of step {step}", f"step {progress.step} is saved, and stays"
        ):
            checkpoint.publish(folder, out)
