from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn

from srzoo.errors import SrzooError, WeightsError, did_you_mean

STAGES = 5
"""The number of stages by default: as many as LPIPS compares."""


def backbone(
    name: str, stages: Sequence[int] | None, pretrained: bool, weights: str | Path | None
) -> tuple[Any, list[int]]:
    """A timm model without its head, cut off after the last of some stages.

    Args:
        name: a timm model that has ``forward_intermediates``.
        stages: indices of its feature maps, from 0 (the finest); None for the first five.
        pretrained: start from timm's weights on the Hub.
        weights: start from a safetensors file with timm's names instead; it may also contain
            tensors of layers that are cut off.

    Returns:
        The model, and the stages.

    Raises:
        SrzooError: the model or stage does not exist, or timm's weights are not available.
        WeightsError: the file cannot be read, or does not fit.
    """
    net = create(name, pretrained and weights is None)
    known = range(len(net.feature_info))
    wanted = list(known[:STAGES] if stages is None else stages)
    if not wanted or not set(wanted) <= set(known):
        raise SrzooError(f"stages is {wanted}", f"{name} has the stages {list(known)}")
    net.prune_intermediate_layers(wanted, prune_norm=True, prune_head=True)
    if weights is not None:
        load(net, Path(weights))
    return net, wanted


def create(name: str, pretrained: bool = False) -> Any:
    """A timm model without its classifier.

    Raises:
        SrzooError: the model does not exist, or timm's weights are not available.
    """
    if not timm.is_model(name):
        raise SrzooError(f"timm has no model {name!r}", did_you_mean(name, timm.list_models()))
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0)
    except (OSError, RuntimeError) as error:
        raise SrzooError(
            f"cannot download timm's weights of {name}: {str(error).splitlines()[0]}",
            'Give a local file: weights="FILE.safetensors"',
        ) from error


def load(net: nn.Module, path: Path) -> None:
    """Load a safetensors file with timm's names into a timm model, whole or cut off.

    Every tensor of the model must be in the file, which may also contain tensors of layers that
    are cut off.

    Raises:
        WeightsError: the file cannot be read, or does not fit.
    """
    try:
        tensors = {name: tensor.float() for name, tensor in load_file(path).items()}
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot read the weights {path}: {error}", "Name a safetensors file"
        ) from error
    wanted = net.state_dict()
    wrong = [
        name
        for name, tensor in wanted.items()
        if name not in tensors or tensors[name].shape != tensor.shape
    ]
    if wrong:
        raise WeightsError(
            f"{path} does not fit the backbone: {wrong[0]!r} and {len(wrong) - 1} more tensors"
            " are missing or have other shapes",
            "Give a file with timm's names for this backbone",
        )
    net.load_state_dict({name: tensors[name] for name in wanted})
