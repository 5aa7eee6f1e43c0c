"""A run's task: built, placed, checked against the generator and the crops, and tried."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch
from torch import Tensor

from ..contracts import (
    Generator,
    Module,
    NetworkFacts,
    Pair,
    Task,
    multiple_of,
    nn_module,
    splits,
    stated,
)
from ..errors import SrzooError
from ..plugins import importing, kinds, origin
from ..recipes.data_folder import fill_in_data_folder
from ..recipes.recipe import Recipe

if TYPE_CHECKING:
    from ..plugins.plugin import Plugin
    from .parts import Term

M = TypeVar("M", bound=Module)

GENERATOR = "generator"
"""What a generator is called beside the networks of a task."""
OTHERS = {GENERATOR, "ema", "optimizer", "rng", "cuda", "scaler"}
"""What a checkpoint calls other things."""
OPPONENT = "opponent"
"""What it calls the optimiser of the first network, as when there was one; then with its name."""


class LossesOnly:
    """The task of a recipe that has none: the generator follows the recipe's losses."""

    networks: Mapping[str, Any] = {}
    helpers: Mapping[str, Any] = {}
    scales: tuple[int, ...] | None = None

    def turns(self, step: int) -> tuple[str, ...]:
        """The generator, at every step."""
        return (GENERATOR,)

    def terms(self, pair: Pair, networks: Mapping[str, Any]) -> dict[str, Tensor]:
        """None."""
        return {}

    def loss_of(
        self, name: str, network: Any, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Nobody has one."""
        raise KeyError(name)


def build(recipe: Recipe, data: Path | None, device: torch.device | None) -> Task:
    """The task of a stage, its networks in train mode and its helpers fixed, all in their place.

    Raises:
        SrzooError: it cannot be built, or has a network of a name that is taken.
    """
    if not recipe.beside:
        return LossesOnly()
    use = fill_in_data_folder(recipe.beside.use, data)
    task = kinds.tasks.build(use)
    for name in task.networks:
        if name in OTHERS or name.startswith(OPPONENT) or "." in name:
            raise SrzooError(
                f"task {use.name!r} calls a network {name!r}, which a checkpoint has no room for",
                "Name it in another way",
            )
    for network in task.networks.values():
        place_network(nn_module(network), recipe, device).train()
    for helper in task.helpers.values():
        place_network(nn_module(helper), recipe, device).eval().requires_grad_(False)
    return task


def place_network(network: M, recipe: Recipe, device: torch.device | None) -> M:
    """A network on the device, channels-last if the recipe says so."""
    network = network.to(device or torch.device("cpu"))
    return network.to(memory_format=torch.channels_last) if recipe.train.channels_last else network


def state_name(task: Task, network: str) -> str:
    """What a checkpoint calls the optimiser of a network."""
    return OPPONENT if network == next(iter(task.networks)) else f"{OPPONENT}-{network}"


def check_fit(task: Task, recipe: Recipe, generator: Generator) -> None:
    """Hold a task against the scales of a generator, and the crops that it will see.

    Raises:
        SrzooError: they do not go together.
    """
    scales = generator.scales
    side = lr_side(recipe, generator)
    name = recipe.beside.use.name if recipe.beside else ""
    if task.scales is not None and (other := sorted({*scales} - {*task.scales})):
        raise SrzooError(
            f"the generator enlarges by {_listed(other)}, and the task {name!r} works at"
            f" {_listed(task.scales)}",
            "Choose a task, or what it is made of, for the generator's scale",
        )
    if over := side % multiple_of(task):
        raise SrzooError(
            f"the task {name!r} works on a grid of {multiple_of(task)} pixels, and sees"
            f" {side}x{side} LR pixels of a crop",
            f"Lower data.lr_crop by {over}",
        )
    for who, network in task.networks.items():
        least, seen = int(stated(network, NetworkFacts).min_size), side * min(scales)
        if seen < least:
            raise SrzooError(
                f"the {who} sees {seen}x{seen} pixels of a crop, and needs {least}",
                "Raise data.lr_crop",
            )


def lr_side(recipe: Recipe, generator: Generator) -> int:
    """The least LR pixels on a side of what losses see: a folded tail gives the interior alone."""
    border = generator.tail_reach if recipe.train.fold and splits(generator) else 0
    return recipe.data.lr_crop - 2 * border


def turns_of(task: Task, step: int) -> Collection[str]:
    """The networks that move in a step, as a task says.

    Raises:
        BrokenPluginError: it fails, or gives no names.
    """
    with importing.blamed(task):
        found = cast("object", task.turns(step))
    known = ("generator", *task.networks)
    named = type(found) in (tuple, list, set, frozenset)
    if not named or any(one not in known for one in cast("Collection[object]", found)):
        raise importing.gave(task, "the task", found, f"a tuple of {', '.join(known)}")
    return cast("Collection[str]", found)


def terms_of(task: Task, pair: Pair) -> dict[str, Tensor]:
    """What a task adds to the generator's losses.

    Raises:
        BrokenPluginError: it fails, or gives something else than single numbers by name.
    """
    with importing.blamed(task):
        found = cast("object", task.terms(pair, task.networks))
    return _numbers(task, found, "the terms")


def loss_of(
    task: Task, name: str, network: Any, pair: Pair
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The losses of a network, and facts about it.

    Raises:
        BrokenPluginError: the task fails, or gives something else than single numbers by name.
    """
    with importing.blamed(task):
        found = cast("object", task.loss_of(name, network, pair))
    both = cast("tuple[object, ...]", found) if isinstance(found, tuple) else ()
    if len(both) != 2:
        wanted = f"two tables for {name}: losses and facts"
        raise importing.gave(task, "the task", cast("object", found), wanted)
    losses, facts = both
    return _numbers(task, losses, f"the losses of {name}"), _numbers(task, facts, "facts")


def _numbers(task: Task, found: object, what: str) -> dict[str, Tensor]:
    if not isinstance(found, dict):
        raise importing.gave(task, "the task", found, f"a table of {what}")
    values = cast("dict[str, object]", found)
    for name, value in values.items():
        if not isinstance(value, Tensor) or value.numel() != 1:
            raise importing.gave(task, "the task", value, f"a single number for its {name}")
    return cast("dict[str, Tensor]", values)


def owner_of(task: Task, terms: Iterable[Term], name: str) -> Plugin | None:
    """Whose a loss is that the log calls so; None for a gradient, and where nobody knows."""
    losses = {term.name: term.loss for term in terms}
    if name in losses:
        return origin.origin(losses[name])
    return None if name.startswith("gradient of ") else origin.origin(task)


@torch.no_grad()
def check_terms(task: Task, pair: Pair, taken: Iterator[str]) -> None:
    """Have a task judge a batch, and see that it gives what it promises.

    Args:
        task: is tried; statistics in its networks move.
        pair: what it judges.
        taken: names of the recipe's own losses.

    Raises:
        BrokenPluginError: it fails, or gives no single numbers.
        ValueError: it calls them as others are called.
    """
    turns_of(task, 0)
    found = [terms_of(task, pair)]
    for name, network in task.networks.items():
        found += loss_of(task, name, network, pair)[:1]
    names = set(taken)
    for values in found:
        if twice := names & values.keys():
            raise ValueError(f"another loss is called {min(twice)!r} too")
        names |= values.keys()


def _listed(scales: Any) -> str:
    return " and ".join(map(str, scales))
