"""``train``: from a recipe to a model folder, stage after stage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from .. import files
from .. import recipe as recipes
from ..errors import SrzooError
from ..recipe import RECIPE, Recipe
from . import averaging, checkpoint, checks
from .assemble import Parts, assemble
from .checkpoint import Progress
from .loop import fit
from .processes import accelerator_for
from .report import Report
from .step import prepare
from .validate import validate
from .watch import Outcome, Watch


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
        SrzooError: a part cannot be built, ``out`` holds another recipe's run, or values that
            are not finite came back after every rollback.
    """
    watch = watch or Watch()
    if isinstance(recipe, Recipe):
        name = recipe.generator.name
        recipes.check(recipe, "the recipe")
    else:
        name, recipe = recipes.find(recipe)[0], recipes.load(recipe)
    out = out or Path("runs") / name
    there = _start(recipe, out, resume)
    progress = checkpoint.progress(there) if there else Progress()
    if progress.stage >= len(recipe.each()):
        raise SrzooError(
            f"{there} was made in stage {progress.stage + 1}, and the recipe has"
            f" {len(recipe.each())}",
            "Choose another --out, or the recipe that made it",
        )
    averaging.expect(recipe, out, progress.stage)
    outcome = Outcome(progress.step, complete=True)
    for stage, part in enumerate(recipe.each()):
        if stage < progress.stage:
            continue  # done before
        accelerator = accelerator_for(part)
        speaker = watch if accelerator.is_main_process else Watch()
        if stage == progress.stage:  # the first that is left: all of them, before any step
            checks.begin(accelerator, recipe, out, data, there, stage, speaker)
        init: Path | None = None
        if stage > progress.stage:
            # From what the stage before released; its checkpoints are of other networks.
            there, init, progress = None, out, replace(progress, stage=stage, best=None)
        with accelerator.main_process_first():  # the others find the pictures decoded
            parts = assemble(
                recipe, data, speaker.on_decoding, stage, init, accelerator.device,
                speaker.on_word,
            )  # fmt: skip
        if recipe.stages:
            speaker.on_word(f"stage {recipe.stages[stage].name}: {part.train.steps} steps")
        if there and progress.step:
            speaker.on_word(f"going on from step {progress.step}")
        elif parts.taken_over:
            speaker.on_word(parts.taken_over)
        run = prepare(parts, accelerator)
        if there:
            progress = checkpoint.load(parts, there, run.scalers)
        if accelerator.is_main_process:
            out.mkdir(parents=True, exist_ok=True)
            with files.replacing(out / RECIPE) as file:
                file.write(recipe.to_toml().encode())
        accelerator.wait_for_everyone()
        more = stage < len(recipe.each()) - 1
        outcome, progress = fit(run, out, progress, speaker, more=more)
        if not outcome.complete:
            return outcome
        if accelerator.is_main_process:
            if averaging.wanted(recipe, stage):
                averaging.keep(out, stage)
            if not more:
                if recipe.average_stages > 1:
                    outcome = replace(outcome, values=_average(parts, out, outcome.step, speaker))
                checkpoint.rename_weights(out)
    return outcome


def _average(parts: Parts, out: Path, step: int, watch: Watch) -> dict[str, float]:
    """Release the mean over the last stages, and give back what validation says of it."""
    checkpoint.publish(averaging.average(parts.run, out, parts.ema), out)
    values = validate(parts, out / "sheet.png")
    Report(out, step).evaluated(step, values, stages=parts.run.average_stages)
    watch.on_word(f"the mean of the last {parts.run.average_stages} stages' weights is released")
    watch.on_evaluation(step, values)
    return values


def _start(recipe: Recipe, out: Path, resume: str | Path) -> Path | None:
    """The checkpoint to go on from, if any."""
    if resume == "never":
        if there := checkpoint.found(out):
            raise SrzooError(
                f"{out} holds a run already, at step {int(there[-1].name)}",
                "Choose another --out, or leave --resume out to go on with it",
            )
        return None
    if resume != "auto":
        if not (Path(resume) / checkpoint.STATE).is_file():
            raise SrzooError(f"{resume} is no checkpoint", f"Name a folder of {out}/checkpoints")
        return Path(resume)
    newest = next(checkpoint.sound(out), None)
    if newest is None:
        return None
    before = recipes.read(newest / RECIPE)
    if before.to_toml() != recipe.to_toml():
        lines = set(before.to_toml().splitlines()) ^ set(recipe.to_toml().splitlines())
        raise SrzooError(
            f"the run in {out} was made with another recipe: {'; '.join(sorted(lines))}",
            f"Choose another --out, or give --resume {newest} to go on all the same",
        )
    return newest
