"""The loop. It knows no plugin by name, and nothing it needs is hidden elsewhere."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import files
from .. import recipe as recipes
from ..contracts import Pair
from ..errors import SrzooError
from ..recipe import RECIPE, Recipe
from . import checkpoint
from .assemble import Parts, assemble
from .checkpoint import Progress
from .crops import Batch, ahead
from .report import Report
from .schedule import ema_decay, factor
from .validate import validate

LOG_EVERY = 50


def _no_step(_step: int, _losses: dict[str, float], _speed: float, _waiting: float) -> None: ...
def _no_values(_step: int, _values: dict[str, float]) -> None: ...
def _no_word(_word: str) -> None: ...
def _no_decoding(_done: int, _total: int) -> None: ...


@dataclass
class Watch:
    """What a caller may be told while a run goes on.

    Attributes:
        on_step: (step, losses so far averaged, steps per second, share of time waiting).
        on_evaluation: (step, metric values).
        on_word: a sentence about the run.
        on_decoding: (pictures decoded, pictures in all), the first time a dataset is used.
    """

    on_step: Callable[[int, dict[str, float], float, float], None] = _no_step
    on_evaluation: Callable[[int, dict[str, float]], None] = _no_values
    on_word: Callable[[str], None] = _no_word
    on_decoding: Callable[[int, int], None] = _no_decoding


@dataclass(frozen=True)
class Outcome:
    """How a run ended: steps done, whether it was complete, and the last evaluation."""

    step: int
    complete: bool
    values: dict[str, float] = field(default_factory=dict[str, float])


def train(
    recipe: Recipe | str | Path,
    out: Path | None = None,
    *,
    data: Path | None = None,
    resume: str | Path = "auto",
    watch: Watch | None = None,
) -> Outcome:
    """Train a model into a folder, or go on with a run that is there.

    Args:
        recipe: what to do: a recipe, its file, or the name of a model that has one.
        out: the folder, a model folder from the first checkpoint on; None for ``runs/NAME``,
            after the file or model, or else the generator.
        data: stands for ``{data}`` in the recipe.
        resume: "auto" goes on from the newest checkpoint in ``out``; "never" refuses an
            ``out`` that has any; a checkpoint's folder starts from its state.
        watch: what to tell meanwhile.

    Raises:
        SrzooError: a part cannot be built, or ``out`` holds another recipe's run.
    """
    watch = watch or Watch()
    if isinstance(recipe, Recipe):
        name = recipe.generator.name
        recipes.check(recipe, "the recipe")
    else:
        name, recipe = recipes.find(recipe)[0], recipes.load(recipe)
    out = out or Path("runs") / name
    start = _start(recipe, out, resume)
    parts = assemble(recipe, data, watch.on_decoding)
    if parts.taken_over:
        watch.on_word(parts.taken_over)
    progress = checkpoint.load(parts, start) if start else Progress()
    if start:
        watch.on_word(f"going on from step {progress.step}")
    out.mkdir(parents=True, exist_ok=True)
    with files.replacing(out / RECIPE) as file:
        file.write(recipe.to_toml().encode())
    return fit(parts, out, progress, watch)


def fit(parts: Parts, out: Path, progress: Progress, watch: Watch) -> Outcome:
    """Run the steps that are left; save, evaluate and report on the way.

    A SIGTERM or Ctrl-C saves a checkpoint and returns.
    """
    recipe, plan = parts.recipe, parts.recipe.train
    accelerator = _accelerator(recipe)
    if recipe.data.batch % accelerator.num_processes:
        raise SrzooError(
            f"{accelerator.num_processes} processes cannot share a batch of {recipe.data.batch}",
            "Set data.batch to a multiple of the number of processes",
        )
    forward, optimizer = accelerator.prepare(parts.foldable, parts.optimizer)
    report = Report(out, progress.step)
    if progress.step:
        _release(parts, out, progress)  # a kill may have come between the two
    values: dict[str, float] = {}
    batches = ahead(
        lambda number: parts.crops.batch(
            number, accelerator.process_index, accelerator.num_processes
        ),
        progress.step * plan.accumulate,
        plan.steps * plan.accumulate,
    )
    with stop_signal() as stopped:
        for step in range(progress.step, plan.steps):
            _set_rate(optimizer, recipe, step)
            parts.foldable.folded = plan.fold and step < plan.steps * (1 - plan.unfolded_share)
            for _ in range(plan.accumulate):
                batch = report.waited(lambda: next(batches))
                with accelerator.accumulate(forward):
                    terms = _losses(parts, forward, batch, accelerator)
                    accelerator.backward(sum(terms.values()))
                    if plan.clip and accelerator.sync_gradients:
                        accelerator.clip_grad_norm_(parts.generator.parameters(), plan.clip)
                    optimizer.step()
                    optimizer.zero_grad()
                report.add(terms)
            _average(parts, step)
            done = step + 1
            if done % LOG_EVERY == 0 or done == plan.steps:
                watch.on_step(done, *report.log(done, _rate(optimizer)))
            last = done == plan.steps
            report.leave()
            values = {}
            if done % plan.evaluate_every == 0 or last:
                values = validate(parts, out / "sheet.png" if accelerator.is_main_process else None)
                report.evaluated(done, values)
                watch.on_evaluation(done, values)
            if values or done % plan.checkpoint_every == 0 or stopped():
                progress = _save(parts, out, done, progress, values, accelerator)
            report.back()
            if stopped() and not last:
                watch.on_word(f"stopped at step {done}; the same command goes on from here")
                batches.close()
                return Outcome(done, complete=False)
    checkpoint.rename_weights(out)
    return Outcome(plan.steps, complete=True, values=values)


def _losses(parts: Parts, forward: Any, batch: Batch, accelerator: Any) -> dict[str, Tensor]:
    """One forward pass and the weighted terms of its loss."""
    lr = batch.lr.to(accelerator.device, memory_format=torch.channels_last)
    hr = batch.hr.to(accelerator.device, memory_format=torch.channels_last)
    with accelerator.autocast():
        sr: Tensor = forward(lr, batch.scale)
    border = (hr.shape[-1] - sr.shape[-1]) // 2  # a folded tail gives the interior alone
    if border:
        hr = hr[..., border:-border, border:-border]
        inner = border // batch.scale
        lr = lr[..., inner:-inner, inner:-inner]
    pair = Pair(lr=lr, hr=hr, sr=sr.float())
    return {term.name: term.weight * term.loss(pair) for term in parts.terms}


@torch.no_grad()
def _average(parts: Parts, step: int) -> None:
    """Move the averaged weights towards the generator's."""
    if parts.ema is parts.generator:
        return
    decay = ema_decay(parts.recipe.train.ema, step)
    for mean, now in zip(_tensors(parts.ema), _tensors(parts.generator), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1 - decay)
        else:
            mean.copy_(now)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _set_rate(optimizer: Any, recipe: Recipe, step: int) -> None:
    rate = recipe.optimizer.lr * factor(recipe.schedule, step, recipe.train.steps)
    for group in optimizer.param_groups:
        group["lr"] = rate


def _rate(optimizer: Any) -> float:
    return float(optimizer.param_groups[0]["lr"])


def _save(
    parts: Parts,
    out: Path,
    step: int,
    progress: Progress,
    values: dict[str, float],
    accelerator: Any,
) -> Progress:
    """Write a checkpoint; publish its weights if they are the ones to release."""
    psnr = next(iter(values.values()), None)
    best = progress.best
    better = psnr is not None and (best is None or psnr > best[1])
    if better and psnr is not None:
        best = (step, psnr)
    now = Progress(step, best)
    if accelerator.is_main_process:
        checkpoint.save(parts, out, now)
        _release(parts, out, now)
        checkpoint.prune(out, parts.recipe.train.keep, best[0] if best else None)
    accelerator.wait_for_everyone()
    return now


def _release(parts: Parts, out: Path, progress: Progress) -> None:
    """Make the best checkpoint, or the last, the run's own model folder."""
    best = progress.best if parts.recipe.train.release == "best" else None
    step = best[0] if best else progress.step
    folder = out / checkpoint.FOLDER / f"{step:09d}"
    if folder.is_dir():  # not there if the run goes on from another run's checkpoint
        checkpoint.publish(folder, out)


def _start(recipe: Recipe, out: Path, resume: str | Path) -> Path | None:
    """The checkpoint to go on from, if any."""
    there = checkpoint.found(out)
    if resume == "never":
        if there:
            raise SrzooError(
                f"{out} holds a run already, at step {int(there[-1].name)}",
                "Choose another --out, or leave --resume out to go on with it",
            )
        return None
    if resume != "auto":
        if not (Path(resume) / checkpoint.STATE).is_file():
            raise SrzooError(f"{resume} is no checkpoint", f"Name a folder of {out}/checkpoints")
        return Path(resume)
    if not there:
        return None
    before = (there[-1] / "recipe.toml").read_text(encoding="utf-8")
    if before != recipe.to_toml():
        lines = set(before.splitlines()) ^ set(recipe.to_toml().splitlines())
        raise SrzooError(
            f"the run in {out} was made with another recipe: {'; '.join(sorted(lines))}",
            f"Choose another --out, or give --resume {there[-1]} to go on all the same",
        )
    return there[-1]


def _accelerator(recipe: Recipe) -> Any:  # accelerate has no types
    try:
        accelerate: Any = import_module("accelerate")
    except ImportError as error:
        raise SrzooError(
            "training needs the package accelerate", 'Install it: pip install "srzoo[train]"'
        ) from error
    if recipe.train.precision == "fp16" and not torch.cuda.is_available():
        raise SrzooError(
            "mixed precision with fp16 needs a CUDA card", 'Set train.precision = "bf16" or "fp32"'
        )
    precision = {"fp32": "no"}.get(recipe.train.precision, recipe.train.precision)
    # accelerate keeps the first precision of a process for ever; the process group stays.
    accelerate.state.AcceleratorState._reset_state()
    return accelerate.Accelerator(
        mixed_precision=precision,
        gradient_accumulation_steps=recipe.train.accumulate,
        step_scheduler_with_optimizer=False,
    )


@contextmanager
def stop_signal() -> Generator[Callable[[], bool]]:
    """Whether SIGTERM or Ctrl-C has come; a second Ctrl-C stops at once."""
    asked = False

    def ask(number: int, _frame: object) -> None:
        nonlocal asked
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        asked = True

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
