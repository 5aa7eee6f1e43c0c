"""WDSR: wide activation before ReLU, narrow identity path, weight normalisation.

Yu, Fan, Yang, Xu, Wang, Wang, Huang, "Wide Activation for Efficient and Accurate Image
Super-Resolution", 2018, https://arxiv.org/abs/1808.08718 (figure 2)

    A:  y = x + res_scale * conv3(relu(conv3_wide(x)))
    B:  y = x + res_scale * conv3(conv1_low_rank(relu(conv1_wide(x))))

One convolution at low resolution and a pixel shuffle make the picture, and a 5x5 one from the
input is added. Every convolution has weight normalisation, w = g * v / |v|.

Differs from the reference: none known in the architecture; pictures are 0..1 outside.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from srzoo import Network, building
from srzoo.contracts import Printed


def normed(inputs: int, outputs: int, kernel_size: int) -> nn.Module:
    """A convolution with weight normalisation."""
    return weight_norm(nn.Conv2d(inputs, outputs, kernel_size, padding=kernel_size // 2))


class WideA(nn.Module):
    """WDSR-A's block: 3x3 to ``expand`` times the channels, ReLU, 3x3 back (figure 2b).

    Args:
        channels: of input and output.
        expand: how much wider the activation is.
        res_scale: factor on the residual.
    """

    reach = 2
    examples = ({"channels": 8},)

    def __init__(
        self,
        *,
        channels: Annotated[int, Ge(1), Le(4_096)],
        expand: Annotated[int, Ge(1), Le(64)] = 4,
        res_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.body = nn.Sequential(
            normed(channels, channels * expand, 3),
            nn.ReLU(inplace=True),
            normed(channels * expand, channels, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        return x + self.body(x) * self.res_scale


class WideB(nn.Module):
    """WDSR-B's block: 1x1 expansion, ReLU, linear low-rank 1x1, 3x3 (figure 2c).

    Args:
        channels: of input and output.
        expand: how much wider the activation is.
        linear: share of the channels in the low-rank layer, which has at least one.
        res_scale: factor on the residual.
    """

    reach = 1
    examples = ({"channels": 10},)

    def __init__(
        self,
        *,
        channels: Annotated[int, Ge(1), Le(4_096)],
        expand: Annotated[int, Ge(1), Le(64)] = 6,
        linear: Annotated[float, Gt(0), Le(1)] = 0.8,
        res_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.res_scale = res_scale
        low_rank = max(int(channels * linear), 1)
        self.body = nn.Sequential(
            normed(channels, channels * expand, 1),
            nn.ReLU(inplace=True),
            normed(channels * expand, low_rank, 1),
            normed(low_rank, channels, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        return x + self.body(x) * self.res_scale


PAPER = "https://arxiv.org/abs/1808.08718"
PRINTED = (
    Printed(
        f"WDSR (small) x4, [Yu et al. 2018]({PAPER})",
        4,
        {"Set5": "32.22", "BSD100": "27.61", "Urban100": "26.21"},
        {"n_resblocks": 16, "n_feats": 32},
    ),
)
"""Published figures: PSNR in dB / SSIM on Y; only confirmed ones."""


class WDSR(nn.Module, Network):
    """Wide-activation network; the defaults are the paper's small WDSR-A (1.20 M at x4).

    Args:
        n_resblocks: number of blocks in the body.
        n_feats: channels of the identity path.
        scale: any whole factor.
        block: "wide_a", "wide_b" or any registered block, by name or with arguments.
    """

    paper = PAPER
    printed = PRINTED
    linear_tail = True
    tail_reach = 2
    examples = (
        {},
        {"n_resblocks": 2, "n_feats": 10, "scale": 2, "block": "wide_b"},
        {"n_resblocks": 1, "n_feats": 8, "scale": 3},
    )

    def __init__(
        self,
        *,
        n_resblocks: Annotated[int, Ge(0), Le(1_024)] = 16,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 32,
        scale: Annotated[int, Ge(1), Le(64)] = 4,
        block: str | Mapping[str, Any] = "wide_a",
    ) -> None:
        super().__init__()
        self.scales = (scale,)
        self.n_feats = n_feats
        self.colour = building.DIV2KMean(spread=0.5)
        self.head = normed(3, n_feats, 3)
        self.body = nn.Sequential(*building.blocks(n_resblocks, block, channels=n_feats))
        self.tail = normed(n_feats, 3 * scale**2, 3)
        self.skip = normed(3, 3 * scale**2, 5)
        self.shuffle = nn.PixelShuffle(scale)
        inner = building.reach_of(self.body)
        self.multiple = building.multiple_of(self.body)
        self.reach = None if inner is None else 1 + inner + 1

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x (n_feats + 3) x H x W: the body's, and the input."""
        x = self.colour.subtract(x)
        return torch.cat([self.body(self.head(x)), x], 1)

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x (n_feats + 3) x H x W to B x 3 x sH x sW; affine."""
        body, x = f[:, : self.n_feats], f[:, self.n_feats :]
        return self.colour.add(self.shuffle(self.tail(body) + self.skip(x)))

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        return self.reconstruct(self.features(x))
