from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from srzoo import building


def body(
    n_resblocks: int, n_feats: int, res_scale: float, block: str | Mapping[str, Any]
) -> nn.Sequential:
    """The blocks, and the convolution after them."""
    arguments: dict[str, Any] = {"channels": n_feats}
    if res_scale != 1:
        arguments["res_scale"] = res_scale  # a block without it raises an error
    stack = building.blocks(n_resblocks, block, **arguments)
    return nn.Sequential(*stack, nn.Conv2d(n_feats, n_feats, 3, padding=1))
