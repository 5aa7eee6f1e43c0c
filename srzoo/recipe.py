"""What trains a model, as a readable TOML file: strict, with a hint for every mistake.

Dataset arguments may begin with ``{data}``: the folder that ``--data`` or ``SRZOO_DATA`` names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from . import kinds, locate, strict
from .changes import changed, set_from
from .errors import ModelError, SrzooError
from .registry import Registry, Use

RECIPE = "recipe.toml"
RECIPE_VERSION = 1
CHOICE = 3
"""Crops that are looked at for each one that is drawn by detail."""


@dataclass(frozen=True)
class Weighted:
    """A loss and its weight in the sum."""

    use: Use
    weight: float = 1.0

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Weighted:
        """Read ``"l1"``, or a table with ``name``, ``weight`` and the loss's own arguments."""
        if isinstance(value, str):
            return cls(Use(value))
        weight = value.get("weight", 1.0)
        if isinstance(weight, bool) or not isinstance(weight, int | float):
            raise SrzooError(f"the weight of {value.get('name')} is {weight!r}", "Give a number")
        return cls(Use.of({k: v for k, v in value.items() if k != "weight"}), float(weight))

    def plain(self) -> dict[str, Any]:
        """The table that :meth:`of` reads."""
        return {**self.use.plain(), "weight": self.weight}


@dataclass(frozen=True)
class Data:
    """Which pictures, and how they are cut.

    Attributes:
        train, validation: dataset plugins; validation pictures are never trained on.
        degradation: makes LR from HR where the dataset has none.
        lr_crop: side of a training crop, in LR pixels.
        batch: crops for each optimiser step and accumulation, over all processes.
        draw: "pictures": each as often as any other; "area": in proportion to its pixels;
            "detail": by area, and of a few crops the one with the most detail.
        augment: left-right flips and quarter turns.
    """

    train: Use
    validation: Use
    degradation: Use = field(default_factory=lambda: Use("bicubic"))
    lr_crop: int = 48
    batch: int = 16
    draw: Literal["pictures", "area", "detail"] = "pictures"
    augment: bool = True


@dataclass(frozen=True)
class Optimizer:
    """Adam, AdamW, SGD, or timm's Muon (kernels as matrices; what is none goes by AdamW).

    ``betas`` and ``eps`` are Adam's, and of Muon's AdamW; ``momentum`` is Muon's and SGD's.
    """

    name: Literal["adam", "adamw", "muon", "sgd"] = "adam"
    lr: float = 1e-4
    betas: tuple[float, ...] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0


@dataclass(frozen=True)
class Adversarial:
    """The game against a discriminator.

    Attributes:
        loss: an adversarial loss plugin; both players' halves.
        weight: of the generator's half, in the sum with the other losses.
        optimizer: the discriminator's; the generator's settings if none. The schedule moves both.
    """

    discriminator: Use
    loss: Use = field(default_factory=lambda: Use("vanilla"))
    weight: float = 1e-3
    optimizer: Optimizer | None = None


@dataclass(frozen=True)
class Watchdog:
    """When a run is rolled back, and when it is warned of.

    Attributes:
        rollbacks: how often a value that is not finite may be answered by going back to the
            last checkpoint and drawing other crops, within ``window``; 0 to stop at the first.
        window: steps over which rollbacks are counted.
        patience: steps that something odd may go on before words are said about it.
    """

    rollbacks: int = 3
    window: int = 10_000
    patience: int = 500


@dataclass(frozen=True)
class Stage:
    """A part of a run, and what of the recipe differs in it.

    Attributes:
        name: for messages, such as "gan".
        changes: tables as in a recipe. One that has a ``name`` takes the place of the
            recipe's; of any other, only the keys that are there.
    """

    name: str
    changes: Mapping[str, Any]

    @classmethod
    def of(cls, value: str | Mapping[str, Any]) -> Stage:
        """Read ``"psnr"``, or a table with ``name`` and the changes."""
        if isinstance(value, str):
            return cls(value, {})
        if not isinstance(value.get("name"), str):
            raise SrzooError("a stage has no name", 'Add name = "gan" to its [[stages]]')
        for key in ("generator", "init", "stages", "average_stages"):
            if key in value:
                raise SrzooError(
                    f"stage {value['name']!r} changes {key!r}, which is one for all stages",
                    f"Take {key} out of the stage",
                )
        return cls(value["name"], {k: v for k, v in value.items() if k != "name"})

    def plain(self) -> dict[str, Any]:
        """The table that :meth:`of` reads."""
        return {"name": self.name, **self.changes}


@dataclass(frozen=True)
class Schedule:
    """How the learning rate moves: a factor on ``Optimizer.lr`` for each step.

    Attributes:
        name: "constant"; "step": times ``gamma`` at each of ``at``; "cosine": from 1 to
            ``floor`` at the last step.
        warmup: steps over which it rises linearly from zero, first.
    """

    name: Literal["constant", "step", "cosine"] = "constant"
    at: tuple[int, ...] = ()
    gamma: float = 0.5
    floor: float = 0.0
    warmup: int = 0


@dataclass(frozen=True)
class Train:
    """The run.

    Attributes:
        steps: optimiser steps.
        seed: every crop and every first weight follows from it.
        accumulate: batches whose gradients are added before a step.
        clip: largest gradient norm, or none.
        precision: "fp32", "bf16" or "fp16" (mixed).
        ema: decay of the averaged weights that are evaluated and released; 0 for none.
        fold: train a generator with ``linear_tail`` through its folded tail; exact inside a crop.
        unfolded_share: the last part of the steps runs unfolded, so that borders learn too.
        freeze_norm: BatchNorm uses and keeps the statistics it has: for small crops in fine-tuning.
        checkpoint_every, evaluate_every: steps.
        keep: how many checkpoints stay, besides the best.
        metrics: what validation measures; the first one tells the best checkpoint.
        release: the weights of the model folder itself: the "best", or the "last".
    """

    steps: int
    seed: int = 0
    accumulate: int = 1
    clip: float | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    ema: float = 0.999
    fold: bool = False
    unfolded_share: float = 0.15
    freeze_norm: bool = False
    checkpoint_every: int = 1000
    evaluate_every: int = 1000
    keep: int = 2
    metrics: tuple[Use, ...] = (Use("psnr_y"), Use("ssim_y"))
    release: Literal["best", "last"] = "best"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a training run does.

    Attributes:
        adversarial: the game against a discriminator; none for training without one.
        init: a model to start from; tensors of the same name and shape are taken over.
        stages: run one after the other, each from the released weights of the one before.
        average_stages: from how many stages, counted from the last, the mean of the released
            weights is what the run releases (stochastic weight averaging, Izmailov et al. 2018).
        summary: what the model is for, in one line.
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

    def each(self) -> list[Recipe]:
        """A recipe without stages for each stage; the recipe itself if it has none.

        Raises:
            SrzooError: a stage changes something into what no recipe may hold.
        """
        if not self.stages:
            return [self]
        common = strict.plain(self)
        del common["stages"], common["average_stages"]
        return [
            strict.parse(Recipe, changed(common, stage.changes), f"stage {stage.name!r}")
            for stage in self.stages
        ]

    @property
    def steps(self) -> int:
        """Of all stages."""
        return sum(recipe.train.steps for recipe in self.each())

    def to_toml(self) -> str:
        """The recipe as a file that gives the same recipe."""
        import tomli_w

        return tomli_w.dumps({"srzoo": RECIPE_VERSION, **strict.plain(self)})


def find(ref: str | Path) -> tuple[str, Path]:
    """The name and the file of a recipe: a TOML file, a model folder, or a released name.

    Raises:
        ModelError: nothing is called that, or the folder has no recipe.
    """
    path = Path(ref)
    if path.suffix == ".toml":
        if not path.is_file():
            raise ModelError(f"{path} does not exist", "Check the name")
        return (path.parent.resolve().name if path.name == RECIPE else path.stem), path
    # As for models: a folder wins, but one that only happens to have a recipe's name does not.
    folder = path if (path / RECIPE).is_file() else plans().get(str(ref))
    if folder is None:
        folder = locate.find(ref).path
    if not (folder / RECIPE).is_file():
        raise ModelError(
            f"{folder} has no {RECIPE}", "Name a model that has one: srzoo recipe list"
        )
    return folder.resolve().name, folder / RECIPE


def plans() -> dict[str, Path]:
    """Every folder of the card packages that holds a recipe, by name."""
    return {path.parent.name: path.parent for path in locate.package_files(RECIPE)}


def load(ref: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """Read and check a recipe, changed by ``a.b=value``, values written as in TOML.

    Raises:
        SrzooError: no such file, no TOML, or something in it is unknown, missing or wrong.
    """
    recipe = read(ref, overrides)
    check(recipe, str(find(ref)[1]))
    return recipe


def read(ref: str | Path, overrides: Sequence[str] = ()) -> Recipe:
    """The same without :func:`check`: imports none of the recipe's plugins.

    Raises:
        SrzooError: no such file, no TOML, or a key or type in it is wrong.
    """
    _, path = find(ref)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SrzooError(f"cannot read {path}: {error}", "Correct the file") from error
    for override in overrides:
        set_from(values, override)
    version = values.pop("srzoo", None)
    if isinstance(version, int) and version > RECIPE_VERSION:
        raise SrzooError(
            f"{path} is of version {version}, this srzoo reads {RECIPE_VERSION}",
            "Upgrade srzoo: pip install --upgrade srzoo",
        )
    if version != RECIPE_VERSION:
        raise SrzooError(f"{path}: srzoo is {version!r}", "Write srzoo = 1 at the top")
    return strict.parse(Recipe, values, str(path))


def check(recipe: Recipe, where: str) -> None:
    """What types alone do not tell: names of plugins, their arguments, ranges.

    Raises:
        SrzooError: a plugin is missing, an argument is unknown, or a number makes no sense.
    """
    most = max(1, len(recipe.stages))
    if not 1 <= recipe.average_stages <= most:
        raise SrzooError(
            f"{where}: average_stages is {recipe.average_stages}",
            f"It is between 1 and the number of stages, {most}",
        )
    for stage, part in zip(recipe.stages or (None,), recipe.each(), strict=True):
        _check(part, f"{where}, stage {stage.name!r}" if stage else where)


def _check(recipe: Recipe, where: str) -> None:
    train, data, adversarial = recipe.train, recipe.data, recipe.adversarial
    uses: list[tuple[Registry[Any], Use]] = [
        (kinds.generators, recipe.generator),
        (kinds.datasets, recipe.data.train),
        (kinds.datasets, recipe.data.validation),
        (kinds.degradations, recipe.data.degradation),
        *((kinds.losses, loss.use) for loss in recipe.losses),
        *((kinds.metrics, metric) for metric in recipe.train.metrics),
    ]
    if adversarial:
        uses.append((kinds.discriminators, adversarial.discriminator))
        uses.append((kinds.adversarial_losses, adversarial.loss))
    for registry, use in uses:
        registry.check_use(use)
    for name, value, least in (
        ("train.steps", train.steps, 1),
        ("train.accumulate", train.accumulate, 1),
        ("train.checkpoint_every", train.checkpoint_every, 1),
        ("train.evaluate_every", train.evaluate_every, 1),
        ("train.keep", train.keep, 1),
        ("data.batch", data.batch, 1),
        ("data.lr_crop", data.lr_crop, 1),
        ("schedule.warmup", recipe.schedule.warmup, 0),
        ("watchdog.rollbacks", recipe.watchdog.rollbacks, 0),
        ("watchdog.window", recipe.watchdog.window, 1),
        ("watchdog.patience", recipe.watchdog.patience, 1),
    ):
        if value < least:
            raise SrzooError(f"{where}: {name} is {value}", f"It is at least {least}")
    for name, share in (("train.ema", train.ema), ("train.unfolded_share", train.unfolded_share)):
        if not 0 <= share <= 1:
            raise SrzooError(f"{where}: {name} is {share}", "It lies between 0 and 1")
    if not recipe.losses and not adversarial:
        raise SrzooError(f"{where} has no losses", 'Add [[losses]] with name = "l1"')
    if not train.metrics:
        raise SrzooError(f"{where} has no train.metrics", 'Give train.metrics = ["psnr_y"]')
