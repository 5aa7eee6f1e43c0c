"""Feature distances: the perceptual loss of SRGAN and ESRGAN on any backbone of timm.

* Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative Adversarial
  Network", 2017, https://arxiv.org/abs/1609.04802, equation 5.
* Wang et al., "ESRGAN", 2018, https://arxiv.org/abs/1809.00219: L1, before the activation.
* ``dists``, Ding et al., "Image Quality Assessment: Unifying Structure and Texture Similarity",
  2020, https://arxiv.org/abs/2004.07728.
* ``lpips``, Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual
  Metric", 2018, https://arxiv.org/abs/1801.03924, equation 1: features of length one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Le, MinLen
from torch import Tensor
from torch.nn import functional as F

from srzoo.contracts import Pair
from srzoo.errors import SrzooError

from . import _calibration
from ._frozen import frozen
from ._metrics import DISTS as DISTS
from ._metrics import LPIPS as LPIPS


class Perceptual:
    """The distance of SR and HR in layers of a frozen backbone.

    For a layer's feature maps phi, W x H each, equation 5: the sum over places and channels of
    ``(phi(HR) - phi(SR))^2``, divided by W * H; a mean over the batch. The paper multiplies
    VGG's features by 1 / 12.75, "to obtain VGG losses of a scale that is comparable to the MSE
    loss". Here a factor for each layer does that for every backbone, so that the weight of an
    adversarial loss beside it (1e-3) has the same meaning with each: with it the loss equals the
    MSE of the pictures in -1..1, between four synthetic pictures (``_calibration``) and the same
    pictures downscaled by 4 and enlarged again. ``l1`` does the same with absolute differences.

    SRGAN's VGG22 and VGG54 are ``relu2_2`` and ``relu5_4`` of vgg19. For layers before the
    activation: ``conv5_4`` of a VGG (with batch normalisation: ``features.N`` of the norm after
    it); in other networks, name the module before the activation or the one after it.

    Args:
        backbone: a timm model that takes pictures of any size.
        layers: names of its modules, such as ``features.35`` or ``blocks.4``; for VGG
            networks also ``conv5_4`` and ``relu5_4``, the j-th convolution before the i-th
            max-pool and the activation after it. The loss is the mean over layers.
        layer_weights: one for each layer, for a weighted mean instead.
        criterion: ``mse`` or ``l1``.
        unit: scale each place's features to length one first, as LPIPS does. Dark and faint
            places then count as much as bright ones, where equation 5 overlooks a fine grid.
        weights: their source, with timm's names. None: the Hub, a pinned commit (of
            vgg19). ``"ORG/REPO@COMMIT"``: model.safetensors of another commit on the Hub.
            ``"FILE.safetensors"``: a local file. ``"random"``: drawn from a fixed seed, to
            try a recipe out.
        sha256: the expected sum of the file.
        precision: of the backbone's computation. ``auto``: ``bf16`` on a CUDA GPU that supports it,
            under autocast, and ``fp32`` elsewhere. Distances are taken in fp32 with each.

    Attributes:
        factors: the factor of the distance in each layer.

    Raises:
        SrzooError: the backbone or layer does not exist, or weights are not available.
        WeightsError: the file cannot be read, has another sha256, or does not fit.
    """

    reference = True
    card_args = ("backbone",)
    examples = (
        {"backbone": "vgg11", "layers": ("relu2_1",), "weights": "random"},
        {"backbone": "tf_efficientnet_lite0", "layers": ("blocks.1",), "weights": "random"},
    )

    def __init__(
        self,
        *,
        backbone: str = "vgg19",
        layers: Annotated[Sequence[str], MinLen(1)] = ("relu5_4",),
        layer_weights: Sequence[Annotated[float, Gt(0)]] | None = None,
        criterion: Literal["mse", "l1"] = "mse",
        unit: bool = False,
        shift: Annotated[int, Ge(1), Le(64)] = 1,
        weights: str | Path | None = None,
        sha256: str | None = None,
        precision: Literal["auto", "fp32", "bf16"] = "auto",
    ) -> None:
        self._squared = criterion == "mse"
        self._unit = unit
        self._shift = shift
        self._precision = precision
        self._net, self._mean, self._std = frozen(backbone, layers, weights, sha256)
        self._shares = _shares(layers, layer_weights)
        self.factors = self._calibrate()

    def __call__(self, pair: Pair) -> Tensor:
        """A scalar, about as large as the MSE of pictures in -1..1; 0 for a perfect output."""
        found = self.distances(pair)
        terms = [share * self.factors[n] * found[n] for n, share in self._shares.items()]
        return torch.stack(terms).sum()

    def distances(self, pair: Pair) -> dict[str, Tensor]:
        """Equation 5 for each layer, or LPIPS's equation 1, without the factor."""
        device = pair.sr.device
        self._to(device)
        with torch.autocast(device.type, enabled=False):
            with torch.no_grad():
                real = self._features(self._shifted(pair.hr))
            made = self._features(self._shifted(pair.sr))
            pairs = zip(self._shares, made, real, strict=True)
            return {name: self._distance(a, b) for name, a, b in pairs}

    def _shifted(self, x: Tensor) -> Tensor:
        """The n-th picture by (n, n + n / shift): each column once for each row."""
        if self._shift == 1:
            return x
        across, height, width = self._shift, *(side - self._shift + 1 for side in x.shape[2:])
        places = [(n % across, (n + n // across) % across) for n in range(len(x))]
        return torch.stack([
            one[:, y : y + height, z : z + width] for one, (y, z) in zip(x, places, strict=True)
        ])  # fmt: skip

    def _features(self, x: Tensor) -> list[Tensor]:
        x = (x.float() - self._mean) / self._std
        x = x.contiguous(memory_format=torch.channels_last)
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self._in_bf16(x.device)):
            found = self._net(x)
        found = [each.float() for each in found]
        return [F.normalize(each, dim=1) for each in found] if self._unit else found

    def _in_bf16(self, device: torch.device) -> bool:
        if self._precision != "auto":
            return self._precision == "bf16"
        # Not on older GPUs, which emulate it and are slower than with fp32.
        return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)

    def _distance(self, a: Tensor, b: Tensor) -> Tensor:
        difference = a - b
        return (difference.square() if self._squared else difference.abs()).sum(1).mean()

    def _to(self, device: torch.device) -> None:
        if self._mean.device != device:
            self._net.to(device)
            self._mean, self._std = self._mean.to(device), self._std.to(device)

    @torch.no_grad()
    def _calibrate(self) -> dict[str, float]:
        sharp = _calibration.pictures()
        blurred = _calibration.blurred(sharp)
        pixels = 2 * (sharp - blurred)  # in -1..1
        wanted = float((pixels.square() if self._squared else pixels.abs()).mean())
        found = self.distances(Pair(lr=sharp, hr=sharp, sr=blurred))
        for name, value in found.items():
            if not 0 < float(value) < math.inf:
                raise SrzooError(
                    f"layer {name!r} cannot distinguish a sharp picture from a blurred one"
                    f" (its distance is {float(value)})",
                    "Choose another layer, or check the weights",
                )
        return {name: wanted / float(value) for name, value in found.items()}


def _shares(layers: Sequence[str], weights: Sequence[float] | None) -> dict[str, float]:
    """The share of each layer; they add up to 1."""
    if weights is None:
        weights = [1.0] * len(layers)
    if len(weights) != len(layers):
        raise SrzooError(
            f"layer_weights is {list(weights)}, layers is {list(layers)}",
            "Give one weight for each layer",
        )
    return {name: weight / sum(weights) for name, weight in zip(layers, weights, strict=True)}
