"""Builds and tests all parts of all stages before the first step, and reports anomalies.

Without it, a recipe whose third stage cannot be built would fail after hours. First the sizes of
pictures are checked by their headers, if a dataset provides them. Then every part of every stage
is built as the run will build it, and losses and metrics are tested on the smallest inputs that
they will get.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..common import strict
from ..contracts import Dataset, Pair, SizedPictures
from ..errors import SrzooError
from ..evaluating.degrading import degrade
from ..evaluating.judging import judge
from ..models import hub
from ..networks.runner import ModuleRunner
from ..plugins import kinds, references
from ..plugins.spelling import spelled
from ..recipes.data_folder import fill_in_data_folder
from ..recipes.recipe import Recipe
from ..upscaling.upscaler import Upscaler
from . import data_changes, leaks, tasks
from .callbacks import Callbacks
from .decode import large_enough
from .parts import Parts, assemble
from .processes import main_process_first
from .sets import GuardedDataset

NUMBERS = "steps", "seed", "accumulate", "clip", "checkpoint_every", "evaluate_every", "keep"
"""Settings of ``train`` that do not affect building: stages that differ only in these are equal."""


@dataclass(frozen=True)
class CheckedStage:
    """A stage that was built: parameters of its networks, and numbers of pictures.

    ``opponents`` has the parameters of the task's networks by name.
    """

    generator: int
    beside: dict[str, int]
    training: int
    validation: int


@dataclass(frozen=True)
class Checked:
    """The result of a check of all stages.

    Attributes:
        stages: the stages that were checked, in order.
        init_report: which tensors came from the recipe's ``init``, as a sentence.
        words: warnings.
        data: the state of each dataset, for :mod:`.data_changes`.
    """

    stages: list[CheckedStage] = field(default_factory=list["CheckedStage"])
    init_report: str = ""
    words: list[str] = field(default_factory=list[str])
    data: data_changes.State = field(default_factory=dict[str, Any])


def check_all_stages(
    accelerator: Any,
    recipe: Recipe,
    out: Path,
    data: Path | None,
    start_from: Path | None,
    first: int,
    callbacks: Callbacks,
    commits: hub.Commits,
) -> list[str]:
    """Check all remaining stages of a run, and report anomalies.

    Args:
        accelerator: its first process runs first, so that the others find pictures decoded.
        recipe: the whole recipe.
        out: the run's folder; the state of the data is recorded in it.
        data: replaces ``{data}`` in the recipe.
        start_from: the checkpoint from which the run resumes, if any.
        first: the stage in which it resumes.
        callbacks: ``on_word`` gets the anomalies.
        commits: of the models on the Hub that the recipe names; the first process asks the Hub.

    Returns:
        The anomalies of the pictures.

    Raises:
        SrzooError: a part of a stage cannot be built, or does not work with the pictures.
    """
    with main_process_first(accelerator, commits):
        checked = check(recipe, data, callbacks.on_decoding, first, callbacks.on_word)
    if start_from:
        for word in data_changes.describe_changes(
            data_changes.read(start_from.resolve().parents[1]), checked.data
        ):
            callbacks.on_word(word)
    if accelerator.is_main_process:
        data_changes.write(out, checked.data)
    return checked.words


def check(
    recipe: Recipe,
    data: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    first: int = 0,
    say: Callable[[str], None] | None = None,
) -> Checked:
    """Build every stage from ``first`` on, and test its parts.

    Args:
        recipe: the whole recipe.
        data: replaces ``{data}`` in the recipe.
        progress: called with (pictures done, pictures in all) while pictures are decoded.
        first: the stage to begin with.
        say: called with each warning as soon as it is found.

    Raises:
        SrzooError: a part of a stage cannot be built, or does not work with the pictures; the
            message names the stage.
    """
    with hub.same_commits():
        return _check(recipe, data, progress, first, say)


def _check(
    recipe: Recipe,
    data: Path | None,
    progress: Callable[[int, int], None] | None,
    first: int,
    say: Callable[[str], None] | None,
) -> Checked:
    recipes = recipe.each()
    checked = Checked()
    _headers(recipe, recipes, data, first, checked)
    known: dict[str, CheckedStage] = {}
    sets: dict[str, Any] = {}
    tried: set[str] = set()

    def tell(word: str) -> None:
        if word not in checked.words:  # stages share pictures
            checked.words.append(word)
            if say:
                say(word)

    if local := list(dict.fromkeys(references.within(strict.plain(recipe)))):
        tell(f"{', '.join(local)}: in a file of this machine, so the model cannot be"
             f" published. {references.PACKAGE}")  # fmt: skip
    for number in range(first, len(recipes)):
        key = _key(recipes[number])
        if key not in known:
            with _in_stage(recipe, number):
                parts = assemble(recipe, data, progress, number, say=tell)
                for attempt, about in _attempts(recipes[number]):
                    if about not in tried:
                        attempt(parts)
                        tried.add(about)
            known[key] = _facts(parts)
            pictures = recipes[number].data
            sets[f"t{strict.plain(pictures.train)}"] = parts.crops.pixels
            sets[f"v{strict.plain(pictures.validation)}"] = parts.validation
            if number == 0:
                checked = Checked(checked.stages, parts.init_report, checked.words, checked.data)
        checked.stages.append(known[key])
    trained = [pixels for key, pixels in sets.items() if key.startswith("t")]
    held_out = [pixels for key, pixels in sets.items() if key.startswith("v")]
    for word in leaks.describe_leaks(trained, held_out):
        tell(word)
    return checked


@contextmanager
def _in_stage(recipe: Recipe, number: int) -> Generator[None]:
    """Add the stage to errors raised inside."""
    try:
        yield
    except SrzooError as error:
        if recipe.stages:
            error.what = f"stage {recipe.stages[number].name!r}: {error.what}"
        raise


def _key(recipe: Recipe) -> str:
    """A key that is equal for stages built of the same parts."""
    plain = strict.plain(recipe)
    for name in ("schedule", "watchdog", "summary"):
        plain.pop(name, None)
    for name in NUMBERS:
        plain["train"].pop(name, None)
    return json.dumps(plain, sort_keys=True, default=str)


def _attempts(recipe: Recipe) -> Iterator[tuple[Callable[[Parts], None], str]]:
    """The tests of a stage, each with a text that is equal for stages with the same test."""
    crop = recipe.data.lr_crop, recipe.train.fold
    pictures = recipe.data.validation, recipe.data.degradation, recipe.data.skip_bad
    for attempt, about in (
        (try_losses, (recipe.losses, crop)),
        (try_task, (recipe.beside, crop, recipe.data.batch)),
        (try_metrics, (recipe.train.metrics, pictures)),
    ):
        yield attempt, f"{attempt.__name__} {strict.plain(about)}"


def _facts(parts: Parts) -> CheckedStage:
    def count(network: Any) -> int:
        return sum(parameter.numel() for parameter in network.parameters())

    return CheckedStage(
        count(parts.generator),
        {name: count(network) for name, network in parts.task.networks.items()},
        len(parts.crops.pixels),
        len(parts.validation),
    )


def _headers(
    recipe: Recipe, recipes: list[Recipe], data: Path | None, first: int, checked: Checked
) -> None:
    """Check the datasets of all stages before any picture is decoded."""
    generator: Any = kinds.generators.build(recipe.generator)
    largest = max(generator.scales)
    built: dict[str, Any] = {}
    sizes: dict[str, list[tuple[str, tuple[int, int]]]] = {}
    for number in range(first, len(recipes)):
        pictures = recipes[number].data
        for place, sets in (("train", pictures.train), ("validation", pictures.validation)):
            for use in (source.use for source in sets.each):
                full = spelled(kinds.datasets, use)
                key = json.dumps(strict.plain(full), sort_keys=True, default=str)
                if key not in built:
                    with _in_stage(recipe, number):
                        built[key] = kinds.datasets.build(fill_in_data_folder(use, data))
                        sizes[key] = list(_sizes(built[key]))
                        checked.data[key] = data_changes.snapshot(
                            built[key], f"data.{place}", use.name
                        )
                if place == "train" and not pictures.skip_bad:
                    with _in_stage(recipe, number):
                        large_enough(sizes[key], pictures.lr_crop * largest)


def _sizes(dataset: Dataset) -> Iterator[tuple[str, tuple[int, int]]]:
    """Name, and height and width, of each picture by its header, if a dataset provides them."""
    if not isinstance(dataset, SizedPictures) or not callable(dataset.size):
        return
    guarded = GuardedDataset(dataset)
    for index in range(len(guarded)):
        try:
            found = guarded.size(index)
        except SrzooError:
            continue  # decoding it reports it or leaves it out
        if found:
            yield guarded.name(index), found


def try_losses(parts: Parts) -> None:
    """Test each loss on a crop of the size that it will get.

    Raises:
        SrzooError: a loss fails, or does not return a single number.
    """
    pair = _random_pair(parts, 1)
    for number, term in enumerate(parts.terms):
        who = f"losses.{number}, {term.name!r}, cannot judge {_crops(pair)}"
        with _trying(who, "Raise data.lr_crop, or remove the loss"), torch.no_grad():
            term.of(pair)


def try_task(parts: Parts) -> None:
    """Test the task on crops of the size that it will get.

    Raises:
        SrzooError: it fails, or returns something other than single numbers.
    """
    task = parts.recipe.beside
    pair = _random_pair(parts, min(2, parts.recipe.data.batch))  # BatchNorm may need two
    who = f"the task {task.use.name!r} cannot judge {_crops(pair)}" if task else ""
    with _trying(who, "Raise data.lr_crop, or change the task"):
        tasks.check_terms(parts.task, pair, (term.name for term in parts.terms))


def _random_pair(parts: Parts, batch: int) -> Pair:
    """Noise of the size of a crop, as losses and tasks will get it."""
    scale, side = min(parts.scales), tasks.lr_side(parts.recipe, parts.generator)
    chance = torch.Generator().manual_seed(0)
    lr, hr, sr = (
        torch.rand((batch, 3, length, length), generator=chance).to(parts.device)
        for length in (side, side * scale, side * scale)
    )
    return Pair(lr=lr, hr=hr, sr=sr)


def _crops(pair: Pair) -> str:
    return f"crops of {pair.hr.shape[-1]} pixels a side"


def try_metrics(parts: Parts) -> None:
    """Upscale the smallest validation picture, and test each metric on it.

    Raises:
        SrzooError: it cannot be degraded, upscaled or measured.
    """
    pictures = parts.validation
    number = min(range(len(pictures)), key=lambda n: np.prod(pictures.size(n)))
    whole = pictures.hr(number)
    height, width = whole.shape[:2]
    called = f"{pictures.names[number]}, the smallest validation picture, of {width}x{height}"
    shrink = kinds.degradations.build(parts.recipe.data.degradation)
    upscaler = Upscaler(ModuleRunner(parts.ema), parts.scales, "the model")
    for scale in parts.scales:
        hr = whole[: height // scale * scale, : width // scale * scale]
        with _trying(f"scale {scale} cannot use {called}", "Exclude the picture"):
            if not hr.size:
                raise ValueError("it is smaller than one LR pixel")
            by, chance = parts.recipe.data.degradation.name, np.random.default_rng(0)
            lr = degrade(hr, scale, shrink, by, chance, parts.validation.names[number])
            sr = upscaler.array(lr, scale)
        for name, metric in parts.metrics.items():
            fix = "Exclude the picture, or remove the metric from train.metrics"
            with _trying(f"the metric {name!r} cannot measure {called}", fix):
                judge(metric, sr, hr, scale)


@contextmanager
def _trying(what: str, fix: str) -> Generator[None]:
    """Turn any error raised inside into a SrzooError that names the test."""
    try:
        yield
    except MemoryError:
        raise
    except SrzooError as error:
        raise SrzooError(f"{what}: {error.what}", f"{error.fix or fix}") from error
    except Exception as error:  # plugins may raise anything
        raise SrzooError(f"{what}: {error or type(error).__name__}", fix) from error
