"""What EDSR and MDSR share."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from srzoo import blocks
from srzoo.registry import Use

DIV2K_MEAN = (0.4488, 0.4371, 0.4040)
TAIL_REACH = 2
"""LR pixels an output pixel of any upsampler and last convolution depends on, each side."""


class DIV2KMean(nn.Module):
    """Takes the mean colour of DIV2K off before a network and adds it after; no parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.mean: Tensor
        self.register_buffer("mean", torch.tensor(DIV2K_MEAN).reshape(1, 3, 1, 1), persistent=False)

    def subtract(self, x: Tensor) -> Tensor:
        """B x 3 x H x W in 0..1, less the mean."""
        return x - self.mean

    def add(self, x: Tensor) -> Tensor:
        """The opposite of :meth:`subtract`."""
        return x + self.mean


def body(n_resblocks: int, n_feats: int, res_scale: float, block: Use) -> nn.Sequential:
    """The blocks and the convolution that closes them."""
    arguments: dict[str, object] = {"channels": n_feats}
    if res_scale != 1:
        arguments["res_scale"] = res_scale  # a block that has none says so
    stack = [blocks.build(block, **arguments) for _ in range(n_resblocks)]
    return nn.Sequential(*stack, nn.Conv2d(n_feats, n_feats, 3, padding=1))  # type: ignore[arg-type]


def body_reach(body: nn.Sequential) -> int | None:
    """The reach of what :func:`body` made: None as soon as one block is unbounded."""
    total = 1
    for part in list(body)[:-1]:
        reach = part.reach
        if reach is None:
            return None
        total += int(reach)  # type: ignore[arg-type]
    return total


def upsampler(n_feats: int, scale: int) -> nn.Sequential:
    """Convolution and pixel shuffle: once for 2 and 3, repeated by 2 for 4 and 8."""
    steps = {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}
    if scale not in steps:
        raise ValueError(f"scale is {scale}; EDSR enlarges by 2, 3, 4 or 8")
    layers: list[nn.Module] = []
    for step in steps[scale]:
        layers += [nn.Conv2d(n_feats, n_feats * step**2, 3, padding=1), nn.PixelShuffle(step)]
    return nn.Sequential(*layers)
