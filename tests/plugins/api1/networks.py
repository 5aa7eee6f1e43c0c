"""A generator, a discriminator and a block of plugin API 1."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from srzoo import building


class Net(nn.Module):
    """One convolution, blocks, and a pixel shuffle."""

    plugin_api = 1
    linear_tail = True
    tail_reach = 1
    examples = ({}, {"scale": 3})

    def __init__(self, *, scale: int = 2, block: str | Mapping[str, Any] = "api1") -> None:
        super().__init__()
        self.scales = (scale,)
        self.head = nn.Conv2d(3, 4, 3, padding=1)
        self.body = nn.Sequential(*building.blocks(2, block, channels=4))
        self.tail = nn.Sequential(nn.Conv2d(4, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))
        inner = building.reach_of(self.body)
        self.multiple = building.multiple_of(self.body)
        self.reach = None if inner is None else 1 + inner + self.tail_reach

    def features(self, x, scale=None):
        """To features."""
        return self.body(self.head(x))

    def reconstruct(self, f, scale=None):
        """To the picture."""
        return self.tail(f)

    def forward(self, x, scale=None):
        """Enlarges."""
        return self.reconstruct(self.features(x))


class Judge(nn.Module):
    """Logits of places."""

    min_size = 8

    def __init__(self, *, n_feats: int = 4) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(3, n_feats, 3, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(n_feats, 1, 3, 1, 1)
        )

    def forward(self, y):
        """Logits."""
        return self.net(y)


class Block(nn.Module):
    """A convolution beside the identity."""

    reach = 1
    examples = ({"channels": 4},)

    def __init__(self, *, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x):
        """The same shape."""
        return x + self.conv(x).relu()
