from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from torch import Tensor, nn

from srzoo import Network, building
from srzoo.contracts import Printed

from ._body import body

PAPER = "https://arxiv.org/abs/1707.02921"
PRINTED = (
    Printed(
        f"EDSR baseline x2, [Lim et al. 2017]({PAPER})",
        2,
        {
            "Set5": "37.99 / .9604",
            "Set14": "33.57 / .9175",
            "BSD100": "32.16 / .8994",
            "Urban100": "31.98 / .9272",
        },
        {"n_resblocks": 16, "n_feats": 64},
    ),
    Printed(
        f"EDSR baseline x4, [Lim et al. 2017]({PAPER})",
        4,
        {
            "Set5": "32.09 / .8938",
            "Set14": "28.58 / .7813",
            "BSD100": "27.57 / .7357",
            "Urban100": "26.04 / .7849",
        },
        {"n_resblocks": 16, "n_feats": 64},
    ),
    Printed(
        f"EDSR x4, [Lim et al. 2017]({PAPER})",
        4,
        {
            "Set5": "32.46 / .8968",
            "Set14": "28.80 / .7876",
            "BSD100": "27.71 / .7420",
            "Urban100": "26.64 / .8033",
        },
        {"n_resblocks": 32, "n_feats": 256, "res_scale": 0.1},
    ),
)
"""Published figures: PSNR in dB / SSIM on Y; only confirmed ones."""


class EDSR(nn.Module, Network):
    """Enhanced deep super-resolution network (Lim et al. 2017, section 3.2).

    The paper's baseline is 16 x 64 (the defaults; 1,517,571 parameters at x4), its full
    model ``n_resblocks=32, n_feats=256, res_scale=0.1`` (43 M).

    Args:
        n_resblocks: number of blocks in the body.
        n_feats: channels of the body.
        res_scale: factor on each block's residual.
        scale: 2, 3, 4 or 8.
        block: any registered block, by name or with arguments: ``{"name": "rcab", ...}``.
    """

    paper = PAPER
    printed = PRINTED
    linear_tail = True
    examples = (
        {},
        {"n_resblocks": 2, "n_feats": 16, "scale": 2},
        {"n_resblocks": 2, "n_feats": 16, "scale": 3, "res_scale": 0.1},
        {"n_resblocks": 1, "n_feats": 8, "scale": 8},
        {"n_resblocks": 2, "n_feats": 16, "block": "rcab"},
    )

    def __init__(
        self,
        *,
        n_resblocks: Annotated[int, Ge(0), Le(1_024)] = 16,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 64,
        res_scale: float = 1.0,
        scale: Literal[2, 3, 4, 8] = 4,
        block: str | Mapping[str, Any] = "residual",
    ) -> None:
        super().__init__()
        self.scales = (scale,)
        self.colour = building.DIV2KMean()
        self.head = nn.Sequential(nn.Conv2d(3, n_feats, 3, padding=1))
        self.body = body(n_resblocks, n_feats, res_scale, block)
        self.tail = nn.Sequential(
            building.upsampler(n_feats, scale), nn.Conv2d(n_feats, 3, 3, padding=1)
        )
        self.tail_reach = building.tail_reach(scale, 3)
        inner = building.reach_of(self.body[:-1])
        self.multiple = building.multiple_of(self.body[:-1])
        self.reach = None if inner is None else 1 + inner + 1 + self.tail_reach

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x n_feats x H x W."""
        x = self.head(self.colour.subtract(x))
        return x + self.body(x)

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x n_feats x H x W to B x 3 x sH x sW; affine."""
        return self.colour.add(self.tail(f))

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        return self.reconstruct(self.features(x))
