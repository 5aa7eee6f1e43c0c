"""The loop of one stage. It knows no plugin by name."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch

from .. import files
from ..errors import SrzooError
from . import checkpoint
from .assemble import Parts
from .checkpoint import Progress
from .optimizers import set_rates
from .processes import everyones, mean, stop_signal
from .report import Report
from .schedule import ema_decay, factor, generator_moves
from .step import Run, take
from .supply import supply, workers_for
from .validate import first_is_better, validate
from .watch import Outcome, Watch
from .watchdog import Doubts, NotFinite, Watchdog

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
            checkpoint.save(parts, out, progress, run.scalers)
        _release(parts, out, progress)  # a kill may have come between checkpoint and release
    accelerator.wait_for_everyone()
    with _settings(run):
        while True:
            parts.crops.skip(progress.skipped)
            try:
                return _steps(run, out, progress, watch, more)
            except NotFinite as found:
                progress = _roll_back(run, out, found, watch)


@contextmanager
def _settings(run: Run) -> Generator[None]:
    """What the recipe asks of cuDNN; as before afterwards."""
    plan, now = run.parts.recipe.train, torch.backends.cudnn
    if run.device.type != "cuda":
        yield
        return
    with now.flags(
        enabled=now.enabled,
        deterministic=now.deterministic,
        benchmark=plan.cudnn_benchmark,
        allow_tf32=plan.tf32,
    ):
        yield


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
    doubts = Doubts(parts.terms, run.device)
    batches = supply(
        parts.crops,
        progress.step * plan.accumulate,
        stop * plan.accumulate,
        accelerator.process_index,
        accelerator.num_processes,
        workers_for(recipe.data.workers, accelerator.num_processes),
    )
    with batches as coming, stop_signal() as asked:
        for step in range(progress.step, stop):
            here = step - parts.start  # in this stage
            _set_rates(run, here)
            parts.foldable.folded = plan.fold and here < plan.steps * (1 - plan.unfolded_share)
            for part in range(plan.accumulate):
                moves = generator_moves(recipe.adversarial, here)
                taken = take(run, report.waited(lambda: next(coming)), moves, asked())
                doubts.add(step, step * plan.accumulate + part, taken.finite, taken.pair)
                report.add(taken.losses, taken.facts)
            _average(run, here)
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
            due = evaluated or done % plan.checkpoint_every == 0
            # Of several processes the others hear of it with the next batch.
            stopped = doubts.stop if accelerator.num_processes > 1 else asked()
            if due or stopped:
                doubts.settle()
            report.leave()
            values = {}
            if evaluated:
                if main:
                    values = validate(parts, out / "sheet.png")
                    report.evaluated(done, values)
                    watch.on_evaluation(done, values)
                accelerator.wait_for_everyone()
            if accelerator.num_processes == 1:
                stopped = asked()  # also while it was evaluated
            if due or stopped:
                progress = _save(run, out, done, progress, values)
            report.back()
            if stopped and (more or not last):
                watch.on_word(f"stopped at step {done}; the same command goes on from here")
                return Outcome(done, complete=False), progress
    return Outcome(stop, complete=True, values=values), progress


def _roll_back(run: Run, out: Path, found: NotFinite, watch: Watch) -> Progress:
    """Keep the batch to look at, and go back to the last checkpoint without its culprits."""
    parts, accelerator = run.parts, run.accelerator
    first = accelerator.process_index * len(found.pair.sr)
    mine = [(found.batch, first + place) for place in found.culprits]
    names = sorted({parts.crops.source(*crop) for crop in mine})
    if found.term:
        folder = out / REJECTED
        folder.mkdir(exist_ok=True)
        with files.replacing(folder / f"{found.step:09d}-{first}.safetensors") as file:
            tensors = {"lr": found.pair.lr, "hr": found.pair.hr, "sr": found.pair.sr}
            facts = {"term": found.term, "crops": str(found.culprits), "pictures": str(names)}
            whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
            file.write(safetensors.torch.save(whole, facts))
    terms, crops = everyones(accelerator, [found.term]), everyones(accelerator, mine)
    term = next(name for name in terms if name)
    what = f"{term} is not finite at step {found.step + 1} (crops of {', '.join(names)})"
    there, before = _last_good(run, out)
    if before.rollbacks >= parts.recipe.watchdog.rollbacks:
        raise SrzooError(
            f"{what}, after {before.rollbacks} rollbacks; the batch is kept in {out / REJECTED}",
            "Lower optimizer.lr or a loss's weight, or set train.clip",
        )
    for optimizer in run.parts.optimizers.values():
        optimizer.zero_grad()
    accelerator.step = 0  # of the batches that are accumulated: the first comes next
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
        progress = checkpoint.load(parts, there, run.scalers)
        if all(bool(tensor.isfinite().all()) for tensor in parts.generator.state_dict().values()):
            return there, progress
    raise SrzooError(
        f"no checkpoint in {out} has weights that are finite", "Start again in another --out"
    )


def _average(run: Run, step: int) -> None:
    """Move the averaged weights towards the generator's."""
    if run.averages:
        run.averages.follow(ema_decay(run.parts.recipe.train.ema, step))


def _set_rates(run: Run, step: int) -> None:
    recipe = run.parts.recipe
    set_rates(run.parts.optimizer, factor(recipe.schedule, step, recipe.train.steps))
    if recipe.adversarial and run.parts.adversary:
        schedule = recipe.adversarial.schedule or recipe.schedule
        set_rates(run.parts.adversary.optimizer, factor(schedule, step, recipe.train.steps))


def _rate(run: Run) -> float:
    return float(run.parts.optimizer.param_groups[0]["lr"])


def _save(run: Run, out: Path, step: int, progress: Progress, values: dict[str, float]) -> Progress:
    """Write a checkpoint; publish its weights if they are the ones to release."""
    parts, accelerator = run.parts, run.accelerator
    best = progress.best
    if values and first_is_better(parts, values, best):
        best = (step, next(iter(values.values())))
    now = replace(progress, step=step, best=best)
    if accelerator.is_main_process:
        checkpoint.save(parts, out, now, run.scalers)
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
