"""Bicubic enlargement as a model: the baseline of every table.

Keys, "Cubic convolution interpolation for digital image processing", IEEE TASSP 1981,
with a = -0.5 and edges as in MATLAB's ``imresize``:

    w(t) = (a + 2)|t|^3 - (a + 3)|t|^2 + 1           for |t| <= 1
    w(t) = a|t|^3 - 5a|t|^2 + 8a|t| - 4a             for 1 < |t| < 2

Differs from MATLAB in one way: values are not rounded between the two passes.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.nn import functional as F

from srzoo import Network
from srzoo.contracts import Printed

A = -0.5
TAPS = 5

PRINTED = (
    Printed(
        "bicubic x2, as papers print it",
        2,
        {
            "Set5": "33.66 / .9299",
            "Set14": "30.24 / .8688",
            "BSD100": "29.56 / .8431",
            "Urban100": "26.88 / .8403",
        },
    ),
    Printed(
        "bicubic x3, as papers print it",
        3,
        {
            "Set5": "30.39 / .8682",
            "Set14": "27.55 / .7742",
            "BSD100": "27.21 / .7385",
            "Urban100": "24.46 / .7349",
        },
    ),
    Printed(
        "bicubic x4, as papers print it",
        4,
        {
            "Set5": "28.42 / .8104",
            "Set14": "26.00 / .7027",
            "BSD100": "25.96 / .6675",
            "Urban100": "23.14 / .6577",
        },
    ),
)
"""Published figures: PSNR in dB / SSIM on Y; only confirmed ones."""


class Bicubic(nn.Module, Network):
    """MATLAB's bicubic enlargement by a whole factor; no parameters.

    Args:
        scale: the factor, from 1.
    """

    printed = PRINTED
    reach = 2

    def __init__(self, *, scale: Annotated[int, Ge(1), Le(64)] = 4) -> None:
        super().__init__()
        self.scale = scale
        self.scales = (scale,)
        self.kernel: Tensor
        phases = _phases(scale)
        kernel = phases[:, None, :, None] * phases[None, :, None, :]
        kernel = kernel.reshape(-1, 1, TAPS, TAPS).repeat(3, 1, 1, 1).float()
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W to B x 3 x sH x sW."""
        x = _mirrored(_mirrored(x, 2), 3)
        return F.pixel_shuffle(F.conv2d(x, self.kernel, groups=3), self.scale)


def _phases(scale: int) -> Tensor:
    """A row of filter taps for each of the ``scale`` outputs of an input pixel, in float64."""
    offset = (torch.arange(scale, dtype=torch.float64) + 0.5) / scale - 0.5
    t = (offset[:, None] - torch.arange(-2, 3, dtype=torch.float64)[None, :]).abs()
    near = (A + 2) * t**3 - (A + 3) * t**2 + 1
    far = A * t**3 - 5 * A * t**2 + 8 * A * t - 4 * A
    return torch.where(t <= 1, near, torch.where(t < 2, far, 0))


def _mirrored(x: Tensor, dim: int) -> Tensor:
    """Pad with two pixels on each side, repeating the edge pixel once, as MATLAB does."""
    if x.shape[dim] == 1:
        return torch.cat([x] * TAPS, dim)
    # Slices counted from both ends: the form that every export format supports.
    if dim == 2:
        parts = x[:, :, 1:2], x[:, :, :1], x, x[:, :, -1:], x[:, :, -2:-1]
    else:
        parts = x[..., 1:2], x[..., :1], x, x[..., -1:], x[..., -2:-1]
    return torch.cat(parts, dim)
