"""Parts of many generators: bodies of registered blocks, upsamplers, mean colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import contracts
from ..models import locate
from ..models.folder import CONFIG, read_folder
from ..networks import folders
from ..plugins import kinds
from ..plugins.plugin import Use

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)


class DIV2KMean(nn.Module):
    """Subtracts the mean colour of DIV2K before a network and adds it afterwards. No parameters.

    Args:
        spread: a divisor after the subtraction, and a factor before the addition.
    """

    def __init__(self, spread: float = 1.0) -> None:
        super().__init__()
        self.spread = spread
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).reshape(1, 3, 1, 1), persistent=False)

    def subtract(self, x: Tensor) -> Tensor:
        """B x 3 x H x W in 0..1 to values around 0."""
        x = x - self.mean
        return x if self.spread == 1 else x / self.spread

    def add(self, x: Tensor) -> Tensor:
        """The opposite of :meth:`subtract`."""
        return (x if self.spread == 1 else x * self.spread) + self.mean


def network(ref: str | Path) -> contracts.Generator:
    """The generator of any model, with its weights, in float32 and eval mode.

    Args:
        ref: a folder, a released name, or a model on the Hub.

    Raises:
        SrzooError: the model does not exist, or cannot be built.
    """
    if isinstance(ref, Path) and (ref / CONFIG).is_file():
        return folders.build(read_folder(ref))  # the same folder that engines get
    return folders.build(locate.find(ref))


def blocks(count: int, block: str | Mapping[str, Any] | Use, **arguments: Any) -> list[nn.Module]:
    """``count`` blocks from the registry, for ``nn.Sequential``.

    Args:
        count: the number of blocks.
        block: a name, or ``{"name": ..., its arguments}``.
        arguments: ``channels``, and all other arguments that the generator sets for its blocks; an
            argument that a block does not have raises an ArgumentError.
    """
    return [contracts.nn_module(kinds.blocks.build(block, **arguments)) for _ in range(count)]


def reach_of(modules: Iterable[nn.Module]) -> int | None:
    """The sum of the modules' ``reach``, in pixels; None if one of them is unbounded."""
    total = 0
    for module in modules:
        if not isinstance(module, contracts.Block):
            raise AttributeError(f"{type(module).__name__} states no reach")
        if module.reach is None:
            return None
        total += module.reach
    return total


def multiple_of(modules: Iterable[nn.Module], own: int = 1) -> int:
    """The grid of all modules: the least common multiple of their grids.

    Args:
        modules: for example the blocks of a body.
        own: the network's own grid.
    """
    return math.lcm(own, *(contracts.multiple_of(module) for module in modules))


def steps_of(scale: int) -> list[int]:
    """A scale as a product of upsampling steps: 2 and 3 in one step, 4 and 8 in steps of 2.

    Raises:
        ValueError: the scale is not 2, 3, 4 or 8.
    """
    steps = {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}
    if scale not in steps:
        raise ValueError(f"scale is {scale}; this network enlarges by 2, 3, 4 or 8")
    return steps[scale]


def upsampler(
    channels: int, scale: int, activation: Callable[[], nn.Module] | None = None
) -> nn.Sequential:
    """Convolution, pixel shuffle, and an optional activation, for each step of a scale.

    Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
    Sub-Pixel Convolutional Neural Network", CVPR 2016.
    """
    layers: list[nn.Module] = []
    for step in steps_of(scale):
        layers += [nn.Conv2d(channels, channels * step**2, 3, padding=1), nn.PixelShuffle(step)]
        layers += [activation()] if activation else []
    return nn.Sequential(*layers)


def tail_reach(scale: int, *last: int) -> int:
    """The reach, in LR pixels, of an upsampler and the kernels that follow it at full size.

    Args:
        scale: the factor of the upsampler, whose convolutions are 3 x 3.
        last: sizes of the kernels that follow, such as 9 for a 9 x 9 kernel.
    """
    away = sum(kernel // 2 for kernel in last)
    for step in reversed(steps_of(scale)):
        # The pixel furthest inside its own LR pixel looks this far: its convolution adds one.
        away = math.ceil(away / step) + 1
    return away
