"""A recipe to everything that a run needs, so that mistakes show before any data is touched."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from timm.optim.muon import Muon
from torch import Tensor, nn

from .. import kinds, locate
from ..contracts import AdversarialLoss, Loss, Metric, multiple_of
from ..dataroot import placed
from ..errors import SrzooError
from ..networks import folders
from ..networks.fold import Foldable
from ..recipe import Optimizer, Recipe, Weighted
from ..registry import Use
from .crops import Crops
from .pixels import Pixels, decoded
from .sets import sources


@dataclass(frozen=True)
class Term:
    """One loss with its name, for the log, and its weight."""

    name: str
    weight: float
    loss: Loss


@dataclass(frozen=True)
class Adversary:
    """The other side of the game.

    Attributes:
        discriminator: in train mode, its weights drawn from the seed.
        optimizer: of its parameters.
        loss: both players' halves.
        weight: of the generator's half.
    """

    discriminator: Any
    optimizer: torch.optim.Optimizer
    loss: AdversarialLoss
    weight: float

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters that the optimiser moves."""
        return self.optimizer.param_groups[0]["params"]


@dataclass(frozen=True)
class Parts:
    """What one stage of a run works with.

    Attributes:
        run: the whole recipe.
        stage: which stage of it this is, from 0.
        start: steps of the stages before.
        recipe: of this stage.
        generator: in train mode (but frozen BatchNorm), its weights drawn from the seed or taken
            over.
        ema: its averaged copy, in eval mode; the generator itself where there is none.
        foldable: the generator as training runs it.
        metrics: what validation measures, by name; the first tells the best checkpoint.
        taken_over: what came from the recipe's ``init``, in words.
    """

    run: Recipe
    stage: int
    start: int
    recipe: Recipe
    generator: nn.Module
    ema: nn.Module
    foldable: Foldable
    optimizer: torch.optim.Optimizer
    terms: list[Term]
    adversary: Adversary | None
    crops: Crops
    validation: Pixels
    metrics: dict[str, Metric]
    taken_over: str

    @property
    def trained(self) -> list[nn.Parameter]:
        """The parameters of the generator that the optimiser moves."""
        return self.optimizer.param_groups[0]["params"]

    @property
    def scales(self) -> tuple[int, ...]:
        """The generator's."""
        return cast("Any", self.generator).scales


def assemble(
    run: Recipe,
    data: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    stage: int = 0,
    init: str | Path | None = None,
    say: Callable[[str], None] | None = None,
) -> Parts:
    """Build every part of a run, or of one of its stages.

    Args:
        run: what to build.
        data: stands for ``{data}`` in the recipe; None for the variable SRZOO_DATA.
        progress: is told (pictures done, pictures in all) while pictures are decoded.
        stage: which one, from 0.
        init: the model to start from; None for the recipe's own, in the first stage.
        say: is told a sentence about pictures that are left out, or not kept decoded.

    Raises:
        SrzooError: a part cannot be built.
    """
    recipes = run.each()
    recipe = recipes[stage]
    init = recipe.init if init is None and stage == 0 else init
    torch.manual_seed(recipe.train.seed)  # pyright: ignore[reportUnknownMemberType]
    generator = cast("nn.Module", kinds.generators.build(recipe.generator))
    taken_over = _init(generator, init) if init else ""
    generator = generator.to(memory_format=torch.channels_last).train()
    if recipe.train.freeze_norm:
        _freeze_norm(generator, recipe)
    if recipe.train.fold and not getattr(generator, "linear_tail", False):
        raise SrzooError(
            f"generator {recipe.generator.name!r} has no linear tail to fold",
            "Set train.fold = false",
        )
    _on_grid(generator, recipe)
    scales = cast("tuple[int, ...]", cast("Any", generator).scales)
    degradation = recipe.data.degradation
    pictures = recipe.data
    training = sources(pictures.train, data, "data.train")
    held_out = sources(pictures.validation, data, "data.validation")
    terms = _terms(recipe.losses, data)
    metrics = recipe.train.metrics
    named = zip(_told_apart(metrics), metrics, strict=True)
    judges = {name: kinds.metrics.build(placed(use, data)) for name, use in named}
    adversary = _adversary(recipe, data) if recipe.adversarial else None
    read = partial(
        decoded, degradation=degradation, scales=scales, progress=progress, say=say,
        cache=pictures.cache, skip_bad=pictures.skip_bad,
    )  # fmt: skip
    pixels, validation = read(training, lr_crop=pictures.lr_crop), read(held_out)
    shrink = kinds.degradations.build(degradation)
    crops = Crops(pixels, recipe.data, scales, shrink, recipe.train.seed)
    foldable = Foldable(generator)
    if adversary:
        _fits(adversary.discriminator, recipe, foldable, min(scales))
    return Parts(
        run=run,
        stage=stage,
        start=sum(before.train.steps for before in recipes[:stage]),
        recipe=recipe,
        generator=generator,
        ema=copy.deepcopy(generator).eval() if recipe.train.ema else generator,
        foldable=foldable,
        optimizer=_optimizer(generator, recipe.optimizer, "generator"),
        terms=terms,
        adversary=adversary,
        crops=crops,
        validation=validation,
        metrics=judges,
        taken_over=taken_over,
    )


def _on_grid(generator: nn.Module, recipe: Recipe) -> None:
    """Refuse crops that are no whole cells of the network's grid."""
    multiple, side = multiple_of(generator), recipe.data.lr_crop
    if over := side % multiple:
        lower = f"{side - over} or " if side > multiple else ""
        raise SrzooError(
            f"generator {recipe.generator.name!r} works on a grid of {multiple} pixels,"
            f" and data.lr_crop is {side}",
            f"Set data.lr_crop = {lower}{side - over + multiple}",
        )


def _freeze_norm(generator: nn.Module, recipe: Recipe) -> None:
    norms = [layer for layer in generator.modules() if isinstance(layer, nn.BatchNorm2d)]
    if not norms:
        raise SrzooError(
            f"generator {recipe.generator.name!r} has no BatchNorm to freeze",
            "Set train.freeze_norm = false",
        )
    for layer in norms:
        layer.eval()


def _terms(losses: Sequence[Weighted], data: Path | None) -> list[Term]:
    names = _told_apart([weighted.use for weighted in losses])
    return [
        Term(name, weighted.weight, kinds.losses.build(placed(weighted.use, data)))
        for name, weighted in zip(names, losses, strict=True)
    ]


def _told_apart(uses: Sequence[Use]) -> list[str]:
    """A name for each: two of a kind are told apart by their place."""
    names = [use.name for use in uses]
    return [
        name if names.count(name) == 1 else f"{name}-{names[:place].count(name) + 1}"
        for place, name in enumerate(names)
    ]


def _adversary(recipe: Recipe, data: Path | None) -> Adversary:
    assert recipe.adversarial
    use = placed(recipe.adversarial.discriminator, data)
    discriminator = cast("nn.Module", kinds.discriminators.build(use))
    discriminator = discriminator.to(memory_format=torch.channels_last).train()
    settings = recipe.adversarial.optimizer or recipe.optimizer
    return Adversary(
        discriminator=discriminator,
        optimizer=_optimizer(discriminator, settings, "discriminator"),
        loss=kinds.adversarial_losses.build(recipe.adversarial.loss),
        weight=recipe.adversarial.weight,
    )


def _fits(discriminator: Any, recipe: Recipe, foldable: Foldable, scale: int) -> None:
    """Refuse crops that are too small to be judged."""
    border = int(cast("Any", foldable.generator).tail_reach) if recipe.train.fold else 0
    side = scale * (recipe.data.lr_crop - 2 * border)
    if side < discriminator.min_size:
        raise SrzooError(
            f"the discriminator sees {side}x{side} pixels of a crop, and needs"
            f" {discriminator.min_size}",
            "Raise data.lr_crop",
        )


def _init(generator: nn.Module, ref: str | Path) -> str:
    """Take over the tensors of a model that have the same name and shape."""
    source = folders.build(locate.find(ref)).state_dict()
    target: dict[str, Tensor] = generator.state_dict()
    fits = {k: v for k, v in source.items() if k in target and v.shape == target[k].shape}
    if not fits:
        raise SrzooError(
            f"no tensor of {ref} fits the recipe's generator", "Start from a related model"
        )
    generator.load_state_dict({**target, **fits})
    fresh = sorted({name.rpartition(".")[0] for name in target if name not in fits})
    left = f"; new: {', '.join(fresh)}" if fresh else ""
    return f"{len(fits)} of {len(target)} tensors taken over from {ref}{left}"


def _optimizer(network: nn.Module, settings: Optimizer, who: str) -> torch.optim.Optimizer:
    parameters = [p for p in network.parameters() if p.requires_grad]
    if not parameters:
        raise SrzooError(f"the {who} has nothing to train", f"Choose another {who}")
    if settings.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
    betas = settings.betas[0], settings.betas[1]
    if settings.name == "muon":
        if not settings.momentum:
            raise SrzooError("muon is nothing without momentum", "Set optimizer.momentum = 0.95")
        return Muon(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            nesterov=True,
            betas=betas,
            eps=settings.eps,
            weight_decay=settings.weight_decay,
        )
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(
        parameters,
        lr=settings.lr,
        betas=betas,
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )
