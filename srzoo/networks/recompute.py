"""Gradient checkpointing: the blocks of a network are recomputed in the backward pass.

Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016,
https://arxiv.org/abs/1604.06174.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm  # pyright: ignore[reportPrivateUsage]
from torch.utils.checkpoint import checkpoint  # pyright: ignore[reportUnknownVariableType]

from ..contracts import Module
from ..errors import SrzooError


def recompute(generator: Module) -> None:
    """Make each block of the longest sequence in a network keep only its input.

    Raises:
        SrzooError: it has no sequence, or BatchNorm in it would count every batch twice.
    """
    sequences = [m for m in generator.modules() if isinstance(m, nn.Sequential | nn.ModuleList)]
    body = max(sequences, key=len, default=None)
    if body is None or len(body) < 2:
        raise SrzooError(
            "the generator has no sequence of blocks to recompute",
            "Set train.gradient_checkpointing = false",
        )
    if any(isinstance(m, _BatchNorm) and m.training for m in body.modules()):
        raise SrzooError(
            "with gradient checkpointing BatchNorm would count every batch twice",
            "Set train.gradient_checkpointing = false, or train.freeze_norm = true",
        )
    for block in body:
        block.forward = _again(block.forward)


def _again(forward: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def run(*inputs: Any) -> Tensor:
        if not torch.is_grad_enabled():
            return forward(*inputs)
        return checkpoint(forward, *inputs, use_reentrant=False)

    return run
