"""The metrics of pyiqa, an optional package, as losses."""

from __future__ import annotations

import torch
from torch import Tensor

from srzoo.contracts import Pair
from srzoo.errors import SrzooError

from ..metrics import create_pyiqa


class PyIQA:
    """A metric of pyiqa that has a gradient, such as lpips, dists, ms_ssim or topiq_fr.

    Chen and Mo, "IQA-PyTorch", https://github.com/chaofengc/IQA-PyTorch. Needs
    ``pip install 'srzoo[metrics]'``; most of its metrics download weights when they are first
    used. The loss is the metric's value if lower is better, and its negative otherwise. SR is
    clamped to 0..1 first, as the metrics require, so values outside get no gradient: combine it
    with a loss on pixels.

    Args:
        metric: its name in pyiqa.
    """

    examples = ()  # all need the optional package

    def __init__(self, *, metric: str = "lpips") -> None:
        _, self._metric = create_pyiqa("loss", metric, device="cpu", as_loss=True)
        self._metric.requires_grad_(False)
        self._name = metric
        self._sign = 1 if self._metric.lower_better else -1
        self._device = torch.device("cpu")
        self.reference = self._metric.metric_mode == "FR"

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar; lower is better.

        Raises:
            SrzooError: the metric has no gradient.
        """
        if self._device != pair.sr.device:
            self._metric.to(pair.sr.device)
            self._device = pair.sr.device
        pictures = [pair.sr.float().clamp(0, 1), *([pair.hr.float()] if self.reference else [])]
        with torch.autocast(pair.sr.device.type, enabled=False):
            value = self._sign * self._metric(*pictures).mean()
        if pair.sr.requires_grad and torch.is_grad_enabled() and not value.requires_grad:
            raise SrzooError(f"pyiqa's {self._name} has no gradient", "Choose another metric")
        return value
