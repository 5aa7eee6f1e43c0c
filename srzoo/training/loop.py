"""The training loop of one stage."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import safetensors.torch
import torch

from ..common import files, troubles
from ..errors import SrzooError
from . import checkpoint, tasks
from .callbacks import Callbacks, Outcome
from .checkpoint import RunState
from .guarded_metrics import GuardedMetric, numbers
from .optimizers import set_rates
from .parts import Parts
from .processes import gather, mean, on_main_process, stop_signal
from .run_log import SHEET, RunLog
from .saving import explain_failures, finish_checkpoint, release, save_checkpoint
from .schedule import ema_decay, factor
from .step import Run, train_step
from .supply import ready_batches, workers_for
from .validate import is_better, validate
from .watchdog import NotFinite, PendingChecks, Watchdog

LOG_EVERY = 50
REJECTED = "rejected"
"""The folder for batches whose loss or gradient was not finite."""


def fit(
    run: Run, out: Path, progress: RunState, callbacks: Callbacks, *, more: bool = False
) -> tuple[Outcome, RunState]:
    """Run the remaining steps of a stage; save, evaluate and report on the way.

    A checkpoint is written before it is evaluated. If a metric, a sheet or a curve fails, the error
    is reported, and the run continues.

    A SIGTERM or Ctrl-C saves a checkpoint and returns; at the last step this counts as stopped
    early only if ``more`` stages follow. If a loss or gradient is not finite, the run goes back to
    its last checkpoint, and replaces the crops that caused it.

    Raises:
        SrzooError: that happened more often than the recipe's watchdog allows, or the disk cannot
            be written.
    """
    parts, accelerator = run.parts, run.accelerator

    def begin() -> None:
        there = checkpoint.folder_of(out, progress.step)
        if progress.step == parts.start or not there.is_dir():  # the first one, for rollbacks
            save_checkpoint(run, out, progress, "nothing is trained yet")
        release(parts, out, progress)  # in case of a kill between checkpoint and release

    on_main_process(accelerator, begin)
    with _settings(run):
        while True:
            parts.crops.skip(progress.skipped)
            try:
                return _steps(run, out, progress, callbacks, more)
            except NotFinite as found:
                progress = _roll_back(run, out, found, callbacks)


@contextmanager
def _settings(run: Run) -> Generator[None]:
    """Apply the recipe's cuDNN settings, and restore them afterwards."""
    settings, now = run.parts.recipe.train, torch.backends.cudnn
    if run.device.type != "cuda":
        yield
        return
    with now.flags(
        enabled=now.enabled,
        deterministic=now.deterministic,
        benchmark=settings.cudnn_benchmark,
        allow_tf32=settings.tf32,
    ):
        yield


def _steps(
    run: Run, out: Path, progress: RunState, callbacks: Callbacks, more: bool
) -> tuple[Outcome, RunState]:
    parts, accelerator = run.parts, run.accelerator
    recipe, settings = parts.recipe, parts.recipe.train
    main = accelerator.is_main_process
    report = RunLog(out if main else None, progress.step, callbacks.on_word)
    watchdog = Watchdog(recipe.watchdog.patience)
    values: dict[str, float] = {}
    stop = parts.start + settings.steps
    pending = PendingChecks(parts.terms, run.device)
    if _is_due(parts, progress.step) and progress.evaluated != progress.step:
        # The process was killed between the checkpoint and its evaluation.
        report.pause_clock()
        progress, values = _evaluate(run, out, progress, report, callbacks)
        report.resume_clock()
    batches = ready_batches(
        parts.crops,
        progress.step * settings.accumulate,
        stop * settings.accumulate,
        accelerator.process_index,
        accelerator.num_processes,
        workers_for(recipe.data.workers, accelerator.num_processes),
    )
    with batches as batches_ready, stop_signal() as stop_requested:
        for step in range(progress.step, stop):
            stage_step = step - parts.start  # in this stage
            _set_rates(run, stage_step)
            parts.foldable.folded = settings.fold and stage_step < settings.steps * (
                1 - settings.unfolded_share
            )
            turns = tasks.turns_of(parts.task, stage_step)
            for part in range(settings.accumulate):
                result = train_step(
                    run, report.timed_wait(lambda: next(batches_ready)), turns, stop_requested()
                )
                pending.add(step, step * settings.accumulate + part, result.finite, result.pair)
                report.add(result.losses, result.facts)
            _average(run, stage_step)
            done = step + 1
            last = done == stop
            if done % LOG_EVERY == 0 or last:
                before, losses, facts = report.means()
                losses, facts = mean(accelerator, losses), mean(accelerator, facts)
                line = report.log(done, losses, facts, _rates(run))
                callbacks.on_step(done, losses, line["steps_per_second"], line["waiting"])
                callbacks.on_log(line)
                for word in watchdog.check(before, done, facts):
                    report.warn(done, word)
                    callbacks.on_word(f"step {done}: {word}")
            due = _is_due(parts, done)
            saved = due or done % settings.checkpoint_every == 0
            # Other processes get the request to stop with the next batch.
            stopped = pending.stop if accelerator.num_processes > 1 else stop_requested()
            if saved or stopped:
                pending.settle()
            report.pause_clock()
            values = {}
            if saved:
                progress = _save(run, out, done, progress)
            if due:
                progress, values = _evaluate(run, out, progress, report, callbacks)
            if accelerator.num_processes == 1:
                stopped = stop_requested()  # also set during the evaluation
            if stopped and not saved:
                pending.settle()
                progress = _save(run, out, done, progress)
            report.resume_clock()
            if stopped and (more or not last):
                callbacks.on_word(f"stopped at step {done}, with a checkpoint")
                return Outcome(done, complete=False), progress
    return Outcome(stop, complete=True, values=values), progress


def _roll_back(run: Run, out: Path, found: NotFinite, callbacks: Callbacks) -> RunState:
    """Save the batch for inspection, and go back to the last checkpoint without its bad crops."""
    parts, accelerator = run.parts, run.accelerator
    first = accelerator.process_index * len(found.pair.sr)
    mine = [(found.batch, first + place) for place in found.culprits]
    names = sorted({parts.crops.source(*crop) for crop in mine})
    if found.term:
        try:
            _keep_rejected(out / REJECTED, found, first, names)
        except OSError as trouble:
            callbacks.on_word(f"the batch could not be saved: {troubles.describe(trouble)}")
    terms, crops = gather(accelerator, [found.term]), gather(accelerator, mine)
    term = next(name for name in terms if name)
    plugin = tasks.owner_of(parts.task, parts.terms, term)
    whose = f"{term} ({plugin})" if plugin and plugin.is_foreign else term
    what = f"{whose} is not finite at step {found.step + 1} (crops of {', '.join(names)})"
    there, before = _last_intact(run, out, found.step)
    now, window = found.step + 1, parts.recipe.watchdog.window
    lately = tuple(at for at in before.rolled_back if now - at < window)
    if len(lately) >= parts.recipe.watchdog.rollbacks:
        raise SrzooError(
            f"{what}, after {len(lately)} rollbacks within {window:,} steps; the batch is saved"
            f" in {out / REJECTED}",
            "Lower optimizer.lr or a loss's weight, or set train.clip",
        )
    for optimizer in run.parts.optimizers.values():
        optimizer.zero_grad()
    accelerator.step = 0  # restart the accumulation of batches
    accelerator.wait_for_everyone()  # until all have read the checkpoint
    skipped = tuple(sorted({*before.skipped, *crops}))
    progress = replace(
        checkpoint.with_existing_best(out, before), skipped=skipped, rolled_back=(*lately, now)
    )

    def keep() -> None:
        with explain_failures(f"step {progress.step}", "earlier checkpoints are kept"):
            progress.write(there)

    on_main_process(accelerator, keep)
    callbacks.on_word(f"{what}: back to step {progress.step}, without these crops")
    return progress


def _keep_rejected(folder: Path, found: NotFinite, first: int, names: list[str]) -> None:
    """Save a process's share of a batch for inspection; ``first`` is its first index there."""
    folder.mkdir(exist_ok=True)
    tensors = {"lr": found.pair.lr, "hr": found.pair.hr, "sr": found.pair.sr}
    facts = {"term": str(found.term), "crops": str(found.culprits), "pictures": str(names)}
    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with files.atomic_write(folder / f"{found.step:09d}-{first}.safetensors") as file:
        file.write(safetensors.torch.save(whole, facts))


def _last_intact(run: Run, out: Path, step: int) -> tuple[Path, RunState]:
    """Load the newest checkpoint of this stage, up to a step, with finite weights."""
    parts = run.parts
    for there in checkpoint.intact_checkpoints(out):
        if int(there.name) > step or checkpoint.read_progress(there).stage != parts.stage:
            continue
        progress = checkpoint.load(parts, there, run.scalers)
        if all(bool(tensor.isfinite().all()) for tensor in parts.generator.state_dict().values()):
            return there, progress
    raise SrzooError(f"no checkpoint in {out} has finite weights", "Start again in another folder")


def _average(run: Run, step: int) -> None:
    """Move the averaged weights towards the generator's."""
    if run.averages:
        run.averages.follow(ema_decay(run.parts.recipe.train.ema, step))


def _set_rates(run: Run, step: int) -> None:
    recipe = run.parts.recipe
    set_rates(run.parts.optimizer, factor(recipe.schedule, step, recipe.train.steps))
    for optimizer in run.parts.opponents.values():
        set_rates(optimizer, factor(recipe.opponent_schedule, step, recipe.train.steps))


def _rates(run: Run) -> dict[str, float]:
    """The learning rates, by their names in the log."""
    rates = {"lr": float(run.parts.optimizer.param_groups[0]["lr"])}
    opponents = run.parts.opponents.items()
    return rates | {f"{name}_lr": float(one.param_groups[0]["lr"]) for name, one in opponents}


def _is_due(parts: Parts, step: int) -> bool:
    """Whether to evaluate after a step of this stage."""
    stop = parts.start + parts.recipe.train.steps
    return step > parts.start and (step == stop or step % parts.recipe.train.evaluate_every == 0)


def _save(run: Run, out: Path, step: int, progress: RunState) -> RunState:
    """Write a checkpoint; its release waits for its evaluation, if that is due."""
    now = replace(progress, step=step)

    def save() -> None:
        save_checkpoint(run, out, now, f"the checkpoint of step {progress.step} is kept")
        if not _is_due(run.parts, step):
            finish_checkpoint(run, out, now)

    on_main_process(run.accelerator, save)
    return now


def _evaluate(
    run: Run, out: Path, progress: RunState, report: RunLog, callbacks: Callbacks
) -> tuple[RunState, dict[str, float]]:
    """Evaluate the last checkpoint in the first process, while the others wait."""

    def evaluate() -> tuple[RunState, dict[str, float]]:
        step, best = progress.step, progress.best
        values = evaluate_guarded(run, out, step, report, callbacks)
        first = _main_metric(run.parts)
        if first in values and is_better(run.parts, {first: values[first]}, best):
            best = (step, values[first])
        now = replace(progress, evaluated=step, best=best)
        with explain_failures("the evaluation", f"the checkpoint of step {step} is kept"):
            now.write(checkpoint.folder_of(out, step))
        finish_checkpoint(run, out, now)
        return now, values

    return on_main_process(run.accelerator, evaluate)


def _main_metric(parts: Parts) -> str:
    """The name of the validation value that decides which checkpoint is best."""
    name = next(iter(parts.metrics))
    return f"{name}_x{parts.scales[0]}" if len(parts.scales) > 1 else name


def evaluate_guarded(
    run: Run, out: Path, step: int, report: RunLog, callbacks: Callbacks, stages: int = 1
) -> dict[str, float]:
    """Validate, report and draw the values; a step that fails is reported and skipped.

    It neither uses the random numbers of the run nor changes the mode of a network.
    """
    parts, device = run.parts, run.accelerator.device
    careful = {name: GuardedMetric(metric) for name, metric in parts.metrics.items()}
    modes = [(module, module.training) for module in parts.ema.modules()]

    def failed(what: str, error: Exception) -> None:
        problem = troubles.explain(error, f"step {step}: cannot {what}")
        say(str(problem) if problem is not error else f"step {step}: cannot {what}: {problem}")

    def say(word: str) -> None:
        report.warn(step, word)
        callbacks.on_word(word)

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
    except Exception as error:  # noqa: BLE001 - it is reported, and the run continues
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
            say(f"step {step}: {name} is not a number, and is ignored")
    values = numbers(values)
    report.log_evaluation(step, values, stages)
    try:
        report.draw()
    except Exception as error:  # noqa: BLE001 - likewise
        failed("draw the curves", error)
    callbacks.on_evaluation(step, values)
    return values
