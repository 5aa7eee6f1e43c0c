from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn


class SRGANDiscriminator(nn.Module):
    """Eight convolutions and two dense layers (Ledig et al. 2017, figure 4); logits B x 1.

    Convolutions of ``n_feats`` to 8 ``n_feats`` filters in pairs, the second of each pair with
    stride 2; BN and LeakyReLU(0.2) after each except the first, which has only LeakyReLU.

    Args:
        n_feats: filters of the first convolution; the paper's 64 gives 64..512.
        pooled: the side that features are pooled to before they are flattened; the paper's
            96 x 96 crops give 6 without pooling.
        hidden: width of the first dense layer.
    """

    min_size = 16
    examples = ({"n_feats": 8, "hidden": 16},)

    def __init__(
        self,
        *,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 64,
        pooled: Annotated[int, Ge(1), Le(64)] = 6,
        hidden: Annotated[int, Ge(1), Le(65_536)] = 1024,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, n_feats, 3, padding=1), nn.LeakyReLU(0.2)]
        before = n_feats
        for number in range(1, 8):
            width = n_feats * 2 ** (number // 2)
            layers += [
                nn.Conv2d(before, width, 3, stride=1 + number % 2, padding=1),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2),
            ]
            before = width
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(pooled),
            nn.Flatten(),
            nn.Linear(before * pooled**2, hidden),
            nn.LeakyReLU(0.2),
            nn.Linear(hidden, 1),
        )

    def forward(self, y: Tensor) -> Tensor:
        """B x 3 x h x w in 0..1 to logits B x 1."""
        return self.head(self.features(2 * y - 1))
