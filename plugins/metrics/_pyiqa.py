"""The metrics of pyiqa, an optional package."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from srzoo.errors import SrzooError, did_you_mean

from ._planes import check

if TYPE_CHECKING:
    from srzoo.contracts import U8


class PyIQA:
    """Any metric of pyiqa: LPIPS, DISTS, NIQE, MUSIQ and many more.

    Chen and Mo, "IQA-PyTorch", https://github.com/chaofengc/IQA-PyTorch. Needs
    ``pip install 'srzoo[metrics]'``; most of its metrics download weights when they are first
    used. On the command line ``--metric pyiqa/NAME``. Metrics that compare sets of pictures
    (FID) are not supported: this plugin measures one picture at a time.

    Args:
        metric: its name in pyiqa.
        device: the device: cpu, cuda or mps.
    """

    examples = ()  # all need the optional package

    def __init__(self, *, metric: str = "lpips", device: str = "cpu") -> None:
        pyiqa, self._metric = create_pyiqa("metric", metric, device=device)
        self._device = device
        self.higher_is_better = not self._metric.lower_better
        self.reference = self._metric.metric_mode == "FR"
        self.short = metric
        version = getattr(pyiqa, "__version__", "")
        self.protocol = (
            f"{metric} of pyiqa {version}".rstrip()
            + ", RGB in 0..1, whole picture, mean over pictures"
        )

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Measure a uint8 picture H x W x 3, with ``hr`` if the metric has a reference."""
        import torch

        pictures = [sr, check(sr, hr)] if self.reference else [sr]
        tensors = [
            torch.tensor(picture, device=self._device).permute(2, 0, 1)[None] / 255
            for picture in pictures
        ]
        with torch.inference_mode():
            return float(self._metric(*tensors))


def create_pyiqa(kind: str, name: str, *, device: str, as_loss: bool = False) -> tuple[Any, Any]:
    """pyiqa, and its metric with this name.

    Args:
        kind: its kind in errors, "metric" or "loss".
        name: its name in pyiqa.
        device: the device.
        as_loss: whether it must have a gradient.

    Raises:
        SrzooError: pyiqa is not installed, has no such metric, or cannot download its weights.
    """
    try:
        pyiqa: Any = import_module("pyiqa")
    except ImportError as error:
        raise SrzooError(
            f"{kind} {name!r} comes with pyiqa, which cannot be imported ({error})",
            "Install it: pip install 'srzoo[metrics]'",
        ) from error
    known = list(pyiqa.list_models())
    if name not in known:
        raise SrzooError(f"pyiqa has no metric {name!r}", did_you_mean(name, known))
    try:
        return pyiqa, pyiqa.create_metric(name, as_loss=as_loss, device=device)
    except OSError as error:  # includes failed downloads
        raise SrzooError(
            f"pyiqa cannot prepare {name!r}: {error}",
            "Its weights are downloaded at first use: check the network, or choose another metric",
        ) from error
