"""PatchGAN: a discriminator that judges overlapping patches.

Isola, Zhu, Zhou, Efros, "Image-to-Image Translation with Conditional Adversarial Networks",
CVPR 2017, https://arxiv.org/abs/1611.07004 (appendix 6.1.2; three strided layers see 70 x 70)

Differs from the reference: it rates the picture only, without the input beside it.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le
from torch import Tensor, nn


class PatchGAN(nn.Module):
    """C64-C128-C256-C512 with 4x4 kernels; a logit for each patch, B x 1 x h' x w'.

    Args:
        n_feats: filters of the first layer.
        n_layers: strided layers; a patch sees 70 x 70 pixels with 3.
    """

    examples = ({"n_feats": 8}, {"n_feats": 4, "n_layers": 2})

    def __init__(
        self,
        *,
        n_feats: Annotated[int, Ge(1), Le(4_096)] = 64,
        n_layers: Annotated[int, Ge(1), Le(8)] = 3,
    ) -> None:
        super().__init__()
        self.min_size = 3 * 2**n_layers
        layers: list[nn.Module] = [
            nn.Conv2d(3, n_feats, 4, stride=2, padding=1),
            nn.LeakyReLU(0.2),
        ]
        before = n_feats
        for number in range(1, n_layers + 1):
            width = n_feats * min(2**number, 8)
            stride = 2 if number < n_layers else 1
            layers += [
                nn.Conv2d(before, width, 4, stride=stride, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.LeakyReLU(0.2),
            ]
            before = width
        self.net = nn.Sequential(*layers, nn.Conv2d(before, 1, 4, padding=1))

    def forward(self, y: Tensor) -> Tensor:
        """B x 3 x h x w in 0..1 to logits B x 1 x h' x w'."""
        return self.net(2 * y - 1)
