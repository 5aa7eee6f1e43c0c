"""A recipe to everything that a run needs, so that mistakes show before any data is touched."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from .. import card, kinds, zoo
from ..contracts import Loss
from ..errors import SrzooError
from ..fold import Foldable
from ..recipe import Optimizer, Recipe
from ..registry import Use
from ..sets import DATA_VARIABLE
from .crops import Crops
from .pixels import Pixels, decoded


@dataclass(frozen=True)
class Term:
    """One loss with its name, for the log, and its weight."""

    name: str
    weight: float
    loss: Loss


@dataclass(frozen=True)
class Parts:
    """What ``fit`` works with.

    Attributes:
        generator: in train mode, its weights drawn from the seed or taken over.
        ema: its averaged copy, in eval mode; the generator itself where there is none.
        foldable: the generator as training runs it.
        taken_over: what came from the recipe's ``init``, in words.
    """

    recipe: Recipe
    generator: nn.Module
    ema: nn.Module
    foldable: Foldable
    optimizer: torch.optim.Optimizer
    terms: list[Term]
    crops: Crops
    validation: Pixels
    taken_over: str

    @property
    def scales(self) -> tuple[int, ...]:
        """The generator's."""
        return cast("Any", self.generator).scales


def assemble(
    recipe: Recipe,
    data: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Parts:
    """Build every part of a run.

    Args:
        recipe: what to build.
        data: stands for ``{data}`` in the recipe; None for the variable SRZOO_DATA.
        progress: is told (pictures done, pictures in all) while pictures are decoded.

    Raises:
        SrzooError: a part cannot be built.
    """
    torch.manual_seed(recipe.train.seed)  # pyright: ignore[reportUnknownMemberType]
    generator = cast("nn.Module", kinds.generators.build(recipe.generator))
    taken_over = _init(generator, recipe.init) if recipe.init else ""
    generator = generator.to(memory_format=torch.channels_last).train()
    if recipe.train.fold and not getattr(generator, "linear_tail", False):
        raise SrzooError(
            f"generator {recipe.generator.name!r} has no linear tail to fold",
            "Set train.fold = false",
        )
    terms = [
        Term(weighted.use.name, weighted.weight, kinds.losses.build(weighted.use))
        for weighted in recipe.losses
    ]
    scales = cast("tuple[int, ...]", cast("Any", generator).scales)
    degradation = recipe.data.degradation
    sets = [
        kinds.datasets.build(_placed(u, data)) for u in (recipe.data.train, recipe.data.validation)
    ]
    pixels, validation = (decoded(each, degradation, scales, progress) for each in sets)
    shrink = kinds.degradations.build(degradation)
    return Parts(
        recipe=recipe,
        generator=generator,
        ema=copy.deepcopy(generator).eval() if recipe.train.ema else generator,
        foldable=Foldable(generator),
        optimizer=_optimizer(generator, recipe.optimizer),
        terms=terms,
        crops=Crops(pixels, recipe.data, scales, shrink, recipe.train.seed),
        validation=validation,
        taken_over=taken_over,
    )


def _placed(use: Use, data: Path | None) -> Use:
    """A dataset's use with ``{data}`` filled in."""
    root = str(data) if data else os.environ.get(DATA_VARIABLE)

    def fill(value: Any) -> Any:
        if not isinstance(value, str) or "{data}" not in value:
            return value
        if root is None:
            raise SrzooError(
                f"the recipe wants data from {value}, and nothing says where that is",
                f"Give --data DIR, or set {DATA_VARIABLE}",
            )
        return value.replace("{data}", root)

    return Use(use.name, {key: fill(value) for key, value in use.args.items()})


def _init(generator: nn.Module, ref: str) -> str:
    """Take over the tensors of a model that have the same name and shape."""
    source = zoo.build(card.find(ref)).state_dict()
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


def _optimizer(generator: nn.Module, settings: Optimizer) -> torch.optim.Optimizer:
    parameters = [p for p in generator.parameters() if p.requires_grad]
    if not parameters:
        raise SrzooError("the generator has nothing to train", "Choose another generator")
    if settings.name == "sgd":
        return torch.optim.SGD(
            parameters,
            lr=settings.lr,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
        )
    kind = torch.optim.Adam if settings.name == "adam" else torch.optim.AdamW
    return kind(
        parameters,
        lr=settings.lr,
        betas=(settings.betas[0], settings.betas[1]),
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )
