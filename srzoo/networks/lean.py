"""A generator as inference runs it: the same picture from less work.

Weight normalisation is computed once, batch normalisation goes into the convolution before it,
a linear tail becomes one convolution, and any tail runs in blocks, so that it takes little memory
beside the features. What training needs is lost; :func:`srzoo.zoo.build` gives the network as
it was trained.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion, parametrize

from .fold import fold_tail

BLOCK = 128
"""Side of the LR blocks that a tail runs on: their halo costs little, and they fit into caches."""


def lean(generator: nn.Module) -> nn.Module:
    """A generator, made ready for inference; it is used up.

    Args:
        generator: with its weights, on the CPU in float32.

    Returns:
        A module with the same ``forward``, ``scales`` and ``reach``, in eval mode. Values differ
        from the generator's by rounding alone, at the border too.
    """
    generator = generator.eval().requires_grad_(False)
    normalise(generator)
    if not hasattr(generator, "features") or not hasattr(generator, "tail_reach"):
        return generator
    return Lean(generator)


def normalise(generator: nn.Module) -> None:
    """Weight norm computed once, batch norm folded into the convolution it follows; in place.

    Batch norm is found where it stands behind a convolution in an ``nn.Sequential``.
    """
    for module in generator.modules():
        for name in list(getattr(module, "parametrizations", {})):
            parametrize.remove_parametrizations(module, name)
    for module in generator.modules():
        if isinstance(module, nn.Sequential):
            for at, (conv, norm) in enumerate(zip(module, list(module)[1:], strict=False)):
                if isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                    module[at] = fusion.fuse_conv_bn_eval(conv, norm)
                    module[at + 1] = nn.Identity()


class Folded(nn.Module):
    """A linear tail: one convolution inside, the tail itself on strips along the border.

    ``reconstruct`` of sides up to ``2 * tail_reach`` is the tail's own; beyond that, the folded
    convolution gives all but the ``tail_reach`` outermost LR pixels, whose values depend on zero
    padding at the tail's inner levels.

    Args:
        generator: has ``linear_tail``, ``tail_reach``, ``features`` and ``reconstruct``.
        scale: one of its scales.
    """

    def __init__(self, generator: nn.Module, scale: int) -> None:
        super().__init__()
        self.generator = generator
        self.scale = scale
        self.reach = int(cast("Any", generator).tail_reach)
        side = 2 * self.reach + 1
        with torch.no_grad():
            probe = torch.zeros(1, 3, side, side)
            channels = int(cast("Any", generator).features(probe, scale).shape[1])
        kernel, bias = fold_tail(generator, channels, scale)
        self.inside = nn.Conv2d(channels, len(bias), side)
        self.inside.weight = nn.Parameter(kernel.detach(), requires_grad=False)
        self.inside.bias = nn.Parameter(bias.detach(), requires_grad=False)

    def strip(self, f: Tensor) -> Tensor:
        """What one convolution gives: ``tail_reach`` LR pixels less on each side."""
        return torch.pixel_shuffle(self.inside(f), self.scale)

    def border(self, f: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Top and bottom over the full width; left and right between them."""
        reach, scale = self.reach, self.scale
        edge, tail = reach * scale, cast("Any", self.generator).reconstruct
        return (
            tail(f[:, :, : 2 * reach], scale)[:, :, :edge],
            tail(f[:, :, -2 * reach :], scale)[:, :, -edge:],
            tail(f[..., : 2 * reach], scale)[:, :, edge:-edge, :edge],
            tail(f[..., -2 * reach :], scale)[:, :, edge:-edge, -edge:],
        )

    def forward(self, f: Tensor) -> Tensor:
        """B x C x H x W, sides from ``2 * tail_reach + 1``, to B x 3 x sH x sW in one piece."""
        top, bottom, left, right = self.border(f)
        return torch.cat([top, torch.cat([left, self.strip(f), right], 3), bottom], 2)


class Lean(nn.Module):
    """Features of the whole picture or tile, then the tail block by block.

    Args:
        generator: has ``features``, ``reconstruct`` and ``tail_reach``.
    """

    def __init__(self, generator: nn.Module) -> None:
        super().__init__()
        self.generator = generator
        self.scales = cast("tuple[int, ...]", generator.scales)
        self.reach = cast("int | None", generator.reach)
        self.tail_reach = cast("int", generator.tail_reach)
        self.linear_tail = bool(getattr(generator, "linear_tail", False))
        self.folded = nn.ModuleDict(
            {str(s): Folded(generator, s) for s in self.scales} if self.linear_tail else {}
        )

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x C x H x W."""
        return cast("Any", self.generator).features(x, scale)

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x C x H x W to B x 3 x sH x sW."""
        factor = self.scales[0] if scale is None else scale
        tail = cast("Any", self.generator).reconstruct
        (batch, _, height, width), reach = f.shape, self.tail_reach
        if self.linear_tail and min(height, width) > 2 * reach:
            return self._folded(f, factor)
        if max(height, width) <= BLOCK:
            return tail(f, scale)
        out = _empty(f, (batch, 3, height * factor, width * factor))
        for top, bottom in _parts(0, height):
            for left, right in _parts(0, width):
                above, before = max(0, top - reach), max(0, left - reach)
                part = f[:, :, above : bottom + reach, before : right + reach]
                y = tail(part, scale)[
                    ...,
                    (top - above) * factor : (bottom - above) * factor,
                    (left - before) * factor : (right - before) * factor,
                ]
                out[..., top * factor : bottom * factor, left * factor : right * factor] = y
        return out

    def _folded(self, f: Tensor, scale: int) -> Tensor:
        tail, reach = cast("Folded", self.folded[str(scale)]), self.tail_reach
        batch, _, height, width = f.shape
        out = _empty(f, (batch, 3, height * scale, width * scale))
        edge = reach * scale
        inside = out[..., edge:-edge, edge:-edge]
        out[:, :, :edge], out[:, :, -edge:], left, right = tail.border(f)
        out[:, :, edge:-edge, :edge], out[:, :, edge:-edge, -edge:] = left, right
        for top, bottom in _parts(0, height - 2 * reach, rows=max(1, BLOCK**2 // width)):
            y = tail.strip(f[:, :, top : bottom + 2 * reach])
            inside[:, :, top * scale : bottom * scale] = y
        return out

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        return self.reconstruct(self.features(x, scale), scale)


def _empty(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    made = torch.empty(shape, dtype=like.dtype, device=like.device)
    return made.contiguous(memory_format=torch.channels_last)


def _parts(start: int, stop: int, rows: int = BLOCK) -> Iterator[tuple[int, int]]:
    for low in range(start, stop, rows):
        yield low, min(low + rows, stop)
