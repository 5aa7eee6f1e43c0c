from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo import Network
from srzoo.contracts import Printed


def _conv(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)


class ResidualDenseBlock(nn.Module):
    """Five dense convolutions, ``x + 0.2 * conv5([x, c1, c2, c3, c4])`` (figure 4); reach 5."""

    def __init__(self, n_feats: int, growth: int) -> None:
        super().__init__()
        self.conv1 = _conv(n_feats, growth)
        self.conv2 = _conv(n_feats + growth, growth)
        self.conv3 = _conv(n_feats + 2 * growth, growth)
        self.conv4 = _conv(n_feats + 3 * growth, growth)
        self.conv5 = _conv(n_feats + 4 * growth, n_feats)

    def forward(self, x: Tensor) -> Tensor:
        """B x n_feats x H x W to the same shape."""
        known = x
        for conv in (self.conv1, self.conv2, self.conv3, self.conv4):
            known = torch.cat([known, F.leaky_relu(conv(known), 0.2)], 1)
        return x + 0.2 * self.conv5(known)


class RRDB(nn.Module):
    """Three residual dense blocks in a residual: ``x + 0.2 * rdb(rdb(rdb(x)))``."""

    def __init__(self, n_feats: int, growth: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(n_feats, growth)
        self.rdb2 = ResidualDenseBlock(n_feats, growth)
        self.rdb3 = ResidualDenseBlock(n_feats, growth)

    def forward(self, x: Tensor) -> Tensor:
        """B x n_feats x H x W to the same shape."""
        return x + 0.2 * self.rdb3(self.rdb2(self.rdb1(x)))


PAPER = "https://arxiv.org/abs/1809.00219"
PRINTED = (
    Printed(
        f"RRDB (PSNR) x4, [Wang et al. 2018]({PAPER})",
        4,
        {
            "Set5": "32.73 / .9011",
            "Set14": "28.99 / .7917",
            "BSD100": "27.85 / .7455",
            "Urban100": "27.03 / .8153",
        },
        {"n_blocks": 23},
    ),
)
"""Published figures: PSNR in dB / SSIM on Y; only confirmed ones."""


class RRDBNet(nn.Module, Network):
    """ESRGAN's generator, x4: 23 blocks, 16.7 M parameters.

    Its reach is about 350 pixels, so small tiles are blended instead of exact.

    Args:
        n_blocks: number of RRDBs.
        n_feats: channels of the body.
        growth: channels that a dense convolution adds.
    """

    paper = PAPER
    printed = PRINTED
    scales = (4,)
    examples = ({"n_blocks": 1, "n_feats": 8, "growth": 4}, {"n_blocks": 2, "n_feats": 6})

    def __init__(
        self,
        *,
        n_blocks: Annotated[int, Ge(0), Le(1_024)] = 23,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 64,
        growth: Annotated[int, Ge(1), Le(4_096)] = 32,
    ) -> None:
        super().__init__()
        self.conv_first = _conv(3, n_feats)
        self.body = nn.Sequential(*(RRDB(n_feats, growth) for _ in range(n_blocks)))
        self.conv_body = _conv(n_feats, n_feats)
        self.conv_up1 = _conv(n_feats, n_feats)
        self.conv_up2 = _conv(n_feats, n_feats)
        self.conv_hr = _conv(n_feats, n_feats)
        self.conv_last = _conv(n_feats, 3)
        # Three convolutions at full size reach one LR pixel, the one at half size reaches another.
        self.reach = 1 + 15 * n_blocks + 1 + 2

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x n_feats x H x W."""
        x = self.conv_first(x)
        return x + self.conv_body(self.body(x))

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x n_feats x H x W to B x 3 x 4H x 4W; not affine."""
        for conv in (self.conv_up1, self.conv_up2):
            f = F.leaky_relu(conv(F.interpolate(f, scale_factor=2, mode="nearest")), 0.2)
        return self.conv_last(F.leaky_relu(self.conv_hr(f), 0.2))

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x 4H x 4W, unclamped."""
        return self.reconstruct(self.features(x))
