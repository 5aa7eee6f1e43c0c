from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le
from torch import Tensor, nn

from srzoo import Network, building
from srzoo.contracts import Printed


class ResidualBNBlock(nn.Module):
    """SRResNet's block: ``x + BN(conv(PReLU(BN(conv(x)))))``.

    Args:
        channels: of input and output.
    """

    reach = 2
    examples = ({"channels": 16},)

    def __init__(self, *, channels: Annotated[int, Ge(1), Le(4_096)]) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
            nn.PReLU(),
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        return x + self.body(x)


PAPER = "https://arxiv.org/abs/1609.04802"
PRINTED = (
    Printed(
        f"SRResNet x4, [Ledig et al. 2017]({PAPER})",
        4,
        {"Set5": "32.05 / .902", "Set14": "28.49 / .818", "BSD100": "27.58 / .762"},
        {"n_resblocks": 16, "n_feats": 64},
    ),
    Printed(
        f"SRGAN x4, [Ledig et al. 2017]({PAPER})",
        4,
        {"Set5": "29.40 / .847", "Set14": "26.02 / .740"},
        {"n_resblocks": 16, "n_feats": 64},
        adversarial=True,
    ),
)
"""Published figures: PSNR in dB / SSIM on Y; only confirmed ones."""


class SRResNet(nn.Module, Network):
    """SRGAN's generator (Ledig et al. 2017, figure 4): 9x9 end kernels, BN, PReLU; 1.55 M.

    Args:
        n_resblocks: number of blocks in the body.
        n_feats: channels of the body.
        scale: 2, 3, 4 or 8; the paper's is 4.
        block: any registered block, by name or with arguments.
    """

    paper = PAPER
    printed = PRINTED
    examples = (
        {},
        {"n_resblocks": 2, "n_feats": 16, "scale": 2},
        {"n_resblocks": 1, "n_feats": 8, "scale": 3, "block": "residual"},
        {"n_resblocks": 1, "n_feats": 8, "scale": 8, "block": "rcab"},
    )

    def __init__(
        self,
        *,
        n_resblocks: Annotated[int, Ge(0), Le(1_024)] = 16,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 64,
        scale: Literal[2, 3, 4, 8] = 4,
        block: str | Mapping[str, Any] = "residual_bn",
    ) -> None:
        super().__init__()
        self.scales = (scale,)
        self.head = nn.Sequential(nn.Conv2d(3, n_feats, 9, padding=4), nn.PReLU())
        stack = building.blocks(n_resblocks, block, channels=n_feats)
        self.body = nn.Sequential(
            *stack, nn.Conv2d(n_feats, n_feats, 3, padding=1), nn.BatchNorm2d(n_feats)
        )
        self.tail = nn.Sequential(
            building.upsampler(n_feats, scale, nn.PReLU), nn.Conv2d(n_feats, 3, 9, padding=4)
        )
        self.tail_reach = building.tail_reach(scale, 9)
        inner = building.reach_of(stack)
        self.multiple = building.multiple_of(stack)
        self.reach = None if inner is None else 4 + inner + 1 + self.tail_reach

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x n_feats x H x W."""
        x = self.head(2 * x - 1)
        return x + self.body(x)

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x n_feats x H x W to B x 3 x sH x sW; not affine (PReLU between)."""
        return (self.tail(f) + 1) / 2

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        return self.reconstruct(self.features(x))
