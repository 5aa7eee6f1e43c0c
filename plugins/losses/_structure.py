"""Losses on the structure of neighbourhoods."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Pair
from srzoo.errors import SrzooError

SHARES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""The weights of the scales, from the finest; measured with observers in the paper."""
WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2
LEAST = 1e-6
"""The least similarity of a scale: negative numbers have no fractional powers."""


class MSSSIM:
    """1 - MS-SSIM of SR and HR, RGB, in 0..1.

    Wang, Simoncelli and Bovik, "Multi-scale structural similarity for image quality assessment",
    2003, https://doi.org/10.1109/ACSSC.2003.1292216, equation 7: the product over scales j of
    ``cs_j ^ share_j``, the coarsest with the luminance ``l`` besides, where
    ``l = (2 m_x m_y + C1) / (m_x^2 + m_y^2 + C1)`` and
    ``cs = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)`` are of Gaussian windows of 11 x 11 pixels
    (sigma 1.5), and each scale is the mean of 2 x 2 pixels of the one before. Powers are taken for
    each picture and channel, then averaged.

    A crop that is too small for all scales has fewer: as many as leave 11 pixels on its shorter
    side (5 from 176 pixels, 4 from 88, 3 from 44, 2 from 22), with weights scaled to the same sum.

    Args:
        scales: the largest number of scales, from 1 (SSIM) to 5.
    """

    reference = True

    def __init__(self, *, scales: Annotated[int, Ge(1), Le(5)] = 5) -> None:
        self.scales = scales
        at = torch.arange(WINDOW) - WINDOW // 2
        weight = torch.exp(-(at**2) / (2 * SIGMA**2))
        self._weight = weight / weight.sum()

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar from 0 to 1; 0 for a perfect output. Needs 11 x 11 pixels."""
        side = min(pair.hr.shape[-2:])
        if side < WINDOW:
            raise SrzooError(f"ms_ssim needs {WINDOW} pixels, not {side}", "Raise data.lr_crop")
        if self._weight.device != pair.sr.device:
            self._weight = self._weight.to(pair.sr.device)
        with torch.autocast(pair.sr.device.type, enabled=False):
            return 1 - self._similarity(pair.sr.float(), pair.hr.float())

    def _similarity(self, x: Tensor, y: Tensor) -> Tensor:
        side = min(x.shape[-2:])
        count = next(n for n in range(self.scales, 0, -1) if side >> (n - 1) >= WINDOW)
        shares = [share * sum(SHARES) / sum(SHARES[:count]) for share in SHARES[:count]]
        product = torch.ones((), device=x.device)
        for place, share in enumerate(shares):
            if place:
                x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
            luminance, contrast = self._of_windows(x, y)
            each = contrast * luminance if place == count - 1 else contrast
            product = product * each.mean((2, 3)).clamp(min=LEAST) ** share
        return product.mean()

    def _of_windows(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        mean_x, mean_y = self._mean(x), self._mean(y)
        spread_x = self._mean(x * x) - mean_x.square()
        spread_y = self._mean(y * y) - mean_y.square()
        common = self._mean(x * y) - mean_x * mean_y
        luminance = (2 * mean_x * mean_y + C1) / (mean_x.square() + mean_y.square() + C1)
        return luminance, (2 * common + C2) / (spread_x + spread_y + C2)

    def _mean(self, x: Tensor) -> Tensor:
        """Local means over whole windows only."""
        channels = x.shape[1]
        weight = self._weight.expand(channels, 1, 1, WINDOW)
        return F.conv2d(F.conv2d(x, weight, groups=channels), weight.mT, groups=channels)
