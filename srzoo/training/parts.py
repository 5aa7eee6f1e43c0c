"""Builds all parts of a run from a recipe, so that mistakes are found before any data is read."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from ..contracts import Generator, Loss, Metric, Pair, Task, has_linear_tail, multiple_of, nn_module
from ..errors import SrzooError
from ..models import locate
from ..networks import folders
from ..networks.fold import Foldable
from ..networks.recompute import recompute
from ..plugins import importing, kinds, origin
from ..plugins.plugin import Use
from ..recipes import origins
from ..recipes.data_folder import fill_in_data_folder
from ..recipes.recipe import Recipe, Weighted
from . import optimizers, tasks
from .crops import Crops
from .pixels import Pixels, open_pixels
from .sets import guarded_datasets

T = TypeVar("T")
NAMED_AT_MOST = 10


@dataclass(frozen=True)
class Term:
    """One loss with its name, for the log, and its weight."""

    name: str
    weight: float
    loss: Loss

    def of(self, pair: Pair) -> Tensor:
        """The loss of a pair of pictures, without its weight.

        Raises:
            BrokenPluginError: the loss fails, or returns something other than a single number.
        """
        with importing.blamed(self.loss):
            value = cast("object", self.loss(pair))
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise importing.gave(self.loss, f"loss {self.name}", value, "a single number")
        return value


@dataclass(frozen=True)
class Parts:
    """The parts of one stage of a run.

    Attributes:
        run: the whole recipe.
        stage: the index of this stage, from 0.
        start: the number of steps of earlier stages.
        recipe: of this stage.
        generator: in train mode (except frozen BatchNorm), with weights from the seed or from
            ``init``.
        ema: its averaged copy, in eval mode; the generator itself if there is no average.
        foldable: the generator as training runs it.
        task: the networks trained beside it, with weights from the seed, and their part in a step.
        opponents: the optimisers of the task's networks, by name.
        metrics: of the validation, by name; the first decides which checkpoint is best.
        init_report: which tensors came from the recipe's ``init``, as a sentence.
        own_lr: for each dataset, whether it has LR pictures of its own.
    """

    run: Recipe
    stage: int
    start: int
    recipe: Recipe
    generator: Generator
    ema: Generator
    foldable: Foldable
    optimizer: torch.optim.Optimizer
    terms: list[Term]
    task: Task
    opponents: dict[str, torch.optim.Optimizer]
    crops: Crops
    validation: Pixels
    metrics: dict[str, Metric]
    init_report: str
    own_lr: tuple[bool, ...] = ()

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters of the generator that the optimiser trains."""
        return optimizers.trained_parameters(self.optimizer)

    @property
    def requires(self) -> tuple[str, ...]:
        """The packages, besides srzoo, of all plugins of the run, as ``package==version``."""
        built = [*(term.loss for term in self.terms), *self.metrics.values(), self.task]
        named = origins.plugins(self.run)
        plugins = [*named, *(plugin for one in built for plugin in origin.made_of(one))]
        return tuple(sorted({*folders.owners(self.ema), *origin.requirements(plugins)}))

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """All optimisers, by their names in a checkpoint; "optimizer" is the generator's."""
        others = {tasks.state_name(self.task, name): one for name, one in self.opponents.items()}
        return {"optimizer": self.optimizer} | others

    @property
    def device(self) -> torch.device:
        """The device of the networks."""
        return next(self.generator.parameters()).device

    @property
    def scales(self) -> tuple[int, ...]:
        """The generator's scales."""
        return self.generator.scales


def assemble(
    run: Recipe,
    data: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    stage: int = 0,
    init: str | Path | None = None,
    device: torch.device | None = None,
    say: Callable[[str], None] | None = None,
) -> Parts:
    """Build every part of a run, or of one of its stages.

    Args:
        run: the recipe.
        data: replaces ``{data}`` in the recipe; None for the variable SRZOO_DATA.
        progress: called with (pictures done, pictures in all) while pictures are decoded.
        stage: the index of the stage, from 0.
        init: the model to start from; None for the recipe's own, in the first stage.
        device: the device of all parts; they are moved before optimisers are built. None for the
            CPU.
        say: called with a sentence about pictures that are left out, or not cached.

    Raises:
        SrzooError: a part cannot be built.
    """
    recipes = run.each()
    recipe = recipes[stage]
    init = recipe.init if init is None and stage == 0 else init
    torch.manual_seed(recipe.train.seed)  # pyright: ignore[reportUnknownMemberType]
    generator = kinds.generators.build(recipe.generator)
    init_report = _init(generator, init) if init else ""
    generator = tasks.place_network(generator, recipe, device).train()
    if recipe.train.freeze_norm:
        _freeze_norm(generator, recipe)
    optimizers.freeze(generator, recipe.train.freeze)
    optimizers.check(recipe.optimizer, network=generator)
    if recipe.train.fold and not has_linear_tail(generator):
        raise SrzooError(
            f"generator {recipe.generator.name!r} has no linear tail to fold",
            "Set train.fold = false",
        )
    _on_grid(generator, recipe)
    scales = generator.scales
    degradation = recipe.data.degradation
    pictures = recipe.data
    training = guarded_datasets(pictures.train, data, "data.train")
    held_out = guarded_datasets(pictures.validation, data, "data.validation")
    terms = _terms(recipe.losses, data, device)
    metrics = recipe.train.metrics
    named = zip(_distinct_names(metrics), metrics, strict=True)
    judges = {name: kinds.metrics.build(fill_in_data_folder(use, data)) for name, use in named}
    task = tasks.build(recipe, data, device)
    opponents = {
        name: optimizers.build(nn_module(network), recipe.opponent, name)
        for name, network in task.networks.items()
    }
    tasks.check_fit(task, recipe, generator)
    read = partial(
        open_pixels, degradation=degradation, scales=scales, progress=progress, say=say,
        cache=pictures.cache, skip_bad=pictures.skip_bad,
    )  # fmt: skip
    pixels, validation = read(training, lr_crop=pictures.lr_crop), read(held_out)
    shrink = kinds.degradations.build(degradation)
    crops = Crops(pixels, recipe.data, scales, shrink, recipe.train.seed)
    ema = copy.deepcopy(generator).eval() if recipe.train.ema else generator
    if recipe.train.gradient_checkpointing:
        recompute(generator)
    foldable = Foldable(generator, mode=recipe.train.compile)
    return Parts(
        run=run,
        stage=stage,
        start=sum(before.train.steps for before in recipes[:stage]),
        recipe=recipe,
        generator=generator,
        ema=ema,
        foldable=foldable,
        optimizer=optimizers.build(generator, recipe.optimizer, "generator"),
        terms=terms,
        task=task,
        opponents=opponents,
        crops=crops,
        validation=validation,
        metrics=judges,
        init_report=init_report,
        own_lr=tuple(group.own_lr for group in pixels.groups),
    )


def _on_grid(generator: Generator, recipe: Recipe) -> None:
    """Refuse crops that are not whole cells of the network's grid."""
    multiple, side = multiple_of(generator), recipe.data.lr_crop
    if over := side % multiple:
        lower = f"{side - over} or " if side > multiple else ""
        raise SrzooError(
            f"generator {recipe.generator.name!r} works on a grid of {multiple} pixels,"
            f" but data.lr_crop is {side}",
            f"Set data.lr_crop = {lower}{side - over + multiple}",
        )


def _freeze_norm(generator: Generator, recipe: Recipe) -> None:
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not norms:
        raise SrzooError(
            f"generator {recipe.generator.name!r} has no BatchNorm to freeze",
            "Set train.freeze_norm = false",
        )
    for layer in norms:
        layer.eval()


def _terms(
    losses: Sequence[Weighted], data: Path | None, device: torch.device | None
) -> list[Term]:
    names = _distinct_names([weighted.use for weighted in losses])
    return [
        Term(
            name,
            weighted.weight,
            _there(kinds.losses.build(fill_in_data_folder(weighted.use, data)), device),
        )
        for name, weighted in zip(names, losses, strict=True)
    ]


def _there(loss: T, device: torch.device | None) -> T:
    """Move a loss that is a module to the device; other losses follow their inputs."""
    return cast("T", loss.to(device)) if isinstance(loss, nn.Module) else loss


def _distinct_names(uses: Sequence[Use]) -> list[str]:
    """A unique name for each: equal names get their position as a suffix."""
    names = [use.name.rpartition(":")[2] for use in uses]  # without the distribution
    return [
        name if names.count(name) == 1 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


def _init(generator: Generator, ref: str | Path) -> str:
    """Copy the tensors of a model that have the same name and shape."""
    source = folders.build(locate.find(ref)).state_dict()
    target: dict[str, Tensor] = generator.state_dict()
    fits = {k: v for k, v in source.items() if k in target and v.shape == target[k].shape}
    if not fits:
        raise SrzooError(
            f"no tensor of {ref} fits the recipe's generator", "Start from a related model"
        )
    generator.load_state_dict({**target, **fits})
    fresh = sorted({name.rpartition(".")[0] for name in target if name not in fits})
    more = f" and {len(fresh) - NAMED_AT_MOST} more" if len(fresh) > NAMED_AT_MOST else ""
    left = f"; new: {', '.join(fresh[:NAMED_AT_MOST])}{more}" if fresh else ""
    if 2 * len(fits) < len(target):
        return (
            f"WARNING: only {len(fits)} of {len(target)} tensors fit and were copied from"
            f" {ref}, so that most of the network starts from random weights{left}"
        )
    return f"{len(fits)} of {len(target)} tensors copied from {ref}{left}"
