"""Blocks: the smallest that there is, and one from a paper."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor, nn


class SiLUBlock(nn.Module):
    """Two 3x3 convolutions with SiLU between: ``x + conv(silu(conv(x)))``.

    Args:
        channels: in and out.
    """

    reach = 2  # two 3x3 convolutions look two pixels far
    # On a grid (pooling, windows of 4, ...) there would be: multiple = 4
    examples = ({"channels": 8},)

    def __init__(self, *, channels: Annotated[int, Ge(1)]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        return x + self.body(x)


class SPAB(nn.Module):
    """SPAN's block: three convolutions, and attention that has no parameters.

    Wan, Yu, Wu, Zhang, Zuo, Ye, Lin, Zou, "Swift Parameter-free Attention Network for Efficient
    Super-Resolution", 2023, https://arxiv.org/abs/2311.12770 (figure 2, equations 4 to 6)::

        h = conv(silu(conv(silu(conv(x)))))
        y = (x + h) * (sigmoid(h) - 0.5)

    Where h is large in size, of either sign, there is detail, and the factor lets it through.
    Differs from the reference: a convolution is trained as the 3x3 one that it runs as, not as
    several that are merged after training.

    Args:
        channels: in and out.
    """

    reach = 3
    examples = ({"channels": 8},)

    def __init__(self, *, channels: Annotated[int, Ge(1)]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
        )

    def attention(self, h: Tensor) -> Tensor:
        """The factors, -0.5..0.5, of what the convolutions gave."""
        return torch.sigmoid(h) - 0.5

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        h = self.body(x)
        return (x + h) * self.attention(h)
