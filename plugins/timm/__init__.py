"""Any backbone of timm as a discriminator.

Wightman, "PyTorch Image Models", https://github.com/huggingface/pytorch-image-models. A small
head rates each position of one of the backbone's feature maps, as in Sauer et al., "Projected
GANs Converge Faster", 2021, https://arxiv.org/abs/2111.01007. Differs from that paper: its
backbone is frozen, and its features are mixed across scales first.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from . import _backbone, _layers

backbone = _backbone.backbone
load = _backbone.load
Layers = _layers.Layers


class TimmDiscriminator(nn.Module):
    """A timm backbone up to one of its stages and a small head; logits B x 1 x h' x w'.

    Args:
        backbone: any timm model that has ``forward_intermediates`` and takes any size.
        stage: the index of the feature map, from 0 (the finest).
        hidden: channels of the head.
        pretrained: start from timm's weights (downloaded from the Hub).
        weights: start from a local safetensors file with timm's names instead.
        frozen: train only the head.
    """

    min_size = 32
    examples = ({"hidden": 8, "stage": 1}, {"backbone": "resnet10t", "hidden": 8})

    def __init__(
        self,
        *,
        backbone: str = "tf_efficientnet_lite0",
        stage: Annotated[int, Ge(0), Le(64)] = 2,
        hidden: Annotated[int, Ge(1), Le(65_536)] = 128,
        pretrained: bool = False,
        weights: str | Path | None = None,
        frozen: bool = False,
    ) -> None:
        super().__init__()
        self.stage = stage
        self.backbone, _ = _backbone.backbone(backbone, [stage], pretrained, weights)
        if frozen:
            self.backbone.requires_grad_(False)
        self.head = nn.Sequential(
            nn.Conv2d(self.backbone.feature_info[stage]["num_chs"], hidden, 3, padding=1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(hidden, 1, 1),
        )
        self.mean: Tensor
        self.std: Tensor
        for name in ("mean", "std"):
            values = torch.tensor(self.backbone.pretrained_cfg[name]).reshape(1, 3, 1, 1)
            self.register_buffer(name, values, persistent=False)

    def forward(self, y: Tensor) -> Tensor:
        """B x 3 x h x w in 0..1 to logits B x 1 x h' x w'."""
        (features,) = self.backbone.forward_intermediates(
            (y - self.mean) / self.std,
            indices=[self.stage],
            intermediates_only=True,
            stop_early=True,
        )
        return self.head(features)
