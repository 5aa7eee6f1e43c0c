"""How many multiply-adds a network does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..networks import folders

if TYPE_CHECKING:
    from ..card import ModelFolder

SIDE = 48
"""Of the picture they are counted on; they grow with its pixels."""


@torch.inference_mode()
def per_pixel(folder: ModelFolder, scale: int) -> int:
    """Multiply-adds for each LR pixel of the network as it was trained, nothing folded.

    Convolutions and matrix products are counted; what else there is does next to nothing.
    """
    generator = folders.build(folder)
    with FlopCounterMode(display=False) as counter:
        generator(torch.zeros(1, 3, SIDE, SIDE), scale)
    return int(cast("Any", counter).get_total_flops()) // 2 // SIDE**2
