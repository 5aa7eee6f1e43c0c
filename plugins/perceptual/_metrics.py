"""Two metrics on deep features as losses, on the scale of their papers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import safetensors.torch
import torch
from annotated_types import MinLen
from safetensors import SafetensorError
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Pair
from srzoo.errors import WeightsError

from ._frozen import frozen

LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")
C1 = C2 = 1e-6
EXAMPLES = (
    {"backbone": "vgg11", "layers": ("relu1_1", "relu2_1"), "weights": "random"},
    {"backbone": "tf_efficientnet_lite0", "layers": ("blocks.1",), "weights": "random"},
)


class _OnFeatures(ABC):
    """A frozen backbone, and the features of both pictures in float32."""

    reference = True
    card_args = ("backbone",)

    def __init__(
        self,
        backbone: str,
        layers: Sequence[str],
        weights: str | Path | None,
        sha256: str | None,
    ) -> None:
        self._net, self._mean, self._std = frozen(backbone, layers, weights, sha256)
        self._layers = tuple(layers)
        with torch.no_grad():
            found = self._features(torch.zeros(1, 3, 64, 64))
        self._channels = [each.shape[1] for each in found]

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar; 0 for a perfect output."""
        device = pair.sr.device
        if self._mean.device != device:
            self._to(device)
        with torch.autocast(device.type, enabled=False):
            with torch.no_grad():
                real = self._features(pair.hr.float())
            return self._distance(pair.sr.float(), self._features(pair.sr.float()), pair, real)

    def _features(self, x: Tensor) -> list[Tensor]:
        x = (x - self._mean) / self._std
        return list(self._net(x.contiguous(memory_format=torch.channels_last)))

    def _to(self, device: torch.device) -> None:
        self._net.to(device)
        self._mean, self._std = self._mean.to(device), self._std.to(device)

    @abstractmethod
    def _distance(self, sr: Tensor, made: list[Tensor], pair: Pair, real: list[Tensor]) -> Tensor:
        """The distance of SR with features ``made`` from HR with features ``real``."""


class LPIPS(_OnFeatures):
    """Distance of unit-length features, weighted by channel: LPIPS, equation 1.

    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", 2018,
    https://arxiv.org/abs/1801.03924: the sum over layers l of the mean over places of
    ``sum_c w_lc (a_lc - b_lc)^2``, where a and b have length one at each place. It has the scale of
    LPIPS; ``perceptual`` with ``unit = true`` has that of the MSE.

    LPIPS's published numbers come from ``vgg16`` (timm's vgg16.tv_in1k), its layers ``relu1_2``,
    ``relu2_2``, ``relu3_3``, ``relu4_3``, ``relu5_3``, and the learned weights of that network.

    Args:
        backbone: a timm model that takes pictures of any size.
        layers: names of its modules, as for ``perceptual``.
        weights: the source of the backbone's weights, as for ``perceptual``.
        sha256: the expected sum of that file.
        linear: a safetensors file with the learned w: for each layer a tensor with a number from
            0 for each channel, named as the layer, or as LPIPS names the n-th,
            ``linN.model.1.weight``. None for w = 1.

    Raises:
        SrzooError: the backbone or layer does not exist, or weights are not available.
        WeightsError: a file cannot be read, has another sha256, or does not fit.
    """

    examples = EXAMPLES

    def __init__(
        self,
        *,
        backbone: str = "vgg19",
        layers: Annotated[Sequence[str], MinLen(1)] = LAYERS,
        weights: str | Path | None = None,
        sha256: str | None = None,
        linear: str | Path | None = None,
    ) -> None:
        super().__init__(backbone, layers, weights, sha256)
        sizes = self._channels
        self._w = [torch.ones(1, size, 1, 1) for size in sizes]
        if linear is not None:
            tensors = _read(linear)
            self._w = [
                _fitting(tensors, (layer, f"lin{n}.model.1.weight"), size, linear)
                for n, (layer, size) in enumerate(zip(self._layers, sizes, strict=True))
            ]

    def _to(self, device: torch.device) -> None:
        super()._to(device)
        self._w = [each.to(device) for each in self._w]

    def _distance(self, sr: Tensor, made: list[Tensor], pair: Pair, real: list[Tensor]) -> Tensor:
        terms = [
            (w * (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square()).sum(1).mean()
            for w, a, b in zip(self._w, made, real, strict=True)
        ]
        return torch.stack(terms).sum()


class DISTS(_OnFeatures):
    """Structure and texture of features: DISTS, equations 3 to 7.

    Ding, Ma, Wang and Simoncelli, "Image Quality Assessment: Unifying Structure and Texture
    Similarity", 2020, https://arxiv.org/abs/2004.07728: with the means m and variances s of
    each feature map as a whole, texture ``l = (2 m_x m_y + c) / (m_x^2 + m_y^2 + c)`` and
    structure ``s = (2 s_xy + c) / (s_x + s_y + c)``, c = 1e-6; the loss is
    ``1 - sum (alpha l + beta s)`` over all channels of all layers and the picture's own three,
    where the weights sum to 1. The paper's network pools by L2; here it pools as timm's model does.

    Args:
        backbone: a timm model that takes pictures of any size; the paper's is ``vgg16``.
        layers: names of its modules, as for ``perceptual``.
        weights: the source of the backbone's weights, as for ``perceptual``.
        sha256: the expected sum of that file.
        shares: a safetensors file with ``alpha`` and ``beta``, the paper's learned weights: a
            number from 0 for each of the picture's channels, then for each of every layer's. None
            for the same number for all.

    Raises:
        SrzooError: the backbone or layer does not exist, or weights are not available.
        WeightsError: a file cannot be read, has another sha256, or does not fit.
    """

    examples = EXAMPLES

    def __init__(
        self,
        *,
        backbone: str = "vgg19",
        layers: Annotated[Sequence[str], MinLen(1)] = LAYERS,
        weights: str | Path | None = None,
        sha256: str | None = None,
        shares: str | Path | None = None,
    ) -> None:
        super().__init__(backbone, layers, weights, sha256)
        sizes = [3, *self._channels]
        both = [torch.ones(1, sum(sizes), 1, 1)] * 2
        if shares is not None:
            tensors = _read(shares)
            both = [_fitting(tensors, (name,), sum(sizes), shares) for name in ("alpha", "beta")]
        whole = sum(float(each.sum()) for each in both)
        if not whole > 0:
            raise WeightsError(f"the weights in {shares} are all zero", "Name another file")
        self._alpha, self._beta = (list((each / whole).split(sizes, dim=1)) for each in both)

    def _to(self, device: torch.device) -> None:
        super()._to(device)
        self._alpha = [each.to(device) for each in self._alpha]
        self._beta = [each.to(device) for each in self._beta]

    def _distance(self, sr: Tensor, made: list[Tensor], pair: Pair, real: list[Tensor]) -> Tensor:
        maps = zip([sr, *made], [pair.hr.float(), *real], self._alpha, self._beta, strict=True)
        total = torch.zeros((), device=sr.device)
        for x, y, alpha, beta in maps:
            m_x, m_y = x.mean((2, 3), keepdim=True), y.mean((2, 3), keepdim=True)
            s_x = (x - m_x).square().mean((2, 3), keepdim=True)
            s_y = (y - m_y).square().mean((2, 3), keepdim=True)
            s_xy = ((x - m_x) * (y - m_y)).mean((2, 3), keepdim=True)
            texture = (2 * m_x * m_y + C1) / (m_x.square() + m_y.square() + C1)
            structure = (2 * s_xy + C2) / (s_x + s_y + C2)
            total = total + (alpha * (1 - texture) + beta * (1 - structure)).sum(1).mean()
        return total


def _read(path: str | Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise WeightsError(
            f"cannot read the weights {path}: {error}", "Name a safetensors file"
        ) from error


def _fitting(
    tensors: dict[str, Tensor], names: Sequence[str], size: int, path: str | Path
) -> Tensor:
    """The tensor with one of these names, 1 x size x 1 x 1, without negative values."""
    found = next((tensors[name] for name in names if name in tensors), None)
    if found is None:
        raise WeightsError(f"{path} has no tensor {names[-1]!r}", f"It has: {', '.join(tensors)}")
    if found.numel() != size:
        raise WeightsError(
            f"{names[-1]!r} in {path} has {found.numel()} numbers for {size} channels",
            "Name the file of this backbone and these layers",
        )
    if not bool((found >= 0).all()):
        raise WeightsError(f"{names[-1]!r} in {path} has negative values", "Name another file")
    return found.float().reshape(1, size, 1, 1)
