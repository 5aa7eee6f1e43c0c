"""What type checkers find: each line that is marked, and no other."""

from __future__ import annotations

from torch import Tensor, nn

import srzoo
from srzoo.contracts import (
    Block,
    Discriminator,
    Downloadable,
    Generator,
    Loss,
    MetricFacts,
    Pair,
    SizedPictures,
)


class Silent(nn.Module):
    """A block that states no reach."""

    def forward(self, x: Tensor) -> Tensor:
        """The same."""
        return x


class Wordy(nn.Module):
    """A block whose reach is a word."""

    reach = "far"


class Plain:
    """No nn.Module."""

    reach = 1

    def __call__(self, x: Tensor) -> Tensor:
        """The same."""
        return x


class Odd:
    """A loss of two pictures."""

    reference = True

    def __call__(self, sr: Tensor, hr: Tensor) -> Tensor:
        """A scalar."""
        return (sr - hr).mean()


class Stating(MetricFacts):
    """A metric whose unit is a number."""

    unit = 3  # wrong


class Fetched:
    """A data set that comes into no folder, with sizes in words."""

    @staticmethod
    def fetch(*, year: str = "2021") -> list[str]:
        """Nothing."""
        return [year]

    def size(self, index: int) -> str:
        """In words."""
        return f"{index} x {index}"


def change(net: Generator) -> None:
    """Facts are read."""
    net.reach = 3  # wrong


def judge(net: Discriminator, pair: Pair) -> int:
    """Logits are a tensor."""
    return net(pair.sr)  # wrong


fetched: Downloadable = Fetched()  # wrong
sized: SizedPictures = Fetched()  # wrong
silent: Block = Silent()  # wrong
wordy: Block = Wordy()  # wrong
plain: Block = Plain()  # wrong
odd: Loss = Odd()  # wrong
srzoo.generators.create("edsr").enlarge()  # wrong
srzoo.losses.register("odd", Odd)  # wrong
