"""The mean of the weights that the last stages released, for a recipe's ``average_stages``.

A run keeps the weights that a stage released in ``stages/03/``, a model folder, until the mean is
computed.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch

from ..contracts import Generator
from ..errors import SrzooError
from ..models.folder import Config, read_folder
from ..networks import folders
from ..recipes.recipe import Recipe

FOLDER = "stages"


def is_needed(recipe: Recipe, stage: int) -> bool:
    """Whether the mean includes the weights of a stage, counted from 0."""
    return recipe.average_stages > 1 and stage >= len(recipe.stages) - recipe.average_stages


def folder_of(run: Path, stage: int) -> Path:
    """The folder in which a run keeps the weights that a stage, counted from 0, released."""
    return run / FOLDER / f"{stage + 1:02d}"


def check_kept(recipe: Recipe, run: Path, stage: int) -> None:
    """Refuse to resume in a stage if weights of earlier stages are missing for the mean.

    Raises:
        SrzooError: the weights of an earlier stage are missing.
    """
    for before in range(stage):
        if is_needed(recipe, before) and not folder_of(run, before).is_dir():
            raise SrzooError(
                f"{folder_of(run, before)} is missing: the weights at the end of stage"
                f" {recipe.stages[before].name!r}, which average_stages ="
                f" {recipe.average_stages} needs",
                "Resume in the folder of the run that made them, or set average_stages=1",
            )


def keep_stage(run: Path, stage: int) -> None:
    """Copy the model that the run has released so far, which is the stage's result."""
    released = read_folder(run)
    _save(folders.build(released), released.config, folder_of(run, stage))


def average(recipe: Recipe, run: Path, into: Generator) -> Path:
    """Load the mean over the stages into a generator, and write it as a model folder.

    The statistics of BatchNorm are averaged too; its step counts are those of the last stage.
    """
    stages = [stage for stage in range(len(recipe.stages)) if is_needed(recipe, stage)]
    kept = [folders.build(read_folder(folder_of(run, stage))).state_dict() for stage in stages]
    for name, tensor in into.state_dict().items():
        each = [state[name] for state in kept]
        tensor.copy_(torch.stack(each).mean(0) if tensor.is_floating_point() else each[-1])
    _save(into, read_folder(run).config, run / FOLDER / "mean")
    return run / FOLDER / "mean"


def _save(module: Generator, config: Config, path: Path) -> None:
    if path.exists():  # the run resumed from before its end
        shutil.rmtree(path)
    args = dict(config.args)
    folders.save(
        module, path, generator=config.generator, args=args, summary=config.summary,
        purpose=config.purpose,
    )  # fmt: skip
