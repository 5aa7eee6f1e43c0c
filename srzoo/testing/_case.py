from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor, nn

from .. import kinds
from ..registry import LOCAL_DIST, Registry, Use


@dataclass(frozen=True)
class Case:
    """One plugin with one set of arguments."""

    name: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.args.items())})"


def cases(kind: str) -> list[Case]:
    """Every registered plugin of a kind with each of its ``examples`` (none: its defaults)."""
    registry = kinds.kind(kind)
    found: list[Case] = []
    for plugin in registry:
        name = plugin.name if plugin.dist == LOCAL_DIST else f"{plugin.dist}:{plugin.name}"
        examples: Sequence[dict[str, Any]] = getattr(registry.get(name), "examples", [{}])
        found += [Case(name, args) for args in examples]
    return found


def seeded(registry: Registry[Any], case: Case, seed: int = 0) -> Any:
    """The network of a case in eval mode, its random weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        return cast("nn.Module", registry.build(Use(case.name, case.args))).eval()


def picture(height: int, width: int, batch: int = 1, channels: int = 3) -> Tensor:
    """Random values in 0..1, the same ones for the same size."""
    values = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand(batch, channels, height, width, generator=values)


def unreached(module: nn.Module) -> list[str]:
    """The trainable parameters that the last backward pass gave no gradient."""
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
