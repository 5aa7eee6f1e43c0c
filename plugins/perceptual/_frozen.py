"""A frozen backbone for features."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..timm import Layers, load
from . import _weights


def frozen(
    backbone: str, layers: Sequence[str], weights: str | Path | None, sha256: str | None
) -> tuple[Layers, Tensor, Tensor]:
    """Layers of a backbone with its weights, and its mean and deviation for normalisation.

    Raises:
        SrzooError: the backbone or layer does not exist, or weights are not available.
        WeightsError: the file cannot be read, has another sha256, or does not fit.
    """
    net = Layers(backbone, layers)
    file = _weights.find(backbone, weights, sha256)
    if file is not None:
        load(net.backbone, file)
    net.requires_grad_(False).to(memory_format=torch.channels_last)
    asked = net.backbone.pretrained_cfg
    mean, std = (torch.tensor(asked[name]).reshape(1, 3, 1, 1) for name in ("mean", "std"))
    return net, mean, std
