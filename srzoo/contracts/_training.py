"""Contracts for training: losses, and tasks with networks of their own."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ._facts import fact

if TYPE_CHECKING:
    from torch import Tensor

    from . import Discriminator
    from ._module import Module


@dataclass(frozen=True)
class Pair:
    """The input of a loss: B x 3 x H x W each, float, 0..1, ``sr`` unclamped."""

    lr: Tensor
    hr: Tensor
    sr: Tensor

    def detach(self) -> Pair:
        """The same pair, with no gradient to the generator."""
        return Pair(self.lr, self.hr, self.sr.detach())


class Loss(Protocol):
    """A number that training minimises.

    Attributes:
        reference: False for a loss that does not use ``pair.hr``.

    It may state :class:`srzoo.contracts.LossFacts`.
    """

    @fact
    def reference(self) -> bool: ...

    def __call__(self, pair: Pair) -> Tensor:
        """A float32 scalar, averaged over batch and pixels; it does not change ``pair``.

        The value is the same for the same pair, also from a loss built again. Its gradient to
        ``pair.sr`` is finite everywhere, and not zero where ``sr`` is outside 0..1; its own weights
        get no gradient. A loss with ``reference`` is lowest where ``sr`` equals ``hr``.
        """
        ...


class AdversarialLoss(Protocol):
    """The adversarial loss of the generator, and that of the discriminator: float32 scalars.

    It averages over batch and places, so logits B x 1 and constant logits B x 1 x h x w give the
    same value. It may draw random numbers from torch.
    """

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar that falls as the discriminator rates ``pair.sr`` as more real."""
        ...

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar that falls as the discriminator separates ``pair.sr`` from ``pair.hr``."""
        ...


class Task(Protocol):
    """Networks that are trained beside a generator, and their part in a step.

    A step upscales a batch, and then updates each network whose turn it is: the generator by the
    recipe's losses and :meth:`terms`, every other one by :meth:`loss_of`. The trainer gives each
    an optimiser, a loss scale, a place on the device, and a part of every checkpoint; it puts
    ``networks`` into train mode and ``helpers`` into eval mode.

    Attributes:
        networks: each ``nn.Module`` that is trained beside the generator, by name, in the order of
            their turns. A name contains no dot; logs and checkpoints use it. Each task builds its
            own. One may state :class:`srzoo.contracts.NetworkFacts`.
        helpers: every other ``nn.Module`` that it calls, by name, such as a teacher or a loss:
            never trained, and in no checkpoint. No module with weights may be elsewhere in the
            task.
        scales: the scales that it supports; None for any.

    A task that calls networks on a grid states the grid, as in :class:`srzoo.contracts.GridFacts`:
    LR crops are whole cells of it.
    """

    @fact
    def networks(self) -> Mapping[str, Module]: ...
    @fact
    def helpers(self) -> Mapping[str, Module]: ...
    @fact
    def scales(self) -> tuple[int, ...] | None: ...

    def turns(self, step: int) -> Collection[str]:
        """The names of the networks that a step updates; "generator" may be one.

        Steps count from 0 in each stage. The result depends on the step alone, so that a run
        resumes exactly, and is never empty.
        """
        ...

    def terms(self, pair: Pair, networks: Mapping[str, Any]) -> dict[str, Tensor]:
        """Further terms of the generator's loss: weighted scalars, by name.

        ``networks`` are frozen meanwhile; gradients pass through them.
        """
        ...

    def loss_of(
        self, name: str, network: Any, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The losses of a network in its turn, and values to log, scalars by name.

        ``network`` is ``networks[name]``, or its wrapper on several devices; only call it.
        ``pair.sr`` has no gradient. Values named ``d_real``, ``d_fake`` and ``d_right`` are
        plotted and watched: see :mod:`srzoo.training.watchdog`.
        """
        ...
