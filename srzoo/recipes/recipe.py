"""Recipes: TOML files that train a model; strict, with a hint for every mistake.

Dataset arguments may begin with ``{data}``: the folder that ``--data`` or ``SRZOO_DATA`` names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from .. import defaults
from ..common import strict
from ..errors import ModelError, PluginError, SrzooError
from ..models import locate, requirements
from ..models.folder import COMMIT, CONFIG, read_folder
from ..models.folder import RECIPE as RECIPE
from ..plugins import packages
from ..plugins.plugin import Use
from . import checks, local_files, origins
from .changes import merge
from .optimizing import ADVERSARIAL, TASK
from .optimizing import Adversarial as Adversarial
from .optimizing import Group as Group
from .optimizing import Optimizer as Optimizer
from .optimizing import Schedule as Schedule
from .optimizing import Task as Task
from .optimizing import Train as Train
from .optimizing import Watchdog as Watchdog
from .sources import DataSources
from .sources import Weighted as Weighted

RECIPE_VERSION = 1
CHOICE = 3
"""Candidates for each crop with ``draw = "detail"``."""


@dataclass(frozen=True)
class Data:
    """Which pictures to train on, and how crops are cut from them.

    Attributes:
        train: dataset plugins to train on, one or a list in which each may have a ``weight``.
        validation: dataset plugins to evaluate on, one or a list, without weights.
        degradation: makes LR from HR where the dataset has no LR pictures.
        lr_crop: side of a training crop, in LR pixels.
        batch: crops in a batch, over all processes.
        draw: "pictures": each picture equally often; "area": in proportion to its pixels;
            "detail": by area, and of three candidate crops the one with the most detail.
        augment: flip crops left to right and rotate them by quarter turns, at random.
        workers: processes that cut and degrade crops; 0 uses a thread. The crops are the same
            with any number. By default half of the cores less one, at most eight.
        cache: whether to keep decoded pictures on the disk: "always", "never", or "auto": if they
            take less than half of the free space. Otherwise pictures are decoded when needed, to
            the same crops.
        skip_bad: leave out pictures that cannot be read, have wrong sizes, or are smaller than a
            crop. Otherwise they are an error before training starts.
    """

    train: DataSources
    validation: DataSources
    degradation: Use = field(default_factory=lambda: Use(defaults.DEGRADATION))
    lr_crop: int = 48
    batch: int = 16
    draw: Literal["pictures", "area", "detail"] = "pictures"
    augment: bool = True
    workers: int | None = None
    cache: Literal["auto", "always", "never"] = "auto"
    skip_bad: bool = False

    def __post_init__(self) -> None:
        for name in ("train", "validation"):
            value: object = getattr(self, name)
            if isinstance(value, Use):  # one set, from a recipe built in Python
                object.__setattr__(self, name, DataSources.of(value))
        weights = [s.weight for s in self.train.each if s.weight is not None]
        if weights and len(weights) < len(self.train.each) and sum(weights) >= 1:
            raise SrzooError(
                f"the weights of data.train add up to {sum(weights):g}, and leave no share for"
                " the sets without one",
                "Give each set a weight, or weights that add up to less than 1",
            )
        if any(source.weight is not None for source in self.validation.each):
            raise SrzooError(
                "data.validation has a weight, but all of its pictures count the same",
                "Remove the weight",
            )


@dataclass(frozen=True)
class Stage:
    """A part of a run, with what it changes in the recipe.

    Attributes:
        name: for messages, such as "gan".
        changes: tables as in a recipe. A table with a ``name`` replaces the recipe's; any other
            changes only the keys that it contains.
    """

    name: str
    changes: Mapping[str, Any]

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Stage:
        """Read ``"psnr"``, or a table with ``name`` and the changes."""
        if isinstance(value, str):
            return cls(value, {})
        if not isinstance(value.get("name"), str):
            raise SrzooError(
                "a stage has no name", 'Add name = "second", or another, to its [[stages]]'
            )
        for key in ("generator", "init", "stages", "average_stages", "requires"):
            if key in value:
                raise SrzooError(
                    f"stage {value['name']!r} changes {key!r}, which is common to all stages",
                    f"Remove {key} from the stage",
                )
        return cls(value["name"], {k: v for k, v in value.items() if k != "name"})

    def plain(self) -> dict[str, Any]:
        """The table that :meth:`of` reads."""
        return {"name": self.name, **self.changes}


@dataclass(frozen=True)
class Recipe:
    """Everything that determines what a training run does.

    Attributes:
        generator: the network, a generator plugin with its arguments.
        data: see below.
        losses: loss plugins, each with a ``weight`` in the sum.
        train: see below.
        optimizer: see below.
        schedule: of the learning rate; see below.
        adversarial: training against a discriminator; none for training without one.
        watchdog: see below.
        init: a model to start from: a released name, a folder, or ``org/repo`` on the Hub. Tensors
            of the same name and shape are copied from it.
        stages: parts of the run, one after the other, each from the released weights of the one
            before.
        average_stages: release the mean of the weights that this many of the last stages released
            (stochastic weight averaging, Izmailov et al. 2018).
        summary: what the model is for, in one line.
        task: a task plugin other than adversarial training; none for a generator with losses
            alone. The task "gan" is ``adversarial``, and is stored there.
        requires: packages besides srzoo whose plugins the recipe uses, as ``package==version``.
            A run writes it into its copy of the recipe.
        beside_in: the table in which the task was written; not a key.
    """

    generator: Use
    data: Data
    losses: tuple[Weighted, ...]
    train: Train
    optimizer: Optimizer = field(default_factory=Optimizer)
    schedule: Schedule = field(default_factory=Schedule)
    adversarial: Adversarial | None = None
    watchdog: Watchdog = field(default_factory=Watchdog)
    init: str | None = None
    stages: tuple[Stage, ...] = ()
    average_stages: int = 1
    summary: str = ""
    task: Task | None = None
    requires: tuple[str, ...] = ()
    beside_in: str = field(default=TASK, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if (odd := packages.unusual(self.requires)) is not None:
            raise SrzooError(
                f"requires names {odd!r}, which is not a package",
                'Write names and versions, such as "some-package==1.0"',
            )
        if self.task and self.adversarial:
            raise SrzooError(
                f"the recipe has a table adversarial, and also a task {self.task.use.name!r}",
                "Remove one of them: a run has one task",
            )
        if self.task and self.task.use.name == defaults.GAME:
            # Frozen, except in its own constructor, which stores "gan" as ``adversarial``.
            object.__setattr__(self, "adversarial", Adversarial.read(self.task))
            object.__setattr__(self, "task", None)
        elif self.adversarial:
            object.__setattr__(self, "beside_in", ADVERSARIAL)

    def each(self) -> list[Recipe]:
        """A recipe without stages for each stage; the recipe itself if it has none.

        Raises:
            SrzooError: a stage's change makes the recipe invalid.
        """
        if not self.stages:
            return [self]
        return [
            strict.parse(Recipe, merge(self._for(stage), stage.changes), f"stage {stage.name!r}")
            for stage in self.stages
        ]

    def _for(self, stage: Stage) -> dict[str, Any]:
        """A stage's changes, with the adversarial table where the stage or the recipe has it."""
        common = strict.plain(self)
        del common["stages"], common["average_stages"]
        tables = [name for name in (ADVERSARIAL, TASK) if name in stage.changes]
        if self.adversarial and (*tables, self.beside_in)[0] == TASK:
            del common[ADVERSARIAL]
            common[TASK] = self.adversarial.task.plain()
        return common

    @property
    def beside(self) -> Task | None:
        """The task, in whichever table it is written; None for a generator alone."""
        return self.adversarial.task if self.adversarial else self.task

    @property
    def opponent(self) -> Optimizer:
        """The optimiser of the task's networks: their own, or the generator's without groups."""
        own = self.beside.optimizer if self.beside else None
        return own or replace(self.optimizer, groups=())

    @property
    def opponent_schedule(self) -> Schedule:
        """The schedule of the task's networks: their own, or the generator's."""
        own = self.beside.schedule if self.beside else None
        return own or self.schedule

    @property
    def steps(self) -> int:
        """The steps of all stages."""
        return sum(recipe.train.steps for recipe in self.each())

    def to_toml(self, requires: Sequence[str] | None = None) -> str:
        """The recipe as TOML that reads as the same recipe; foreign plugins have full names.

        Args:
            requires: replaces its ``requires``; None keeps it.
        """
        import tomli_w

        values = origins.full_names(local_files.found_here(strict.plain(self)))
        values["requires"] = values["requires"] if requires is None else list(requires)
        if not values["requires"]:
            del values["requires"]
        return tomli_w.dumps({"srzoo": RECIPE_VERSION, **values})


@dataclass(frozen=True)
class Located:
    """A recipe's file that was found, so that it is not looked up again."""

    path: Path

    @property
    def name(self) -> str:
        """The name of its runs: that of its file, or of its model."""
        if self.path.name != RECIPE:
            return self.path.stem
        folder = self.path.parent
        name = folder.resolve().name
        in_cache = COMMIT.fullmatch(name) and (folder / CONFIG).is_file()
        return read_folder(folder).name if in_cache else name


def find(ref: str | Path | Located) -> Located:
    """The file of a recipe: a TOML file, a model folder, a released name, or a model on the Hub.

    Raises:
        ModelError: no recipe has that name, or the folder has no recipe.
    """
    if isinstance(ref, Located):
        return ref
    path = Path(ref)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ModelError(f"{path} does not exist", "Check the name")
        return Located(path)
    # As for models: a folder wins, but one that only happens to have a recipe's name does not.
    folder = path if (path / RECIPE).is_file() else locate.in_packages(str(ref), RECIPE)
    if folder is None:
        folder = locate.find(ref).path
    if not (folder / RECIPE).is_file():
        raise ModelError(f"{folder} has no {RECIPE}", "Name one that has: srzoo recipe list")
    return Located(folder / RECIPE)


def recipe_folders() -> dict[str, Path]:
    """Every folder of the card packages that holds a recipe, by name."""
    return locate.by_name(RECIPE)


def load(ref: str | Path | Located, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe, changed by ``a.b=value``, values written as in TOML.

    Raises:
        SrzooError: the file is missing or not TOML, or a part of it is unknown, missing or wrong.
    """
    found = find(ref)
    recipe = read(found, overrides)
    check(recipe, str(found.path), changed=bool(overrides))
    return recipe


def read(ref: str | Path | Located, overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe without :func:`check`, so that none of its plugins is imported.

    Raises:
        SrzooError: the file is missing or not TOML, or a key or a type in it is wrong.
    """
    path = find(ref).path
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SrzooError(f"cannot read {path}: {error}", "Fix the file") from error
    values = local_files.found_from(path, values, overrides)
    version = values.pop("srzoo", None)
    if isinstance(version, int) and version > RECIPE_VERSION:
        raise SrzooError(
            f"{path} is of version {version}, but this srzoo reads {RECIPE_VERSION}",
            "Upgrade srzoo: pip install --upgrade srzoo",
        )
    if version != RECIPE_VERSION:
        raise SrzooError(f"{path}: srzoo is {version!r}", "Write srzoo = 1 at the top")
    return strict.parse(Recipe, values, str(path))


def check(recipe: Recipe, where: str, *, changed: bool = False) -> None:
    """Check what types cannot: packages, names of plugins, their arguments, ranges.

    Args:
        recipe: the recipe.
        where: its name in errors.
        changed: whether its parts were changed, so that its packages may not be needed: then
            they are required only if a part is missing.

    Raises:
        SrzooError: a package or a plugin is missing, an argument is unknown, or a number is
            invalid.
    """
    if not changed:
        requirements.check(recipe.requires, where)
    try:
        _check_parts(recipe, where)
    except PluginError:
        requirements.check(recipe.requires, where)
        raise


def _check_parts(recipe: Recipe, where: str) -> None:
    most = max(1, len(recipe.stages))
    if not 1 <= recipe.average_stages <= most:
        raise SrzooError(
            f"{where}: average_stages is {recipe.average_stages}",
            f"It is between 1 and the number of stages, {most}",
        )
    for stage, part in zip(recipe.stages or (None,), recipe.each(), strict=True):
        checks.check(part, f"{where}, stage {stage.name!r}" if stage else where)
