"""One step: the generator's turn, then the discriminator's."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Pair
from .assemble import Adversary, Parts
from .crops import Batch
from .processes import anywhere
from .watchdog import NotFinite, culprits, picture_facts

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """The parts as accelerate made them ready: wrapped where there are several processes.

    Attributes:
        discriminator, opponent: the discriminator's wrapper and optimiser, where there is one.
    """

    parts: Parts
    accelerator: Any  # accelerate has no types
    generator: Any
    optimizer: Any
    discriminator: Any = None
    opponent: Any = None

    @property
    def models(self) -> list[Any]:
        """What is trained."""
        return [self.generator, self.discriminator][: 2 if self.parts.adversary else 1]


def prepare(parts: Parts, accelerator: Any) -> Run:
    """Hand the parts to accelerate."""
    # A network of several scales leaves some of its heads out of every step.
    accelerator.ddp_handler.find_unused_parameters = len(parts.scales) > 1
    generator, optimizer = accelerator.prepare(parts.foldable, parts.optimizer)
    if not parts.adversary:
        return Run(parts, accelerator, generator, optimizer)
    accelerator.ddp_handler.find_unused_parameters = False
    discriminator, opponent = accelerator.prepare(
        parts.adversary.discriminator, parts.adversary.optimizer
    )
    return Run(parts, accelerator, generator, optimizer, discriminator, opponent)


@dataclass(frozen=True)
class Taken:
    """What came out of a batch.

    Attributes:
        losses: the weighted terms of the generator's loss, then "discriminator".
        facts: other numbers to log and to watch.
    """

    losses: Values
    facts: Values


def take(run: Run, batch: Batch, generator_moves: bool = True) -> Taken:
    """Both turns on one batch; the optimisers step once enough batches are accumulated.

    Args:
        run: whose networks.
        batch: what they see.
        generator_moves: False for the discriminator's turn alone.

    Raises:
        NotFinite: a loss or a gradient is not; neither network was changed by this turn.
    """
    with run.accelerator.accumulate(*run.models):
        with torch.set_grad_enabled(generator_moves):
            pair = _enlarge(run, batch)
        if generator_moves:
            losses, facts = _generator_turn(run, pair)
        else:
            losses, facts = Values(), picture_facts(pair)
        if run.parts.adversary:
            more, said = _discriminator_turn(run, run.parts.adversary, pair.detach())
            losses, facts = losses | more, facts | said
    return Taken(losses, facts)


def _enlarge(run: Run, batch: Batch) -> Pair:
    device = run.accelerator.device
    lr = batch.lr.to(device, memory_format=torch.channels_last)
    hr = batch.hr.to(device, memory_format=torch.channels_last)
    with run.accelerator.autocast():
        sr: Tensor = run.generator(lr, batch.scale)
    border = (hr.shape[-1] - sr.shape[-1]) // 2  # a folded tail gives the interior alone
    if border:
        hr = hr[..., border:-border, border:-border]
        inner = border // batch.scale
        lr = lr[..., inner:-inner, inner:-inner]
    return Pair(lr=lr, hr=hr, sr=sr.float())


def _generator_turn(run: Run, pair: Pair) -> tuple[Values, Values]:
    adversary = run.parts.adversary
    losses = {term.name: term.weight * term.loss(pair) for term in run.parts.terms}
    if adversary:
        # The bare network: no wrapper has to synchronise gradients that it does not get.
        with frozen(adversary.trained), run.accelerator.autocast():
            value = adversary.loss.for_generator(adversary.discriminator, pair)
        losses["adversarial"] = adversary.weight * value
    descent = _descend(run, "generator", run.optimizer, run.parts.trained, losses, pair)
    return losses, picture_facts(pair) | descent


def _discriminator_turn(run: Run, adversary: Adversary, pair: Pair) -> tuple[Values, Values]:
    heard = Heard(run.discriminator, adversary.discriminator.min_size, pair)
    with run.accelerator.autocast():
        losses = {"discriminator": adversary.loss.for_discriminator(heard, pair)}
    descent = _descend(run, "discriminator", run.opponent, adversary.trained, losses, pair)
    return losses, heard.facts() | descent


def _descend(
    run: Run, who: str, optimizer: Any, trained: list[nn.Parameter], losses: Values, pair: Pair
) -> Values:
    """Follow the gradient of the sum of losses; give back the gradient's norm."""
    accelerator, clip = run.accelerator, run.parts.recipe.train.clip
    odd = next((name for name, value in losses.items() if not value.isfinite()), None)
    _stop_if_odd(run, odd, pair)
    accelerator.backward(sum(losses.values()))
    facts: Values = {}
    if accelerator.sync_gradients:
        # An infinite limit changes nothing, and gives the norm all the same.
        norm: Tensor = accelerator.clip_grad_norm_(trained, clip or math.inf)
        # With a loss scale an overflow is part of the plan, and such a step is left out.
        odd = None if accelerator.scaler or norm.isfinite() else f"gradient of the {who}"
        _stop_if_odd(run, odd, pair)
        facts[f"{who}_gradient"] = norm.detach()
    optimizer.step()
    optimizer.zero_grad()
    return facts


def _stop_if_odd(run: Run, odd: str | None, pair: Pair) -> None:
    """Raise in all processes if something was not finite in one."""
    (somewhere,) = anywhere(run.accelerator, odd is not None)
    if somewhere:
        raise NotFinite(odd, pair, culprits(run.parts.terms, pair) if odd else [])


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Generator[None]:
    """No gradient to these; it still passes through."""
    held = list(parameters)
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


class Heard:
    """A discriminator that keeps what it said of real and of made pictures.

    Args:
        discriminator: is asked.
        min_size: of it, since a wrapper has no such attribute.
        pair: tells which pictures are real and which are made.
    """

    def __init__(self, discriminator: Any, min_size: int, pair: Pair) -> None:
        self.min_size = min_size
        self._discriminator = discriminator
        self._pair = pair
        self._said: dict[str, Tensor] = {}

    def __call__(self, y: Tensor) -> Tensor:
        """As the discriminator itself."""
        logits: Tensor = self._discriminator(y)
        if y is self._pair.hr:
            self._said["real"] = logits.detach()
        elif y is self._pair.sr:
            self._said["made"] = logits.detach()
        return logits

    def facts(self) -> Values:
        """Mean logits, D(real) and D(fake), and the share of them on their own side.

        That share is 1 if every real picture was above the mean of the made ones and every
        made one below the mean of the real ones, and about a half if D cannot tell.
        """
        if self._said.keys() != {"real", "made"}:
            return {}
        real, made = self._said["real"].float(), self._said["made"].float()
        right = (real > made.mean()).float().mean() + (made < real.mean()).float().mean()
        return {"d_real": real.mean(), "d_fake": made.mean(), "d_right": right / 2}
