"""The loop of one stage. It knows no plugin by name."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from .. import files
from ..errors import SrzooError
from . import checkpoint
from .assemble import Parts
from .checkpoint import Progress
from .crops import ahead
from .optimizers import set_rates
from .processes import anywhere, everyones, mean, stop_signal
from .report import Report
from .schedule import ema_decay, factor, generator_moves
from .step import Run, take
from .validate import first_is_better, validate
from .watch import Outcome, Watch
from .watchdog import NotFinite, Watchdog

LOG_EVERY = 50
REJECTED = "rejected"
"""The folder of batches whose loss or gradient was not finite."""


def fit(
    run: Run, out: Path, progress: Progress, watch: Watch, *, more: bool = False
) -> tuple[Outcome, Progress]:
    """Run the steps that are left of a stage; save, evaluate and report on the way.

    A SIGTERM or Ctrl-C saves a checkpoint and returns; at the last step that is an end before
    time only if ``more`` stages follow. A loss or gradient that is not finite sends the run back
    to its last checkpoint, and other crops are drawn in place of those that gave it.

    Raises:
        SrzooError: that happened more often than the recipe's watchdog allows.
    """
    parts, accelerator = run.parts, run.accelerator
    if accelerator.is_main_process:
        if progress.step == parts.start:  # the first checkpoint to fall back on
            checkpoint.save(parts, out, progress, accelerator.scaler)
        _release(parts, out, progress)  # a kill may have come between checkpoint and release
    accelerator.wait_for_everyone()
    while True:
        parts.crops.skip(progress.skipped)
        try:
            return _steps(run, out, progress, watch, more)
        except NotFiniteAt as found:
            progress = _roll_back(run, out, found, watch)


def _steps(
    run: Run, out: Path, progress: Progress, watch: Watch, more: bool
) -> tuple[Outcome, Progress]:
    parts, accelerator = run.parts, run.accelerator
    recipe, plan = parts.recipe, parts.recipe.train
    main = accelerator.is_main_process
    report = Report(out if main else None, progress.step)
    watchdog = Watchdog(recipe.watchdog.patience)
    values: dict[str, float] = {}
    stop = parts.start + plan.steps
    batches = ahead(
        lambda number: parts.crops.batch(
            number, accelerator.process_index, accelerator.num_processes
        ),
        progress.step * plan.accumulate,
        stop * plan.accumulate,
    )
    with stop_signal() as asked, closing(batches):
        for step in range(progress.step, stop):
            here = step - parts.start  # in this stage
            _set_rates(run, here)
            parts.foldable.folded = plan.fold and here < plan.steps * (1 - plan.unfolded_share)
            for part in range(plan.accumulate):
                batch = report.waited(lambda: next(batches))
                try:
                    taken = take(run, batch, generator_moves(recipe.adversarial, here))
                except NotFinite as error:
                    raise NotFiniteAt(step, step * plan.accumulate + part, error) from error
                report.add(taken.losses, taken.facts)
            _average(parts, here)
            done = step + 1
            last = done == stop
            if done % LOG_EVERY == 0 or last:
                before, losses, facts = report.means()
                losses, facts = mean(accelerator, losses), mean(accelerator, facts)
                watch.on_step(done, losses, *report.log(done, losses, facts, _rate(run)))
                for word in watchdog.look(before, done, facts):
                    report.warned(done, word)
                    watch.on_word(f"step {done}: {word}")
            evaluated = last or done % plan.evaluate_every == 0
            report.leave()
            values = {}
            if evaluated:
                if main:
                    values = validate(parts, out / "sheet.png")
                    report.evaluated(done, values)
                    watch.on_evaluation(done, values)
                accelerator.wait_for_everyone()
            (stopped,) = anywhere(accelerator, asked())  # also while it was evaluated
            if evaluated or stopped or done % plan.checkpoint_every == 0:
                progress = _save(run, out, done, progress, values)
            report.back()
            if stopped and (more or not last):
                watch.on_word(f"stopped at step {done}; the same command goes on from here")
                return Outcome(done, complete=False), progress
    return Outcome(stop, complete=True, values=values), progress


class NotFiniteAt(Exception):  # noqa: N818 - it is caught where the run is rolled back
    """Where in the run a value was not finite: its step, and its batch counted from 0."""

    def __init__(self, step: int, batch: int, error: NotFinite) -> None:
        super().__init__(step)
        self.step = step
        self.batch = batch
        self.error = error


def _roll_back(run: Run, out: Path, found: NotFiniteAt, watch: Watch) -> Progress:
    """Keep the batch to look at, and go back to the last checkpoint without its culprits."""
    parts, accelerator, error = run.parts, run.accelerator, found.error
    first = accelerator.process_index * len(error.pair.sr)
    mine = [(found.batch, first + place) for place in error.culprits]
    names = sorted({parts.crops.source(*crop) for crop in mine})
    if error.term:
        folder = out / REJECTED
        folder.mkdir(exist_ok=True)
        with files.replacing(folder / f"{found.step:09d}-{first}.safetensors") as file:
            tensors = {"lr": error.pair.lr, "hr": error.pair.hr, "sr": error.pair.sr}
            facts = {"term": error.term, "crops": str(error.culprits), "pictures": str(names)}
            whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
            file.write(safetensors.torch.save(whole, facts))
    terms, crops = everyones(accelerator, [error.term]), everyones(accelerator, mine)
    term = next(name for name in terms if name)
    what = f"{term} is not finite at step {found.step + 1} (crops of {', '.join(names)})"
    there, before = _last_good(run, out)
    if before.rollbacks >= parts.recipe.watchdog.rollbacks:
        raise SrzooError(
            f"{what}, after {before.rollbacks} rollbacks; the batch is kept in {out / REJECTED}",
            "Lower optimizer.lr or a loss's weight, or set train.clip",
        )
    for optimizer in (run.optimizer, run.opponent):
        if optimizer:
            optimizer.zero_grad()
    accelerator.wait_for_everyone()  # all have read it
    skipped = tuple(sorted({*before.skipped, *crops}))
    progress = replace(before, skipped=skipped, rollbacks=before.rollbacks + 1)
    if accelerator.is_main_process:
        progress.write(there)
    accelerator.wait_for_everyone()
    watch.on_word(f"{what}: back to step {progress.step}, without them")
    return progress


def _last_good(run: Run, out: Path) -> tuple[Path, Progress]:
    """Load the newest checkpoint of this stage whose weights are finite."""
    parts = run.parts
    for there in checkpoint.sound(out):
        if checkpoint.progress(there).stage != parts.stage:
            continue
        progress = checkpoint.load(parts, there, run.accelerator.scaler)
        if all(bool(tensor.isfinite().all()) for tensor in _tensors(parts.generator)):
            return there, progress
    raise SrzooError(
        f"no checkpoint in {out} has weights that are finite", "Start again in another --out"
    )


@torch.no_grad()
def _average(parts: Parts, step: int) -> None:
    """Move the averaged weights towards the generator's."""
    if parts.ema is parts.generator:
        return
    decay = ema_decay(parts.recipe.train.ema, step)
    for mean_, now in zip(_tensors(parts.ema), _tensors(parts.generator), strict=True):
        if mean_.is_floating_point():
            mean_.lerp_(now, 1 - decay)
        else:
            mean_.copy_(now)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _set_rates(run: Run, step: int) -> None:
    recipe = run.parts.recipe
    set_rates(run.optimizer, factor(recipe.schedule, step, recipe.train.steps))
    if recipe.adversarial:
        schedule = recipe.adversarial.schedule or recipe.schedule
        set_rates(run.opponent, factor(schedule, step, recipe.train.steps))


def _rate(run: Run) -> float:
    return float(run.optimizer.param_groups[0]["lr"])


def _save(run: Run, out: Path, step: int, progress: Progress, values: dict[str, float]) -> Progress:
    """Write a checkpoint; publish its weights if they are the ones to release."""
    parts, accelerator = run.parts, run.accelerator
    best = progress.best
    if values and first_is_better(parts, values, best):
        best = (step, next(iter(values.values())))
    now = replace(progress, step=step, best=best)
    if accelerator.is_main_process:
        checkpoint.save(parts, out, now, accelerator.scaler)
        _release(parts, out, now)
        checkpoint.prune(out, parts.recipe.train.keep, best[0] if best else None)
    accelerator.wait_for_everyone()
    return now


def _release(parts: Parts, out: Path, progress: Progress) -> None:
    """Make the stage's best checkpoint, or its last, the run's own model folder."""
    best = progress.best if parts.recipe.train.release == "best" else None
    step = best[0] if best else progress.step
    folder = checkpoint.folder_of(out, step)
    # Not there if the run goes on from another run's checkpoint.
    if step > parts.start and folder.is_dir():
        checkpoint.publish(folder, out)
