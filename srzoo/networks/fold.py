"""A linear tail as one convolution: cheaper, and exact away from the picture's border.

EDSR's tail (convolution, shuffle, convolution, shuffle, convolution) has no activation in between,
so it is one linear map from features to pixels: a convolution with a kernel of
``2 * tail_reach + 1`` and a pixel shuffle. Zero padding at the inner levels gives the
``tail_reach`` outermost LR pixels other weights. Inference folds those too; training leaves these
pixels out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..contracts import Generator, SplitGenerator, nn_module, splits

LOW, INSIDE, HIGH = range(3)
"""The position of a window along a side of the picture: at its beginning, inside, at its end."""


def fold_tail(
    generator: SplitGenerator,
    channels: int,
    scale: int,
    at: tuple[int, int] = (INSIDE, INSIDE),
) -> tuple[Tensor, Tensor]:
    """The kernel and bias of a generator's tail, differentiable in its parameters.

    Each row of the kernel is the tail's adjoint on an impulse at one output value of the window's
    LR pixels: one pixel inside, the ``tail_reach`` outermost ones at an edge.

    Args:
        generator: has ``linear_tail``, ``tail_reach`` and ``reconstruct``.
        channels: of its features.
        scale: one of its scales.
        at: the position of the window, vertically and horizontally: LOW, INSIDE or HIGH.

    Returns:
        Kernel n x channels x h x w and bias n. Inside, h = w = 2 tail_reach + 1 and n = 3s^2, in
        the order of :func:`torch.pixel_shuffle`; a window at an edge is one smaller and gives
        ``tail_reach`` times as many values, (3s^2, rows, columns).
    """
    reach = generator.tail_reach
    down, across = (_window(where, reach) for where in at)
    count = 3 * scale**2 * down.gives * across.gives
    some = next(generator.parameters())
    trained = any(p.requires_grad for p in generator.parameters())
    # Inference mode, which the caller may have set, records no gradients whatever is enabled.
    with torch.inference_mode(False), torch.enable_grad():
        f = torch.zeros(
            count, channels, down.side, across.side, dtype=some.dtype, device=some.device
        )
        f.requires_grad_()
        y = F.pixel_unshuffle(generator.reconstruct(f, scale), scale)
        y = y.narrow(2, down.first, down.gives).narrow(3, across.first, across.gives).flatten(1)
        (kernel,) = torch.autograd.grad(y.diagonal().sum(), f, create_graph=trained)
    return kernel, y[0] if trained else y[0].detach()


@dataclass(frozen=True)
class _Window:
    """Along one side: the number of LR pixels of its input, and which of them it outputs."""

    side: int
    first: int
    gives: int


def _window(where: int, reach: int) -> _Window:
    # Every border that must not influence a window is ``reach`` away from its output.
    if where == LOW:
        return _Window(2 * reach, 0, reach)
    if where == HIGH:
        return _Window(2 * reach, reach, reach)
    return _Window(2 * reach + 1, reach, 1)


class Foldable(nn.Module):
    """A generator as training runs it: unchanged, or through its folded tail.

    The wrapper's own ``forward`` folds, so that under several processes gradients are
    synchronised as for any module.

    Args:
        generator: the network; a plain reference, so its parameters are the wrapper's.
        folded: whether to fold; may be changed between steps.
        mode: of torch.compile; "off" for none. The fold itself is never compiled.
    """

    def __init__(self, generator: Generator, folded: bool = False, mode: str = "off") -> None:
        super().__init__()
        self.generator: Generator = generator
        self.folded = folded
        features = generator.features if splits(generator) else None
        self._calls: list[Any] = [generator, features]  # in a list, so that they are not submodules
        if mode != "off":
            calls = (nn_module(generator).forward, features)
            self._calls = [call and torch.compile(call, mode=mode) for call in calls]

    def forward(self, x: Tensor, scale: int) -> Tensor:
        """B x 3 x H x W to B x 3 x sH x sW; folded, ``s * tail_reach`` less on each side."""
        whole, features = self._calls
        if not (self.folded and splits(self.generator)):
            return whole(x, scale)
        f: Tensor = features(x, scale)
        kernel, bias = fold_tail(self.generator, f.shape[1], scale)
        return torch.pixel_shuffle(F.conv2d(f, kernel, bias), scale)
