from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le
from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """EDSR's block: two convolutions, one ReLU, no normalisation (figure 2c).

    Args:
        channels: of input and output.
        res_scale: factor on the residual; 0.1 keeps wide networks stable.
        kernel_size: 3; MDSR's scale-specific heads use 5.
    """

    def __init__(
        self,
        *,
        channels: Annotated[int, Ge(1), Le(4_096)],
        res_scale: float = 1.0,
        kernel_size: Literal[1, 3, 5, 7, 9] = 3,
    ) -> None:
        super().__init__()
        self.res_scale = res_scale
        self.reach = 2 * (kernel_size // 2)
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2),
        )

    examples = ({"channels": 16}, {"channels": 8, "res_scale": 0.1, "kernel_size": 5})

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        residual = self.body(x)
        return x + (residual if self.res_scale == 1 else residual * self.res_scale)
