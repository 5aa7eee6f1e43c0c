"""What training makes small: losses, and tasks with networks of their own."""

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
    """What a loss sees: B x 3 x H x W each, float, 0..1, ``sr`` unclamped."""

    lr: Tensor
    hr: Tensor
    sr: Tensor

    def detach(self) -> Pair:
        """The same with no gradient to the generator."""
        return Pair(self.lr, self.hr, self.sr.detach())


class Loss(Protocol):
    """A number that training makes small.

    Attributes:
        reference: False for a loss that does not look at ``pair.hr``.

    It may state :class:`srzoo.contracts.LossFacts`.
    """

    @fact
    def reference(self) -> bool: ...

    def __call__(self, pair: Pair) -> Tensor:
        """A float32 scalar, averaged over batch and pixels; what ``pair`` has stays as it is.

        The same for the same pair, newly built too. It has a gradient to ``pair.sr`` that is finite
        everywhere, and not zero where ``sr`` is beyond 0..1; weights of its own get none. One with
        ``reference`` is lowest where ``sr`` is ``hr``.
        """
        ...


class AdversarialLoss(Protocol):
    """The two halves of a game between generator and discriminator: float32 scalars.

    Logits B x 1 and B x 1 x h x w of one value count the same: it averages over batch and places.
    It may draw chance from torch.
    """

    def for_generator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar that falls as the discriminator takes ``pair.sr`` for real."""
        ...

    def for_discriminator(self, discriminator: Discriminator, pair: Pair) -> Tensor:
        """A scalar that falls as the discriminator tells ``pair.sr`` from ``pair.hr``."""
        ...


class Task(Protocol):
    """What is trained beside a generator, and what a step does with it.

    A step enlarges a batch, and then each network that has a turn moves: the generator by the
    recipe's losses and :meth:`terms`, each further one by :meth:`loss_of`. The trainer gives each
    an optimiser, a loss scale, a place on the device, and a part of every checkpoint; it puts
    ``networks`` into train mode and ``helpers`` into eval mode.

    Attributes:
        networks: the ``nn.Module`` that are trained beside the generator, by name, in the order
            of their turns. A name holds no dot; it is the network's in logs and checkpoints. Each
            task builds its own. One may state :class:`srzoo.contracts.NetworkFacts`.
        helpers: every other ``nn.Module`` that it calls, by name, such as a teacher or a loss:
            never trained, and in no checkpoint. No module with weights stands elsewhere.
        scales: those that it can work at; None for any.

    One that calls networks on a grid states it, as in :class:`srzoo.contracts.GridFacts`: LR
    crops are whole cells of it.
    """

    @fact
    def networks(self) -> Mapping[str, Module]: ...
    @fact
    def helpers(self) -> Mapping[str, Module]: ...
    @fact
    def scales(self) -> tuple[int, ...] | None: ...

    def turns(self, step: int) -> Collection[str]:
        """Who moves at a step, from 0 in each stage: names of networks, and "generator".

        A function of the step alone, and never empty, so that a run resumes as it was.
        """
        ...

    def terms(self, pair: Pair, networks: Mapping[str, Any]) -> dict[str, Tensor]:
        """What the generator's loss has besides the recipe's: scalars, weighted, by name.

        ``networks`` are frozen meanwhile; the gradient goes through them.
        """
        ...

    def loss_of(
        self, name: str, network: Any, pair: Pair
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The losses that a network follows in its turn, and facts to log, scalars by name.

        ``network`` is ``networks[name]``, or what wraps it on several devices; call nothing else
        of it. ``pair.sr`` has no gradient. Facts called ``d_real``, ``d_fake`` and ``d_right``
        are drawn, and watched: see :mod:`srzoo.training.watchdog`.
        """
        ...
