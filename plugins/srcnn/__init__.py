"""SRCNN: three convolutions on a bicubically enlarged picture.

Dong, Loy, He, Tang, "Image Super-Resolution Using Deep Convolutional Networks", TPAMI 2016,
https://arxiv.org/abs/1501.00092 (the 9-5-5 model of section 4.3.3; 57,281 parameters)

It works on luma only, Y = 16 + 65.481 R + 128.553 G + 24.966 B of 255; the change of Y is
added to R, G and B, which keeps both chroma planes of the bicubic picture:

    y = bicubic(x) + (net(Y) - Y) * 255 / 219

Differs from the reference: edges are replicated, so that the size is kept (the reference
computes the valid part while training).
"""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo import Network, generators
from srzoo.contracts import Printed

PAPER = "https://arxiv.org/abs/1501.00092"
PRINTED = (
    Printed(
        f"SRCNN x4, [Dong et al. 2016]({PAPER})",
        4,
        {
            "Set5": "30.48 / .8628",
            "Set14": "27.49 / .7503",
            "BSD100": "26.90 / .7101",
            "Urban100": "24.52 / .7221",
        },
    ),
)
"""Published figures: PSNR in dB / SSIM on Y; only confirmed ones."""


class SRCNN(nn.Module, Network):
    """The first convolutional network for super-resolution; 57,281 parameters at any scale.

    Args:
        scale: any whole factor.
        n_feats: filters of the first layer; the second has half as many.
    """

    paper = PAPER
    printed = PRINTED
    examples = ({}, {"scale": 2, "n_feats": 8}, {"scale": 3, "n_feats": 8})

    def __init__(
        self,
        *,
        scale: Annotated[int, Ge(1), Le(64)] = 4,
        n_feats: Annotated[int, Ge(2), Le(4_096)] = 64,
    ) -> None:
        super().__init__()
        self.scales = (scale,)
        self.reach = 2 + math.ceil(8 / scale)
        self.enlarge = generators.create("bicubic", scale=scale)
        self.net = nn.Sequential(
            nn.Conv2d(1, n_feats, 9, padding=4, padding_mode="replicate"),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_feats, n_feats // 2, 5, padding=2, padding_mode="replicate"),
            nn.ReLU(inplace=True),
            nn.Conv2d(n_feats // 2, 1, 5, padding=2, padding_mode="replicate"),
        )
        self.luma: Tensor
        weights = torch.tensor([65.481, 128.553, 24.966]).reshape(1, 3, 1, 1) / 255
        self.register_buffer("luma", weights, persistent=False)

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        large = self.enlarge(x)
        y = F.conv2d(large, self.luma) + 16 / 255
        return large + (self.net(y) - y) * (255 / 219)
