"""Networks that work on a grid, as tests need them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SCALE = 2


class _Grid(nn.Module):
    """What all have in common; ``hidden`` ones pad inside and do not say on which grid."""

    scales = (SCALE,)
    cell = 2
    reach: int | None = 3

    def __init__(self, *, cell: int | None = None, hidden: bool = False) -> None:
        super().__init__()
        if cell:
            self.cell = cell
        self.hidden = hidden
        if not hidden:
            self.multiple = self.cell

    def forward(self, x: Tensor, scale: int | None = None) -> Tensor:
        if not self.hidden:
            return self.net(x)
        height, width = x.shape[2:]
        down, across = -height % self.cell, -width % self.cell
        y = self.net(F.pad(x, (0, across, 0, down), mode="replicate"))
        return y[:, :, : SCALE * height, : SCALE * width]

    def net(self, x: Tensor) -> Tensor:
        raise NotImplementedError


class Unshuffled(_Grid):
    """A convolution on ``pixel_unshuffle``."""

    def __init__(self, *, cell: int = 2, hidden: bool = False) -> None:
        super().__init__(cell=cell, hidden=hidden)
        self.reach = 2 * cell - 1
        self.conv = nn.Conv2d(3 * cell**2, 3 * (SCALE * cell) ** 2, 3, padding=1)

    def net(self, x: Tensor) -> Tensor:
        y = self.conv(F.pixel_unshuffle(x, self.cell))
        return F.pixel_shuffle(y, SCALE * self.cell)


class Windowed(_Grid):
    """Each pixel is mixed with the mean of its window, as attention would."""

    cell, reach = 8, 9

    def __init__(self, *, hidden: bool = False) -> None:
        super().__init__(hidden=hidden)
        self.head = nn.Conv2d(3, 6, 3, padding=1)
        self.mix = nn.Linear(12, 3 * SCALE**2)

    def net(self, x: Tensor) -> Tensor:
        f = self.head(x)
        batch, channels, height, width = f.shape
        windows = f.reshape(batch, channels, height // 8, 8, width // 8, 8)
        means = windows.mean((3, 5), keepdim=True).expand_as(windows).reshape(f.shape)
        y = self.mix(torch.cat([f, means], 1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return F.pixel_shuffle(y, SCALE)


class Pooled(_Grid):
    """A U-net of one level: average pooling, then nearest upsampling beside what came in."""

    cell, reach = 4, 8

    def __init__(self, *, hidden: bool = False) -> None:
        super().__init__(hidden=hidden)
        self.low = nn.Conv2d(3, 8, 3, padding=1)
        self.out = nn.Conv2d(11, 3 * SCALE**2, 3, padding=1)

    def net(self, x: Tensor) -> Tensor:
        low = F.relu(self.low(F.avg_pool2d(x, 4)))
        f = torch.cat([x, F.interpolate(low, scale_factor=4, mode="nearest")], 1)
        return F.pixel_shuffle(self.out(f), SCALE)


class Split(Unshuffled):
    """Features at a part of the size; a tail that is not affine."""

    def __init__(self, *, cell: int = 2, hidden: bool = False) -> None:
        super().__init__(cell=cell, hidden=hidden)
        self.tail = nn.Conv2d(8, 3 * (SCALE * cell) ** 2, 3, padding=1)
        self.conv = nn.Conv2d(3 * cell**2, 8, 3, padding=1)
        self.tail_reach = 2 * cell - 1
        self.reach = 3 * cell - 1

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        return self.conv(F.pixel_unshuffle(x, self.cell))

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        return F.pixel_shuffle(self.tail(F.relu(f)), SCALE * self.cell)

    def net(self, x: Tensor) -> Tensor:
        return self.reconstruct(self.features(x))


class SplitWindows(Windowed):
    """A body on a grid, a linear tail that is on none."""

    linear_tail = True
    tail_reach = 1

    def __init__(self, *, hidden: bool = False) -> None:
        super().__init__(hidden=hidden)
        del self.mix
        self.reach = 10
        self.tail = nn.Conv2d(12, 3 * SCALE**2, 3, padding=1)

    def features(self, x: Tensor, scale: int | None = None) -> Tensor:
        f = self.head(x)
        batch, channels, height, width = f.shape
        windows = f.reshape(batch, channels, height // 8, 8, width // 8, 8)
        means = windows.mean((3, 5), keepdim=True).expand_as(windows).reshape(f.shape)
        return torch.cat([f, means], 1)

    def reconstruct(self, f: Tensor, scale: int | None = None) -> Tensor:
        return F.pixel_shuffle(self.tail(f), SCALE)

    def net(self, x: Tensor) -> Tensor:
        return self.reconstruct(self.features(x))


class Block(nn.Module):
    """A block that adds the mean of its windows of 4."""

    multiple, reach = 4, 3
    examples = ({"channels": 8},)

    def __init__(self, *, channels: int, hidden: bool = False) -> None:
        super().__init__()
        self.hidden = hidden
        if hidden:
            self.multiple = 1
        self.factor = nn.Parameter(torch.full((1, channels, 1, 1), 0.7))

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[2:]
        padded = F.pad(x, (0, -width % 4, 0, -height % 4), mode="replicate") if self.hidden else x
        means = F.interpolate(F.avg_pool2d(padded, 4), scale_factor=4, mode="nearest")
        return x + self.factor * means[:, :, :height, :width]


NETWORKS = [
    (Unshuffled, {"cell": 2}),
    (Unshuffled, {"cell": 4}),
    (Unshuffled, {"cell": 3}),
    (Windowed, {}),
    (Pooled, {}),
    (Split, {"cell": 2}),
    (Split, {"cell": 4}),
    (SplitWindows, {}),
]


def network(kind: type[_Grid], **args: object) -> nn.Module:
    """One with weights of its own, the same every time."""
    torch.manual_seed(0)
    return kind(**args).eval()
