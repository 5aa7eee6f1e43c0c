"""One plugin with one set of arguments, and the inputs of the suites."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ..contracts import Module, PluginFacts
from ..contracts.optional import read
from ..plugins import kinds
from ..plugins.examples import CHANNELS
from ..plugins.registry import Registry
from ._promise import a_kind, built

N = TypeVar("N", bound=Module)


@dataclass(frozen=True)
class Case:
    """One plugin with one set of arguments."""

    name: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.args.items())})"


def cases(kind: str) -> list[Case]:
    """Every registered plugin of a kind with each of its ``examples``, or with its defaults."""
    registry = kinds.kind(kind)
    return [case for plugin in registry for case in cases_of(kind, plugin.full_name)]


def cases_of(kind: str, name: str) -> list[Case]:
    """One plugin with each of its ``examples``; a block without any gets ``channels``.

    Raises:
        PluginError: it cannot be imported.
        AssertionError: ``examples`` is not a tuple of arguments.
    """
    target: object = kinds.kind(kind).get(name)
    if kind in ("card", "command"):
        return [Case(name)]
    examples = cast("object", read(target, "examples", PluginFacts.examples, Any))
    if kind == "block" and not hasattr(target, "examples"):
        examples = ({"channels": CHANNELS},)
    fine = isinstance(examples, tuple | list) and all(
        isinstance(args, Mapping) for args in cast("Sequence[object]", examples)
    )
    assert fine, f"{name}.examples is {examples!r}: write `examples = ({{...}},)`, with arguments"
    return [Case(name, dict(args)) for args in cast("Sequence[Mapping[str, Any]]", examples)]


def seeded(registry: Registry[N], case: Case, seed: int = 0) -> N:
    """The network of a case in eval mode; ``seed`` determines its random weights."""
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        net = built(registry.kind, case)
    kind = type(cast("object", net)).__name__
    assert isinstance(net, nn.Module), f"{case} is a {kind}: write `class {kind}(nn.Module)`"
    lazy = any(is_lazy(each) for each in [*net.parameters(), *net.buffers()])
    assert not lazy, f"{case} has lazy layers: give them their sizes, so that it can be saved"
    return cast("Any", net.eval())


def sets_no_seed(registry: Registry[N], case: Case) -> None:
    """Building it takes random weights from torch's global state, which the run seeds.

    Raises:
        AssertionError: the state after building does not depend on the state before.
    """
    after: list[Tensor] = []
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        for seed in (1, 2):
            torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
            built(registry.kind, case)
            after.append(torch.get_rng_state())
    same = torch.equal(*after)
    assert not same, f"{case} sets torch's seed: leave out manual_seed, as the run seeds torch"


def picture(height: int, width: int, batch: int = 1, channels: int = 3) -> Tensor:
    """Random values in 0..1, the same ones for the same size."""
    values = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand(batch, channels, height, width, generator=values)


def go_back(case: Case, y: Tensor) -> None:
    """Run a backward pass from the mean square of a network's output."""
    mend = "leave out detach, no_grad and what has no gradient"
    what = f"{case} returned {a_kind(y)} in training mode: return a tensor, as in eval mode"
    assert isinstance(cast("object", y), Tensor), what
    assert y.requires_grad, f"{case} gives its weights no gradient: {mend}"
    torch.autograd.backward(y.square().mean())


def unreached(module: Module) -> list[str]:
    """The trainable parameters that the last backward pass gave no gradient."""
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
