"""Losses on pixels, on neighbourhoods, and the metrics of pyiqa as losses.

* ``l1``, mean absolute error: Zhao et al. 2017, https://arxiv.org/abs/1511.08861; EDSR's loss.
* ``mse``, mean squared error: SRResNet's loss.
* ``charbonnier``, sqrt(d^2 + eps^2): Lai et al. 2017, https://arxiv.org/abs/1704.03915.
* ``huber``, a square near zero and a line beyond: Huber 1964,
  https://doi.org/10.1214/aoms/1177703732.
* ``ms_ssim``, structure on several scales: Wang et al. 2003, as in Zhao et al. 2017.
* ``tv``, total variation of the output: Rudin, Osher, Fatemi 1992 (the anisotropic form).
* ``fft``, L1 between spectra: Cho et al. 2021, https://arxiv.org/abs/2108.05054 (equation 7).
* ``checkerboard``: patterns of the upscaler's own grid, after the condition of Sugawara, Shiota
  and Kiya 2018, https://arxiv.org/abs/1806.02658.
* ``pyiqa``, any metric of pyiqa with a gradient.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Gt, Le
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Pair

from ._pyiqa import PyIQA as PyIQA
from ._structure import MSSSIM as MSSSIM


class L1:
    """Mean absolute difference between SR and HR."""

    reference = True

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar."""
        return F.l1_loss(pair.sr, pair.hr)


class MSE:
    """Mean squared difference between SR and HR."""

    reference = True

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar."""
        return F.mse_loss(pair.sr, pair.hr)


class Charbonnier:
    """Mean of ``sqrt(d^2 + eps^2) - eps``: L1, smooth at zero.

    Args:
        eps: the distance at which the square becomes a line, in units of 0..1.
    """

    reference = True

    def __init__(self, *, eps: Annotated[float, Gt(0)] = 1e-3) -> None:
        self.eps = eps

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar; zero for a perfect output."""
        return ((pair.sr - pair.hr).square() + self.eps**2).sqrt().mean() - self.eps


class Huber:
    """Mean of ``d^2 / 2`` where ``|d| <= delta``, and of ``delta (|d| - delta / 2)`` beyond.

    Huber, "Robust Estimation of a Location Parameter", 1964,
    https://doi.org/10.1214/aoms/1177703732.

    Args:
        delta: the distance at which the square becomes a line, in units of 0..1.
    """

    reference = True

    def __init__(self, *, delta: Annotated[float, Gt(0)] = 0.01) -> None:
        self.delta = delta

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar."""
        return F.huber_loss(pair.sr, pair.hr, delta=self.delta)


class TV:
    """Mean absolute difference between neighbours of SR; independent of HR."""

    reference = False

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar; zero for a flat output."""
        down = (pair.sr[..., 1:, :] - pair.sr[..., :-1, :]).abs().mean()
        right = (pair.sr[..., :, 1:] - pair.sr[..., :, :-1]).abs().mean()
        return down + right


class FFT:
    """Mean absolute difference between the spectra of SR and HR (orthonormal transform)."""

    reference = True

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar."""
        difference = torch.fft.rfft2((pair.sr - pair.hr).float(), norm="ortho")
        return (difference.real.abs() + difference.imag.abs()).mean()


class Checkerboard:
    """Patterns in SR that repeat with the upscaler's grid, and that HR does not have.

    An upscaler by s computes each of the s x s positions of a cell with its own filters. If the
    means of these filters differ, a grid with a period of s pixels covers the picture; Sugawara et
    al. require equal means. Here the error ``SR - HR`` is averaged for each position over windows
    of cells, and the loss is the mean squared distance from the mean of all positions. Content
    losses on deep features and adversarial losses both encourage such grids.

    Args:
        period: s, the scale of the model.
        window: side of the window, in cells; natural texture averages out in them.
    """

    reference = True

    def __init__(
        self,
        *,
        period: Annotated[int, Ge(1), Le(1_024)] = 4,
        window: Annotated[int, Ge(1), Le(1_024)] = 8,
    ) -> None:
        self.period = period
        self.window = window

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar; zero for any error without a grid."""
        error = pair.sr - pair.hr
        batch, channels, height, width = error.shape
        rows, columns = height // self.period, width // self.period
        cut = error[..., : rows * self.period, : columns * self.period]
        places = F.pixel_unshuffle(cut, self.period)
        window = min(self.window, rows, columns)
        means = F.avg_pool2d(places, window, stride=max(1, window // 2))
        means = means.reshape(batch, channels, self.period**2, *means.shape[2:])
        return (means - means.mean(2, keepdim=True)).square().mean()
