"""``train``: trains a recipe into a model folder, stage after stage."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..common import arguments, files, troubles
from ..models import hub
from ..recipes import recipe as recipes
from ..recipes.recipe import RECIPE, Recipe
from . import averaging, checkpoint, checks, run_log, trackers
from .callbacks import Callbacks, Outcome
from .checkpoint import RunState
from .loop import evaluate_guarded, fit
from .parts import assemble
from .processes import accelerator_for, main_process_first, on_main_process
from .run_lock import lock_run_folder
from .run_log import RunLog
from .starting import Start, find_start, set_aside
from .step import Run, prepare


def train(
    recipe: Recipe | str | Path,
    out: str | Path | None = None,
    *,
    data: str | Path | None = None,
    resume: str | Path = "auto",
    watch: Callbacks | None = None,
    track: str | Sequence[str] = (),
) -> Outcome:
    """Train a model into a folder, or resume the run in it.

    Args:
        recipe: a recipe, its file, or the name of a model that has one.
        out: the folder, a model folder from the first checkpoint on; None for ``runs/NAME``,
            named after the file or model, or else the generator.
        data: the folder that ``{data}`` means in the recipe.
        resume: "auto" resumes from the newest checkpoint in ``out``; "never" refuses an ``out``
            with checkpoints; a checkpoint's folder starts from its state, and later checkpoints
            in ``out`` are set aside.
        watch: functions to call during the run.
        track: trackers that receive values and pictures, such as "tensorboard" and "wandb".

    Raises:
        SrzooError: a part cannot be built, another process trains in ``out``, it holds another
            recipe's run or cannot be written, or values that are not finite returned after
            every rollback.
    """
    for name, place in (("out", out), ("data", data)):
        if place is not None:
            arguments.check_path(name, place)
    folder, pictures = (None if place is None else Path(place) for place in (out, data))
    with hub.same_commits() as commits:
        return _begun(
            recipe, folder, pictures, resume, watch or Callbacks(), arguments.listed(track), commits
        )


def _begun(
    recipe: Recipe | str | Path,
    out: Path | None,
    data: Path | None,
    resume: str | Path,
    watch: Callbacks,
    track: Sequence[str],
    commits: hub.Commits,
) -> Outcome:
    if isinstance(recipe, Recipe):
        name = recipe.generator.name
        recipes.check(recipe, "the recipe")
    else:
        found = recipes.find(recipe)
        name, recipe = found.name, recipes.load(found)
    own = recipe
    trackers.check(track)
    out = out or Path("runs") / name
    group = accelerator_for(recipe.each()[0])
    callbacks = watch if group.is_main_process else Callbacks()
    try:
        with ExitStack() as held:
            on_main_process(group, lambda: held.enter_context(lock_run_folder(out)))
            # Each process read it itself; on the Hub it may have changed in between.
            recipe = on_main_process(group, lambda: own)
            begun = on_main_process(group, lambda: find_start(recipe, out, resume))
            step = begun.progress.step
            names = track if group.is_main_process else ()
            callbacks = held.enter_context(
                trackers.with_trackers(callbacks, names, out, recipe, step)
            )
            return _train(recipe, out, data, begun, callbacks, commits)
    except OSError as error:
        raise troubles.explain(error, f"cannot resume in {out}") from error


def _train(
    recipe: Recipe,
    out: Path,
    data: Path | None,
    start: Start,
    callbacks: Callbacks,
    commits: hub.Commits,
) -> Outcome:
    there, progress = start.checkpoint, start.progress
    averaging.check_kept(recipe, out, progress.stage)
    for word in start.words:
        callbacks.on_word(word)
    outcome = Outcome(progress.step, True, run_log.last_values(out / run_log.LOG))
    said_before: list[str] = []

    def say(word: str) -> None:
        if word not in said_before:  # by the check of all stages
            callbacks.on_word(word)

    for stage, part in enumerate(recipe.each()):
        if stage < progress.stage:
            continue  # already done
        accelerator = accelerator_for(part)
        if stage == progress.stage:  # check all remaining stages before the first step
            said_before = checks.check_all_stages(
                accelerator, recipe, out, data, there, stage, callbacks, commits
            )
        init: Path | None = None
        if stage > progress.stage:
            # Start from the previous stage's result; its checkpoints belong to other networks.
            there, init, progress = None, out, replace(progress, stage=stage, best=None)
        with main_process_first(accelerator, commits):
            parts = assemble(
                recipe, data, callbacks.on_decoding, stage, init, accelerator.device, say
            )
        if recipe.stages:
            callbacks.on_word(f"stage {recipe.stages[stage].name}: {part.train.steps} steps")
        if there and progress.step:
            callbacks.on_word(f"resuming from step {progress.step}")
        elif parts.init_report:
            callbacks.on_word(parts.init_report)
        run = prepare(parts, accelerator)
        if there:
            progress = checkpoint.load(parts, there, run.scalers)
            progress = set_aside_what_follows(accelerator, out, there, progress, start, callbacks)
        on_main_process(accelerator, partial(_keep_recipe, recipe, out, parts.requires))
        more = stage < len(recipe.each()) - 1
        outcome, progress = fit(run, out, progress, callbacks, more=more)
        if not outcome.complete:
            return outcome
        outcome = on_main_process(accelerator, partial(_finish_stage, run, out, outcome, callbacks))
    return outcome


def set_aside_what_follows(
    accelerator: Any, out: Path, there: Path, progress: RunState, start: Start, callbacks: Callbacks
) -> RunState:
    """Set later checkpoints aside, and forget the best one if it is among them."""
    if start.was_chosen:
        for word in on_main_process(accelerator, lambda: set_aside(out, there, progress)):
            callbacks.on_word(word)
    if progress.best and not start.same_validation:
        progress = replace(progress, best=None)
        callbacks.on_word("the validation has changed: the best checkpoint so far is ignored")
    return checkpoint.with_existing_best(out, progress)


def _keep_recipe(recipe: Recipe, out: Path, requires: tuple[str, ...]) -> None:
    with files.atomic_write(out / RECIPE) as file:
        file.write(recipe.to_toml(requires).encode())


def _finish_stage(run: Run, out: Path, outcome: Outcome, callbacks: Callbacks) -> Outcome:
    """The work after a stage is complete, and after the last one."""
    recipe, stage = run.parts.run, run.parts.stage
    if averaging.is_needed(recipe, stage):
        averaging.keep_stage(out, stage)
    if stage == len(recipe.each()) - 1:
        if recipe.average_stages > 1:
            outcome = replace(outcome, values=_release_average(run, out, outcome.step, callbacks))
        checkpoint.rename_weights(out)
    return outcome


def _release_average(run: Run, out: Path, step: int, callbacks: Callbacks) -> dict[str, float]:
    """Release the mean over the last stages, and return its validation values."""
    parts = run.parts
    checkpoint.publish(averaging.average(parts.run, out, parts.ema), out)
    count = parts.run.average_stages
    callbacks.on_word(f"the mean of the last {count} stages' weights is released")
    return evaluate_guarded(
        run, out, step, RunLog(out, step, callbacks.on_word), callbacks, stages=count
    )
