"""A network as a table of layers, with shapes and parameters."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Layer:
    """One layer: its place in the network, its class, its output's shape, its numbers.

    Attributes:
        parameters: trainable and frozen parameters of the layer itself.
        statistics: numbers that training keeps but does not learn (BatchNorm's means and
            variances).
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    statistics: int


@dataclass(frozen=True)
class Summary:
    """A network's layers in the order they run, and its totals."""

    layers: list[Layer]
    trainable: int
    frozen: int
    statistics: int

    @property
    def total(self) -> int:
        """All numbers that training sets: parameters and statistics."""
        return self.trainable + self.frozen + self.statistics


@torch.no_grad()
def summarise(module: nn.Module, *inputs: object) -> Summary:
    """Run inputs through a network in eval mode and list the layers it passes.

    Layers are the modules without submodules, and those with parameters of their own besides their
    submodules. One that runs several times is listed once.
    """
    layers: list[Layer] = []
    handles: list[Any] = []

    def watch(name: str, part: nn.Module) -> None:
        def passed(part: nn.Module, _inputs: object, output: object) -> None:
            if isinstance(output, Tensor) and name not in {layer.name for layer in layers}:
                kind = type(part).__name__.removeprefix("Parametrized")
                layers.append(Layer(name, kind, tuple(output.shape), *_numbers(part)))

        handles.append(part.register_forward_hook(passed))

    parts = cast("Iterable[tuple[str, nn.Module]]", module.named_modules())
    for name, part in parts:
        if name and ".parametrizations" not in name and _is_layer(part):
            watch(name, part)
    training = module.training
    try:
        module.eval()(*inputs)
    finally:
        module.train(training)
        for handle in handles:
            handle.remove()
    parameters = list(module.parameters())
    return Summary(
        layers,
        trainable=sum(p.numel() for p in parameters if p.requires_grad),
        frozen=sum(p.numel() for p in parameters if not p.requires_grad),
        statistics=sum(_numbers(part)[1] for part in module.modules() if _is_norm(part)),
    )


def _is_layer(part: nn.Module) -> bool:
    own_parts = [name for name, _ in part.named_children() if name != "parametrizations"]
    return not own_parts or bool(list(part.parameters(recurse=False)))


def _is_norm(part: nn.Module) -> bool:
    return "running_mean" in dict(part.named_buffers(recurse=False))


def _numbers(part: nn.Module) -> tuple[int, int]:
    """A layer's own parameters, including those of a weight or spectral norm, and statistics."""
    parameters = sum(p.numel() for p in part.parameters(recurse=False))
    for name, child in part.named_children():
        if name == "parametrizations":
            parameters += sum(p.numel() for p in child.parameters())
    statistics = sum(
        buffer.numel()
        for name, buffer in part.named_buffers(recurse=False)
        if name in ("running_mean", "running_var")
    )
    return parameters, statistics
