"""A linear tail as one convolution: cheaper, and exact away from the picture's border.

EDSR's tail (convolution, shuffle, convolution, shuffle, convolution) has no activation between,
so it is one linear map from features to pixels: a convolution with a kernel of
``2 * tail_reach + 1`` and a pixel shuffle. Zero padding at the inner levels makes the
``tail_reach`` outermost LR pixels differ; those are not computed here.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def fold_tail(generator: nn.Module, channels: int, scale: int) -> tuple[Tensor, Tensor]:
    """The kernel and bias of a generator's tail, differentiable in its parameters.

    Each row of the kernel is the tail's adjoint on an impulse at one of the 3 s^2 output values
    of an LR pixel.

    Args:
        generator: has ``linear_tail``, ``tail_reach`` and ``reconstruct``.
        channels: of its features.
        scale: one of its scales.

    Returns:
        Kernel 3s^2 x channels x k x k and bias 3s^2, for :func:`torch.pixel_shuffle`'s order.
    """
    tail = cast("Any", generator)
    reach = int(tail.tail_reach)
    count, side = 3 * scale**2, 2 * reach + 1
    some = next(generator.parameters())
    trained = any(p.requires_grad for p in generator.parameters())
    with torch.enable_grad():
        f = torch.zeros(count, channels, side, side, dtype=some.dtype, device=some.device)
        f.requires_grad_()
        inside = slice(reach * scale, (reach + 1) * scale)
        y = tail.reconstruct(f, scale)[:, :, inside, inside].flatten(1)
        (kernel,) = torch.autograd.grad(y.diagonal().sum(), f, create_graph=trained)
    return kernel, y[0] if trained else y[0].detach()


class Foldable(nn.Module):
    """A generator as training runs it: as it is, or through its folded tail.

    The wrapper's own ``forward`` folds, so that under several processes gradients are
    synchronised as for any module.

    Args:
        generator: the network; a plain reference, so its parameters are the wrapper's.
        folded: whether to fold; may be changed between steps.
    """

    def __init__(self, generator: nn.Module, folded: bool = False) -> None:
        super().__init__()
        self.generator = generator
        self.folded = folded

    def forward(self, x: Tensor, scale: int) -> Tensor:
        """B x 3 x H x W to B x 3 x sH x sW; folded, ``s * tail_reach`` less on each side."""
        if not self.folded:
            return self.generator(x, scale)
        f: Tensor = cast("Any", self.generator).features(x, scale)
        kernel, bias = fold_tail(self.generator, f.shape[1], scale)
        return torch.pixel_shuffle(F.conv2d(f, kernel, bias), scale)
