"""Counts the multiply-adds of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..contracts import multiple_of, on_grid
from ..networks import folders

if TYPE_CHECKING:
    from ..models.folder import ModelFolder

SIDE = 48
"""The least side of the picture for counting; the count is proportional to its pixels."""


@torch.inference_mode()
def per_pixel(folder: ModelFolder, scale: int) -> int:
    """Multiply-adds per LR pixel of the trained network, without folding.

    Convolutions and matrix products are counted; other operations are negligible.
    """
    generator = folders.build(folder)
    side = on_grid(SIDE, multiple_of(generator))
    with FlopCounterMode(display=False) as counter:
        generator(torch.zeros(1, 3, side, side), scale)
    return counter.get_total_flops() // 2 // side**2
