from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen
from torch import Tensor, nn

from srzoo import Network, building

from ._blocks import ResidualBlock
from ._body import body

PAPER = "https://arxiv.org/abs/1707.02921"


class MDSR(nn.Module, Network):
    """One network for several scales (Lim et al. 2017, section 3.3, figure 5).

    Two 5x5 residual blocks and an upsampler for each scale, and one body for all. The
    baseline is 16 x 64 (the defaults; 3.23 M parameters), the full model
    ``n_resblocks=80`` (7.95 M).

    Args:
        n_resblocks: number of blocks in the shared body.
        n_feats: channels of the body.
        res_scale: factor on each block's residual.
        scales: some of 2, 3, 4 and 8.
        block: any registered block for the body, by name or with arguments.
    """

    paper = PAPER
    linear_tail = True
    examples = ({}, {"n_resblocks": 2, "n_feats": 16, "scales": [2, 3]})

    def __init__(
        self,
        *,
        n_resblocks: Annotated[int, Ge(0), Le(1_024)] = 16,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 64,
        res_scale: float = 1.0,
        scales: Annotated[Sequence[Literal[2, 3, 4, 8]], MinLen(1)] = (2, 3, 4),
        block: str | Mapping[str, Any] = "residual",
    ) -> None:
        super().__init__()
        self.scales: tuple[int, ...] = tuple(scales)
        self.colour = building.DIV2KMean()
        self.head = nn.Sequential(nn.Conv2d(3, n_feats, 3, padding=1))
        self.pre_process = nn.ModuleList(
            nn.Sequential(
                ResidualBlock(channels=n_feats, kernel_size=5),
                ResidualBlock(channels=n_feats, kernel_size=5),
            )
            for _ in self.scales
        )
        self.body = body(n_resblocks, n_feats, res_scale, block)
        self.upsample = nn.ModuleList(building.upsampler(n_feats, scale) for scale in self.scales)
        self.tail = nn.Sequential(nn.Conv2d(n_feats, 3, 3, padding=1))
        self.tail_reach = max(building.tail_reach(scale, 3) for scale in self.scales)
        inner = building.reach_of(self.body[:-1])
        self.multiple = building.multiple_of(self.body[:-1])
        self.reach = None if inner is None else 1 + 8 + inner + 1 + self.tail_reach

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x n_feats x H x W."""
        x = self.head(self.colour.subtract(x))
        x = self.pre_process[self._index(scale)](x)
        return x + self.body(x)

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x n_feats x H x W to B x 3 x sH x sW; affine."""
        return self.colour.add(self.tail(self.upsample[self._index(scale)](f)))

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        return self.reconstruct(self.features(x, scale), scale)

    def _index(self, scale: int | None) -> int:
        if scale is None and len(self.scales) == 1:
            return 0
        if scale not in self.scales:
            raise ValueError(f"scale is {scale}; this network enlarges by {self.scales}")
        return self.scales.index(scale)
