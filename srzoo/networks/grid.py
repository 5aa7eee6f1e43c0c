"""Pictures of any size for a network on a grid: padded by reflection, and cropped afterwards."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..contracts import Generator, multiple_of, on_grid


def run_on_grid(run: Callable[[Tensor], Tensor], x: Tensor, multiple: int, scale: int) -> Tensor:
    """Run a network on a picture whose sides need not be multiples of its grid.

    Args:
        run: B x 3 x H x W to B x 3 x sH x sW, for sides on the grid.
        x: B x 3 x H x W.
        multiple: the grid.
        scale: s.
    """
    height, width = x.shape[2:]
    down, across = on_grid(height, multiple), on_grid(width, multiple)
    if (down, across) == (height, width):
        return run(x)
    padded = x[:, :, _mirrored(height, down, x.device)][:, :, :, _mirrored(width, across, x.device)]
    return run(padded)[:, :, : height * scale, : width * scale]


def _mirrored(length: int, padded: int, device: torch.device) -> Tensor:
    """The pixel indices of a side that is extended by reflection, with edge pixels repeated."""
    at = torch.arange(padded, device=device) % (2 * length)
    return torch.minimum(at, 2 * length - 1 - at)


class AnySize(nn.Module):
    """A network on a grid that takes pictures of any size.

    Args:
        generator: the network.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self.generator: Generator = generator
        self.scales = generator.scales
        self.reach = generator.reach
        self.multiple = multiple_of(generator)

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        """B x 3 x H x W in 0..1 to B x 3 x sH x sW, unclamped."""
        factor = self.scales[0] if scale is None else scale
        return run_on_grid(lambda x: self.generator(x, factor), x, self.multiple, factor)


def any_size(generator: Generator) -> Generator:
    """The network itself or, if it works on a grid, a wrapper for pictures of any size."""
    return generator if multiple_of(generator) == 1 else AnySize(generator)
