"""A loss on spectra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, ClassVar, cast

import torch
from annotated_types import Ge
from torch import Tensor

from srzoo.contracts import Pair


class FocalFrequency:
    """Squared distance of spectra, each frequency weighted by how wrong it is.

    Jiang, Dai, Wu, Loy, "Focal Frequency Loss for Image Reconstruction and Synthesis", ICCV 2021,
    https://arxiv.org/abs/2012.12821 (equations 8 and 9)::

        d(u, v) = |F_sr(u, v) - F_hr(u, v)|
        loss = mean of w * d^2,  w = d^alpha / max(d^alpha) of each picture and channel

    F is the orthonormal transform. The weights have no gradient.

    Args:
        alpha: how much the worst frequencies stand out; 0 weighs all alike.
    """

    reference = True
    examples: ClassVar[tuple[dict[str, float], ...]] = ({}, {"alpha": 0.0})

    def __init__(self, *, alpha: Annotated[float, Ge(0)] = 1.0) -> None:
        self.alpha = alpha

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar from 0; 0 for a perfect output."""
        d = (pair.sr - pair.hr).float()
        # torch states no type for fft2.
        fft2 = cast("Callable[..., Tensor]", torch.fft.fft2)  # pyright: ignore[reportUnknownMemberType]
        spectrum = fft2(d, norm="ortho")
        squared = torch.view_as_real(spectrum).square().sum(-1)
        with torch.no_grad():
            weight = squared.sqrt() ** self.alpha
            # A perfect output has no worst frequency.
            weight = weight / weight.amax((2, 3), keepdim=True).clamp(min=1e-12)
        return (weight * squared).mean()
