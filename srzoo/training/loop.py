"""The loop of one stage. It knows no plugin by name."""

from __future__ import annotations

import contextlib
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

from .. import files, troubles
from ..errors import SrzooError
from . import checkpoint
from .assemble import Parts
from .careful import Careful, numbers
from .checkpoint import Progress
from .crops import ahead
from .processes import agreed, anywhere, everyones, mean, stop_signal
from .report import SHEET, Report
from .saving import release, saving, settle, write
from .schedule import ema_decay, factor
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

    A checkpoint is written before it is evaluated. A metric, a sheet or a curve that fails is
    told of, and no more.

    A SIGTERM or Ctrl-C saves a checkpoint and returns; at the last step that is an end before
    time only if ``more`` stages follow. A loss or gradient that is not finite sends the run back
    to its last checkpoint, and other crops are drawn in place of those that gave it.

    Raises:
        SrzooError: that happened more often than the recipe's watchdog allows, or nothing can
            be saved any more.
    """
    parts, accelerator = run.parts, run.accelerator

    def begin() -> None:
        there = checkpoint.folder_of(out, progress.step)
        if progress.step == parts.start or not there.is_dir():  # the first one to fall back on
            write(run, out, progress, "nothing is trained yet")
        release(parts, out, progress)  # a kill may have come between checkpoint and release

    agreed(accelerator, begin)
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
    report = Report(out if main else None, progress.step, watch.on_word)
    watchdog = Watchdog(recipe.watchdog.patience)
    values: dict[str, float] = {}
    stop = parts.start + plan.steps
    if _due(parts, progress.step) and progress.evaluated != progress.step:
        # A kill came between the checkpoint and its evaluation.
        report.leave()
        progress, values = _evaluate(run, out, progress, report, watch)
        report.back()
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
                    taken = take(run, batch)
                except NotFinite as error:
                    raise NotFiniteAt(step, step * plan.accumulate + part, error) from error
                report.add(taken.losses, taken.facts)
            _average(parts, here)
            done = step + 1
            last = done == stop
            if done % LOG_EVERY == 0 or last:
                before, losses, facts = report.means()
                losses, facts = mean(accelerator, losses), mean(accelerator, facts)
                line = report.log(done, losses, facts, _rates(run))
                watch.on_step(done, losses, line["steps_per_second"], line["waiting"])
                watch.on_log(line)
                for word in watchdog.look(before, done, facts):
                    report.warned(done, word)
                    watch.on_word(f"step {done}: {word}")
            due = _due(parts, done)
            saved = due or done % plan.checkpoint_every == 0
            report.leave()
            values = {}
            if saved:
                progress = _save(run, out, done, progress)
            if due:
                progress, values = _evaluate(run, out, progress, report, watch)
            (stopped,) = anywhere(accelerator, asked())  # also while it was evaluated
            if stopped and not saved:
                progress = _save(run, out, done, progress)
            report.back()
            if stopped and (more or not last):
                watch.on_word(f"stopped at step {done}, which is saved")
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
        try:
            _keep_rejected(out / REJECTED, found, first, names)
        except OSError as trouble:
            watch.on_word(f"the batch is not kept: {troubles.reason(trouble)}")
    terms, crops = everyones(accelerator, [error.term]), everyones(accelerator, mine)
    term = next(name for name in terms if name)
    what = f"{term} is not finite at step {found.step + 1} (crops of {', '.join(names)})"
    there, before = _last_good(run, out, found.step)
    now, window = found.step + 1, parts.recipe.watchdog.window
    lately = tuple(at for at in before.rolled_back if now - at < window)
    if len(lately) >= parts.recipe.watchdog.rollbacks:
        raise SrzooError(
            f"{what}, after {len(lately)} rollbacks within {window:,} steps; the batch is kept"
            f" in {out / REJECTED}",
            "Lower optimizer.lr or a loss's weight, or set train.clip",
        )
    for optimizer in (run.optimizer, run.opponent):
        if optimizer:
            optimizer.zero_grad()
    accelerator.wait_for_everyone()  # all have read it
    skipped = tuple(sorted({*before.skipped, *crops}))
    progress = replace(
        checkpoint.known_best(out, before), skipped=skipped, rolled_back=(*lately, now)
    )

    def keep() -> None:
        with saving(f"step {progress.step}", "all that was saved before stays"):
            progress.write(there)

    agreed(accelerator, keep)
    watch.on_word(f"{what}: back to step {progress.step}, without them")
    return progress


def _keep_rejected(folder: Path, found: NotFiniteAt, first: int, names: list[str]) -> None:
    """Keep a process's share of a batch to look at; ``first`` is its first place in the batch."""
    error = found.error
    folder.mkdir(exist_ok=True)
    tensors = {"lr": error.pair.lr, "hr": error.pair.hr, "sr": error.pair.sr}
    facts = {"term": str(error.term), "crops": str(error.culprits), "pictures": str(names)}
    whole = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    with files.replacing(folder / f"{found.step:09d}-{first}.safetensors") as file:
        file.write(safetensors.torch.save(whole, facts))


def _last_good(run: Run, out: Path, step: int) -> tuple[Path, Progress]:
    """Load the newest checkpoint of this stage, up to a step, whose weights are finite."""
    parts = run.parts
    for there in checkpoint.sound(out):
        if int(there.name) > step or checkpoint.progress(there).stage != parts.stage:
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
    share = factor(recipe.schedule, step, recipe.train.steps)
    _set_rate(run.optimizer, recipe.optimizer.lr * share)
    if recipe.adversarial:
        settings = recipe.adversarial.optimizer or recipe.optimizer
        _set_rate(run.opponent, settings.lr * share)


def _set_rate(optimizer: Any, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def _rates(run: Run) -> dict[str, float]:
    """The learning rates, as the log names them."""
    rates = {"lr": float(run.optimizer.param_groups[0]["lr"])}
    if run.opponent:
        rates["discriminator_lr"] = float(run.opponent.param_groups[0]["lr"])
    return rates


def _due(parts: Parts, step: int) -> bool:
    """Whether the state after a step of this stage is to be evaluated."""
    stop = parts.start + parts.recipe.train.steps
    return step > parts.start and (step == stop or step % parts.recipe.train.evaluate_every == 0)


def _save(run: Run, out: Path, step: int, progress: Progress) -> Progress:
    """Write a checkpoint; what follows from it waits for its evaluation, if that is due."""
    now = replace(progress, step=step)

    def save() -> None:
        write(run, out, now, f"all up to step {progress.step} is saved, and stays")
        if not _due(run.parts, step):
            settle(run, out, now)

    agreed(run.accelerator, save)
    return now


def _evaluate(
    run: Run, out: Path, progress: Progress, report: Report, watch: Watch
) -> tuple[Progress, dict[str, float]]:
    """Judge what was saved last by the first process, while the others wait."""

    def evaluate() -> tuple[Progress, dict[str, float]]:
        step, best = progress.step, progress.best
        values = judged(run, out, step, report, watch)
        first = _first(run.parts)
        if first in values and first_is_better(run.parts, {first: values[first]}, best):
            best = (step, values[first])
        now = replace(progress, evaluated=step, best=best)
        with saving("the evaluation", f"step {step} is saved, and stays"):
            now.write(checkpoint.folder_of(out, step))
        settle(run, out, now)
        return now, values

    return agreed(run.accelerator, evaluate)


def _first(parts: Parts) -> str:
    """What validation calls the value that tells the best checkpoint."""
    name = next(iter(parts.metrics))
    return f"{name}_x{parts.scales[0]}" if len(parts.scales) > 1 else name


def judged(
    run: Run, out: Path, step: int, report: Report, watch: Watch, stages: int = 1
) -> dict[str, float]:
    """What validation says, told and drawn; whatever of it fails is told, and left out.

    It neither draws from the random numbers of the run nor changes the mode of a network.
    """
    parts, device = run.parts, run.accelerator.device
    careful = {name: Careful(metric) for name, metric in parts.metrics.items()}
    modes = [(module, module.training) for module in parts.ema.modules()]

    def failed(what: str, error: Exception) -> None:
        say(str(troubles.told(error, f"step {step}: cannot {what}")))

    def say(word: str) -> None:
        report.warned(step, word)
        watch.on_word(word)

    def values_and(sheet: Path | None) -> dict[str, float]:
        try:
            with torch.random.fork_rng([device] if device.type == "cuda" else []):  # pyright: ignore[reportUnknownMemberType]
                return validate(replace(parts, metrics=dict(careful)), sheet)
        finally:
            for module, training in modes:
                module.training = training

    values: dict[str, float] = {}
    try:
        values = values_and(out / SHEET)
    except Exception as error:  # noqa: BLE001 - it is told, and the run goes on
        what = "validate"
        with contextlib.suppress(Exception):
            values = values_and(None)
            what = "draw the sheet"
        failed(what, error)
    broken = {name: metric.error for name, metric in careful.items() if metric.error}
    for name, error in broken.items():
        failed(f"measure {name}", error)
    for name in values.keys() - numbers(values).keys():
        if not name.startswith(tuple(broken)):
            say(f"step {step}: {name} is no number, and does not count")
    values = numbers(values)
    report.evaluated(step, values, stages)
    try:
        report.draw()
    except Exception as error:  # noqa: BLE001 - likewise
        failed("draw the curves", error)
    watch.on_evaluation(step, values)
    return values
