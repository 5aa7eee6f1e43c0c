"""The distance of two pictures in the features of a trained network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from annotated_types import Ge, Le, MinLen

from srzoo.errors import PictureError

from ._planes import check

if TYPE_CHECKING:
    import torch

    from srzoo.contracts import U8

SMALLEST = 32


class FeatureDistance:
    """Distance between the features of a timm backbone for two pictures; 0 for equal ones.

    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric",
    2018, https://arxiv.org/abs/1801.03924, eq. 1 with every w = 1: the features of each place
    are scaled to length one, their squared distance is averaged over the places of a stage,
    and then over the stages. Values of different backbones cannot be compared.

    Args:
        backbone: a timm model that has ``forward_intermediates`` and takes any size.
        weights: a safetensors file with timm's names; None downloads timm's from the Hub.
        stages: which feature maps are compared, from 0 (the finest); None for the first five.
    """

    higher_is_better = False
    reference = True
    examples = ()  # all need weights from a file or the Hub

    def __init__(
        self,
        *,
        backbone: str = "tf_efficientnet_lite0",
        weights: str | Path | None = None,
        stages: Annotated[Sequence[Annotated[int, Ge(0), Le(64)]], MinLen(1)] | None = None,
    ) -> None:
        import torch

        from ..timm import backbone as timm_backbone

        self._net, self.stages = timm_backbone(backbone, stages, weights is None, weights)
        self._net.eval().requires_grad_(False)
        self._mean, self._std = (
            torch.tensor(self._net.pretrained_cfg[name]).reshape(1, 3, 1, 1)
            for name in ("mean", "std")
        )
        self.short = f"feature_distance_{backbone}"
        source = "timm's weights" if weights is None else Path(weights).name
        self.protocol = (
            f"squared distance of unit-length features of {backbone} ({source}), stages"
            f" {', '.join(map(str, self.stages))}, RGB, whole picture, mean over pictures"
        )

    def __call__(self, sr: U8, hr: U8 | None, scale: int) -> float:
        """Compare two uint8 pictures H x W x 3, from 32 x 32; from 0 (equal) to 4."""
        import torch

        hr = check(sr, hr)
        if min(sr.shape[:2]) < SMALLEST:
            raise PictureError(
                f"a picture of {sr.shape[1]}x{sr.shape[0]} pixels is too small to be measured",
                f"Use pictures with sides of {SMALLEST} or more",
            )
        with torch.inference_mode():
            pairs = zip(self._features(sr), self._features(hr), strict=True)
            distances = [float((x - y).square().sum(1).mean()) for x, y in pairs]
        return sum(distances) / len(distances)

    def _features(self, picture: U8) -> list[torch.Tensor]:
        import torch

        x = torch.tensor(picture).permute(2, 0, 1)[None] / 255
        found = self._net.forward_intermediates(
            (x - self._mean) / self._std,
            indices=self.stages,
            intermediates_only=True,
            stop_early=True,
        )
        return [features / (features.norm(dim=1, keepdim=True) + 1e-10) for features in found]
