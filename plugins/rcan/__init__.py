"""RCAN's residual channel attention block.

Zhang, Li, Li, Wang, Zhong, Fu, "Image Super-Resolution Using Very Deep Residual Channel
Attention Networks", ECCV 2018, https://arxiv.org/abs/1807.02758

    y = x + res_scale * s * conv(relu(conv(x))),
    s = sigmoid(W_up relu(W_down mean(.)))            (equations 8 to 11)

Differs from the reference: ``res_scale`` multiplies the residual (the reference has the
argument and does not use it).
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn


class RCAB(nn.Module):
    """Two convolutions, then channel attention over the whole picture (figure 4).

    The attention pools the whole picture, so ``reach`` is None: tiles of a network with these
    blocks are blended, not exact.

    Args:
        channels: of input and output.
        reduction: the attention's bottleneck has ``channels // reduction`` channels.
        res_scale: factor on the residual.
    """

    reach = None
    examples = ({"channels": 16}, {"channels": 8, "reduction": 4, "res_scale": 0.1})

    def __init__(
        self,
        *,
        channels: Annotated[int, Ge(1), Le(4_096)],
        reduction: Annotated[int, Ge(1), Le(4_096)] = 16,
        res_scale: float = 1.0,
    ) -> None:
        super().__init__()
        squeezed = max(channels // reduction, 1)
        self.res_scale = res_scale
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.attention = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """B x channels x H x W to the same shape."""
        residual = self.body(x)
        return x + self.attention(residual) * residual * self.res_scale
