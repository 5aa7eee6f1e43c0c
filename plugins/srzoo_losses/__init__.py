"""Losses on pixels.

* ``l1``, mean absolute error: Zhao et al. 2017, https://arxiv.org/abs/1511.08861; EDSR's loss.
* ``mse``, mean squared error: SRResNet's loss.
* ``charbonnier``, sqrt(d^2 + eps^2): Lai et al. 2017, https://arxiv.org/abs/1704.03915.
* ``tv``, total variation of the output: Rudin, Osher, Fatemi 1992 (the anisotropic form).
* ``fft``, L1 between spectra: Cho et al. 2021, https://arxiv.org/abs/2108.05054 (equation 7).
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Pair


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
        eps: where it turns from a square into a line, in units of 0..1.
    """

    reference = True

    def __init__(self, *, eps: float = 1e-3) -> None:
        self.eps = eps

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar; zero for a perfect output."""
        return ((pair.sr - pair.hr).square() + self.eps**2).sqrt().mean() - self.eps


class TV:
    """Mean absolute difference between neighbours of SR; does not look at HR."""

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
