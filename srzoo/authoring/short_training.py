"""Short training runs for comparison: with a plugin, and with the default of its kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from .. import defaults
from ..contracts import (
    U8,
    Degradation,
    Generator,
    NetworkFacts,
    Pair,
    Task,
    multiple_of,
    nn_module,
    on_grid,
    stated,
)
from ..plugins import kinds
from ..plugins.plugin import Use

LR_CROP, BATCH, RATE = 24, 4, 1e-3
SCALE = 2


@dataclass(frozen=True)
class Parts:
    """The plugins and pictures of a training.

    Attributes:
        generator, loss, degradation: as in a recipe.
        task: a task plugin, or None.
        pictures: uint8 H x W x 3 each.
    """

    pictures: tuple[U8, ...]
    generator: Use = field(default_factory=lambda: Use.of({**defaults.TRIED_IN, "scale": SCALE}))
    loss: Use = field(default_factory=lambda: Use.of(defaults.TRIED_BESIDE["loss"]))
    degradation: Use = field(default_factory=lambda: Use(defaults.DEGRADATION))
    task: Use | None = None

    def with_part(self, kind: str, use: Use) -> Parts:
        """The same with a plugin of one kind replaced."""
        if kind == "block":
            args = {key: value for key, value in use.args.items() if key != "channels"}
            block = {"block": Use(use.name, args).plain()}
            return replace(
                self, generator=Use(self.generator.name, {**self.generator.args, **block})
            )
        if kind in ("discriminator", "adversarial-loss"):
            key = "loss" if kind == "adversarial-loss" else kind
            game = {"discriminator": defaults.TRIED_BESIDE["discriminator"], key: use.plain()}
            return replace(self, task=Use(defaults.GAME, game))
        changes: dict[str, Any] = {kind: use}
        return replace(self, **changes)


@dataclass
class Trained:
    """A generator, and its distance from HR after each step, in levels of 255."""

    generator: Generator
    errors: list[float] = field(default_factory=list[float])


def seeded(build: Callable[[], Any]) -> Any:
    """The result of a function, with the same random numbers each time."""
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        return build()


def train(parts: Parts, steps: int) -> Trained:
    """Train a generator for some steps; step N uses the same pictures each time.

    Raises:
        SrzooError: a plugin cannot be built.
    """
    generator: Generator = seeded(lambda: kinds.generators.build(parts.generator))
    loss: Any = kinds.losses.build(parts.loss)
    degradation = kinds.degradations.build(parts.degradation)
    task: Task | None = seeded(lambda: parts.task and kinds.tasks.build(parts.task))
    networks = dict(task.networks) if task else {}
    movers = {
        name: torch.optim.Adam(nn_module(net).train().parameters(), lr=RATE)
        for name, net in {"generator": generator, **networks}.items()
        if any(True for _ in net.parameters())
    }
    needed = max((int(stated(net, NetworkFacts).min_size) for net in networks.values()), default=1)
    scale = generator.scales[-1]
    side = on_grid(max(LR_CROP, -(-needed // scale)), multiple_of(generator) * multiple_of(task))
    found = Trained(generator)
    for step in range(steps):
        lr, hr = _batch(parts.pictures, degradation, side, scale, step)
        turns = set(task.turns(step)) if task else {"generator"}
        pair = Pair(lr, hr, generator(lr, scale))
        found.errors.append(float((pair.sr - hr).abs().mean().detach()) * 255)
        if "generator" in turns:
            terms = task.terms(pair, networks) if task else {}
            total = loss(pair) + sum(terms.values(), start=torch.zeros(()))
            _move(movers, "generator", total)
        for name in networks.keys() & turns if task else ():
            losses, _ = task.loss_of(name, networks[name], pair.detach())  # pyright: ignore
            _move(movers, name, sum(losses.values(), start=torch.zeros(())))
    nn_module(generator).eval()
    return found


def _move(movers: dict[str, torch.optim.Adam], name: str, total: torch.Tensor) -> None:
    if name in movers and total.requires_grad:
        for each in movers.values():
            each.zero_grad()
        torch.autograd.backward(total)
        movers[name].step()  # pyright: ignore[reportUnknownMemberType]


def _batch(
    pictures: tuple[U8, ...], degradation: Degradation, side: int, scale: int, step: int
) -> tuple[torch.Tensor, torch.Tensor]:
    chance = np.random.default_rng(step)
    crops = list(_crops(pictures, side * scale, chance))
    small = [degradation(crop, scale, chance) for crop in crops]
    return _tensor(small), _tensor(crops)


def _crops(pictures: tuple[U8, ...], side: int, chance: np.random.Generator) -> Iterator[U8]:
    for _ in range(BATCH):
        whole = pictures[int(chance.integers(len(pictures)))]
        lacks = [max(0, side - length) for length in whole.shape[:2]]
        picture: U8 = np.pad(whole, [(0, lacks[0]), (0, lacks[1]), (0, 0)], mode="symmetric")
        height: int = picture.shape[0]
        width: int = picture.shape[1]
        top = int(chance.integers(height - side + 1))
        left = int(chance.integers(width - side + 1))
        yield np.ascontiguousarray(picture[top : top + side, left : left + side])


def _tensor(pictures: list[U8]) -> torch.Tensor:
    """B x 3 x H x W in 0..1."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255  # pyright: ignore
