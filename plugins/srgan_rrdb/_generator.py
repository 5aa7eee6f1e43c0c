from __future__ import annotations

from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from srzoo import Network, building


class ResidualDenseBlock(nn.Module):
    """Three dense convolutions with BN (see the package's docstring); reach 3."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.c1 = nn.Sequential(
            nn.Conv2d(channels, growth, 3, padding=1), nn.BatchNorm2d(growth), nn.PReLU(growth)
        )
        self.c2 = nn.Sequential(
            nn.Conv2d(growth + channels, growth, 3, padding=1),
            nn.BatchNorm2d(growth),
            nn.PReLU(growth),
        )
        self.c3 = nn.Sequential(
            nn.Conv2d(2 * growth, channels, 3, padding=1), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        c1 = self.c1(x)
        c2 = self.c2(torch.cat([c1, x], 1))
        return self.c3(torch.cat([c2, c1], 1)) + x


class MixedRRDB(nn.Module):
    """Three residual dense blocks, mixed with their input by learned factors a and b."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(ResidualDenseBlock(channels, growth) for _ in range(3)))
        self.a = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.b = nn.Parameter(torch.full((1, channels, 1, 1), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        return self.a * x + self.b * self.blocks(x)


class SRGANRRDB(nn.Module, Network):
    """The report's generator: 1,344,643 parameters with BatchNorm's statistics, x4.

    Args:
        n_rrdbs: number of RRDBs, each of three dense blocks.
        n_feats: channels of the body.
        growth: channels that a dense convolution adds.
        scale: 2, 3, 4 or 8; the report's is 4.
    """

    paper = "https://arxiv.org/abs/1809.00219"
    examples = ({}, {"n_rrdbs": 1, "n_feats": 8, "growth": 4, "scale": 2})

    def __init__(
        self,
        *,
        n_rrdbs: Annotated[int, Ge(0), Le(1_024)] = 4,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 64,
        growth: Annotated[int, Ge(1), Le(4_096)] = 32,
        scale: Literal[2, 3, 4, 8] = 4,
    ) -> None:
        super().__init__()
        self.scales = (scale,)
        self.head = nn.Sequential(
            nn.Conv2d(3, n_feats, 3, padding=1),
            nn.PReLU(n_feats),
            nn.Conv2d(n_feats, n_feats, 3, padding=1),
            nn.PReLU(n_feats),
        )
        self.body = nn.Sequential(*(MixedRRDB(n_feats, growth) for _ in range(n_rrdbs)))
        self.tail = nn.Sequential(
            building.upsampler(n_feats, scale, lambda: nn.PReLU(n_feats)),
            nn.Conv2d(n_feats, n_feats, 1),
            nn.PReLU(n_feats),
            nn.Conv2d(n_feats, 3, 3, padding=1),
            nn.Tanh(),
        )
        self.tail_reach = building.tail_reach(scale, 1, 3)
        self.reach = 2 + 9 * n_rrdbs + self.tail_reach

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x n_feats x H x W."""
        return self.body(self.head(2 * x - 1))

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x n_feats x H x W to B x 3 x sH x sW; not affine."""
        return (self.tail(f) + 1) / 2

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, in 0..1, by the tanh."""
        return self.reconstruct(self.features(x))
