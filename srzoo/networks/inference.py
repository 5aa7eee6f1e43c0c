"""Generators prepared for inference: the same values with less work.

Weight normalisation is computed once, batch normalisation is merged into the convolution before
it, a linear tail becomes one convolution, and any tail runs in blocks, so that it needs little
memory in addition to the features. The result cannot be trained;
:func:`srzoo.networks.folders.build` returns the trained network.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.utils import fusion, parametrize

from ..contracts import (
    Generator,
    Module,
    SplitGenerator,
    has_linear_tail,
    multiple_of,
    on_grid,
    splits,
)
from .fold import HIGH, INSIDE, LOW, fold_tail
from .grid import any_size, run_on_grid

BLOCK = 128
"""Side of the LR blocks on which a tail runs: large compared with their halo, small in caches."""
SMALLEST = 8
"""Side of the test picture that shows the number of feature channels."""


def for_inference(generator: Generator) -> Generator:
    """Prepare a generator for inference; the original must not be used afterwards.

    Args:
        generator: with its weights, on the CPU in float32.

    Returns:
        A module with the same ``forward``, ``scales``, ``reach`` and ``multiple``, in eval mode.
        Values differ from the generator's only by rounding, including at the border. It takes
        pictures of any size, whatever the grid.
    """
    generator = generator.eval().requires_grad_(False)
    fold_norms(generator)
    if not splits(generator):
        return any_size(generator)
    return InferenceNetwork(generator)


def fold_norms(generator: Module) -> None:
    """Compute weight norm once, and merge batch norm into the convolution before it; in place.

    Batch norm is found after a convolution in an ``nn.Sequential``.
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
    """A linear tail as nine convolutions: one for the interior, eight for the picture's border.

    The tail pads its inner levels with zeros, so the ``tail_reach`` outermost LR pixels have other
    weights. These are linear too: the window at an edge is ``2 * tail_reach`` LR pixels wide and
    outputs ``tail_reach`` of them; a window inside is one wider and outputs one.

    Args:
        generator: has ``linear_tail``, ``tail_reach``, ``features`` and ``reconstruct``.
        scale: one of its scales.
    """

    def __init__(self, generator: SplitGenerator, scale: int) -> None:
        super().__init__()
        self.scale = scale
        self.reach = generator.tail_reach
        self.parts = nn.ModuleList(
            _window(generator, scale, (vertical, horizontal))
            for vertical in (LOW, INSIDE, HIGH)
            for horizontal in (LOW, INSIDE, HIGH)
        )

    @property
    def smallest(self) -> int:
        """The least side in LR pixels, ``2 * tail_reach + 1``."""
        return 2 * self.reach + 1

    def band(self, f: Tensor, vertical: int) -> Tensor:
        """Rows of LR pixels over the full width, before the shuffle: B x 3s^2 x h x W.

        Args:
            f: features, B x C x h' x W: the ``2 * tail_reach`` topmost or lowest rows, of which
                the outer half is output; or any others, with ``tail_reach`` more above and below.
            vertical: LOW (the top), INSIDE or HIGH (the bottom).
        """
        reach, values = self.reach, 3 * self.scale**2
        low, inside, high = self.parts[3 * vertical : 3 * vertical + 3]
        left = low(f[..., : 2 * reach])
        middle = inside(f)
        right = high(f[..., -2 * reach :])
        batch = f.shape[0]
        if vertical == INSIDE:  # each window outputs a row of ``reach`` pixels, as channels
            left = left.reshape(batch, values, reach, -1).transpose(2, 3)
            right = right.reshape(batch, values, reach, -1).transpose(2, 3)
        else:
            left = left.reshape(batch, values, reach, reach)
            middle = middle.reshape(batch, values, reach, -1)
            right = right.reshape(batch, values, reach, reach)
        return torch.cat([left, middle, right], 3)

    def forward(self, f: Tensor) -> Tensor:
        """B x C x H x W, sides from ``smallest``, to B x 3 x sH x sW in one piece."""
        twice = 2 * self.reach
        top, bottom = self.band(f[:, :, :twice], LOW), self.band(f[:, :, -twice:], HIGH)
        whole = torch.cat([top, self.band(f, INSIDE), bottom], 2)
        return torch.pixel_shuffle(whole, self.scale)


def _window(generator: SplitGenerator, scale: int, at: tuple[int, int]) -> nn.Conv2d:
    """One window of a linear tail as a convolution without padding."""
    channels = _probed(generator, scale)[0]
    kernel, bias = fold_tail(generator, channels, scale, at)
    made = nn.Conv2d(channels, len(bias), (kernel.shape[2], kernel.shape[3]))
    made.weight = nn.Parameter(kernel.detach().contiguous(), requires_grad=False)
    made.bias = nn.Parameter(bias.detach().clone(), requires_grad=False)
    return made


@torch.no_grad()
def _probed(generator: SplitGenerator, scale: int) -> tuple[int, int]:
    """Channels of the features, and the LR pixels per feature along a side."""
    side = on_grid(SMALLEST, multiple_of(generator))
    some = next(generator.parameters(), torch.zeros(1))
    f = generator.features(some.new_zeros(1, 3, side, side), scale)
    return f.shape[1], side // f.shape[2]


class InferenceNetwork(nn.Module):
    """Features of the whole picture or tile, then the tail block by block.

    Args:
        generator: has ``features``, ``reconstruct`` and ``tail_reach``.
    """

    def __init__(self, generator: SplitGenerator) -> None:
        super().__init__()
        self.generator: SplitGenerator = generator
        self.scales, self.reach = generator.scales, generator.reach
        self.multiple = multiple_of(generator)
        self.tail_reach = generator.tail_reach
        self.linear_tail = has_linear_tail(generator)
        on_a_grid = self.multiple > 1 and not self.linear_tail
        self.cell = _probed(generator, self.scales[0])[1] if on_a_grid else 1
        # Folding the border too takes seconds, so the tail itself computes it, on strips.
        inside = self.scales if self.linear_tail else ()
        self.inside = nn.ModuleDict(
            {str(s): _window(generator, s, (INSIDE, INSIDE)) for s in inside}
        )

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x C x H x W."""
        return self.generator.features(x, scale)

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        """B x C x H x W to B x 3 x sH x sW; on a grid a feature may cover several pixels."""
        factor = self.scales[0] if scale is None else scale
        tail = self.generator.reconstruct
        (batch, _, height, width), reach = f.shape, self.tail_reach
        if self.linear_tail and min(height, width) > 2 * reach:
            return self._folded(f, factor)
        # Units are features from here on; blocks begin on the grid.
        grid, times = self.multiple // self.cell, factor * self.cell
        block, reach = on_grid(-(-BLOCK // self.cell), grid), on_grid(-(-reach // self.cell), grid)
        if max(height, width) <= block:
            return tail(f, scale)
        out = _empty(f, (batch, 3, height * times, width * times))
        for top, bottom in _parts(0, height, block):
            for left, right in _parts(0, width, block):
                above, before = max(0, top - reach), max(0, left - reach)
                part = f[:, :, above : bottom + reach, before : right + reach]
                y = tail(part, scale)[
                    ...,
                    (top - above) * times : (bottom - above) * times,
                    (left - before) * times : (right - before) * times,
                ]
                out[..., top * times : bottom * times, left * times : right * times] = y
        return out

    def _folded(self, f: Tensor, scale: int) -> Tensor:
        tail = self.generator.reconstruct
        reach = self.tail_reach
        batch, _, height, width = f.shape
        edge, twice = reach * scale, 2 * reach
        out = _empty(f, (batch, 3, height * scale, width * scale))
        out[:, :, :edge] = tail(f[:, :, :twice], scale)[:, :, :edge]
        out[:, :, -edge:] = tail(f[:, :, -twice:], scale)[:, :, -edge:]
        out[:, :, edge:-edge, :edge] = tail(f[..., :twice], scale)[:, :, edge:-edge, :edge]
        out[:, :, edge:-edge, -edge:] = tail(f[..., -twice:], scale)[:, :, edge:-edge, -edge:]
        for top, bottom in _parts(reach, height - reach, rows=max(1, BLOCK**2 // width)):
            band = self.inside[str(scale)](f[:, :, top - reach : bottom + reach])
            rows = torch.pixel_shuffle(band, scale)
            out[:, :, top * scale : bottom * scale, edge:-edge] = rows
        return out

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        factor = self.scales[0] if scale is None else scale
        return run_on_grid(
            lambda x: self.reconstruct(self.features(x, scale), scale), x, self.multiple, factor
        )


def _empty(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    made = torch.empty(shape, dtype=like.dtype, device=like.device)
    return made.contiguous(memory_format=torch.channels_last)


def _parts(start: int, stop: int, rows: int = BLOCK) -> Iterator[tuple[int, int]]:
    for low in range(start, stop, rows):
        yield low, min(low + rows, stop)
