"""A run's task: built, placed, and checked against the generator and the crops."""

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
"""The generator's name among the networks of a task."""
OTHERS = {GENERATOR, "ema", "optimizer", "rng", "cuda", "scaler"}
"""Names that a checkpoint uses for other things."""
OPPONENT = "opponent"
"""The name in a checkpoint of the first network's optimiser; others get a suffix."""


class LossesOnly:
    """The task of a recipe that has none: the generator is trained by the recipe's losses."""

    networks: Mapping[str, Any] = {}
    helpers: Mapping[str, Any] = {}
    scales: tuple[int, ...] | None = None

    def turns(self, step: int) -> tuple[str, ...]:
        """The generator, at every step."""
        return (GENERATOR,)

    def terms(self, pair: Pair, networks: Mapping[str, Any]) -> dict[str, Tensor]:
        """No further terms."""
        return {}

    def loss_of(
        self, name: str, network: Any, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Never called, as it has no networks."""
        raise KeyError(name)


def build(recipe: Recipe, data: Path | None, device: torch.device | None) -> Task:
    """The task of a stage on its device, its networks in train mode and its helpers frozen.

    Raises:
        SrzooError: it cannot be built, or a network has a reserved name.
    """
    if not recipe.beside:
        return LossesOnly()
    use = fill_in_data_folder(recipe.beside.use, data)
    task = kinds.tasks.build(use)
    for name in task.networks:
        if name in OTHERS or name.startswith(OPPONENT) or "." in name:
            raise SrzooError(
                f"task {use.name!r} has a network {name!r}, a name that checkpoints reserve",
                "Rename it",
            )
    for network in task.networks.values():
        place_network(nn_module(network), recipe, device).train()
    for helper in task.helpers.values():
        place_network(nn_module(helper), recipe, device).eval().requires_grad_(False)
    return task


def place_network(network: M, recipe: Recipe, device: torch.device | None) -> M:
    """Move a network to the device, channels-last if the recipe states so."""
    network = network.to(device or torch.device("cpu"))
    return network.to(memory_format=torch.channels_last) if recipe.train.channels_last else network


def state_name(task: Task, network: str) -> str:
    """The name in a checkpoint of the optimiser of a network."""
    return OPPONENT if network == next(iter(task.networks)) else f"{OPPONENT}-{network}"


def check_fit(task: Task, recipe: Recipe, generator: Generator) -> None:
    """Check a task against the scales of a generator, and the crops that it will get.

    Raises:
        SrzooError: they do not match.
    """
    scales = generator.scales
    side = lr_side(recipe, generator)
    name = recipe.beside.use.name if recipe.beside else ""
    if task.scales is not None and (other := sorted({*scales} - {*task.scales})):
        raise SrzooError(
            f"the generator enlarges by {_listed(other)}, but the task {name!r} works at"
            f" {_listed(task.scales)}",
            "Choose a task, or networks in it, for the generator's scale",
        )
    if over := side % multiple_of(task):
        raise SrzooError(
            f"the task {name!r} works on a grid of {multiple_of(task)} pixels, but gets"
            f" {side}x{side} LR pixels of a crop",
            f"Lower data.lr_crop by {over}",
        )
    for who, network in task.networks.items():
        least, seen = int(stated(network, NetworkFacts).min_size), side * min(scales)
        if seen < least:
            raise SrzooError(
                f"the {who} gets {seen}x{seen} pixels of a crop, but needs {least}",
                "Raise data.lr_crop",
            )


def lr_side(recipe: Recipe, generator: Generator) -> int:
    """The least side of a loss's input, in LR pixels: a folded tail computes only the interior."""
    border = generator.tail_reach if recipe.train.fold and splits(generator) else 0
    return recipe.data.lr_crop - 2 * border


def turns_of(task: Task, step: int) -> Collection[str]:
    """The networks that a step updates, as the task states.

    Raises:
        BrokenPluginError: it fails, or does not return names.
    """
    with importing.blamed(task):
        found = cast("object", task.turns(step))
    known = ("generator", *task.networks)
    named = type(found) in (tuple, list, set, frozenset)
    if not named or any(one not in known for one in cast("Collection[object]", found)):
        raise importing.gave(task, "the task", found, f"a tuple of {', '.join(known)}")
    return cast("Collection[str]", found)


def terms_of(task: Task, pair: Pair) -> dict[str, Tensor]:
    """The terms that a task adds to the generator's loss.

    Raises:
        BrokenPluginError: it fails, or returns something other than single numbers by name.
    """
    with importing.blamed(task):
        found = cast("object", task.terms(pair, task.networks))
    return _numbers(task, found, "the terms")


def loss_of(
    task: Task, name: str, network: Any, pair: Pair
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The losses of a network, and further values.

    Raises:
        BrokenPluginError: the task fails, or returns something other than single numbers by name.
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
    """The plugin of a loss with that name in the log; None if unknown, or for a gradient."""
    losses = {term.name: term.loss for term in terms}
    if name in losses:
        return origin.origin(losses[name])
    return None if name.startswith("gradient of ") else origin.origin(task)


@torch.no_grad()
def check_terms(task: Task, pair: Pair, taken: Iterator[str]) -> None:
    """Run a task on a batch, and check its results.

    Args:
        task: the task; statistics of its networks change.
        pair: the batch.
        taken: names of the recipe's own losses.

    Raises:
        BrokenPluginError: it fails, or does not return single numbers.
        ValueError: a name is taken.
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
