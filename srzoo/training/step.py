"""One step: the generator's turn, then the discriminator's. Nothing here waits for the device."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..contracts import Pair
from .parts import Adversary, Parts
from .crops import Batch
from .watchdog import Finite, picture_facts

if TYPE_CHECKING:
    from ..contracts import U8

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """The parts as accelerate made them ready: wrapped where there are several processes.

    Attributes:
        generator, discriminator: the wrappers; None where there is no discriminator.
        scalers: of the losses, with fp16: one for each network, since each overflows alone.
        averages: pairs of lists, of averaged tensors and of those that they follow.
    """

    parts: Parts
    accelerator: Any  # accelerate has no types
    generator: Any
    discriminator: Any = None
    scalers: dict[str, torch.amp.GradScaler] = field(default_factory=dict[str, Any])
    averages: Averages | None = None

    @property
    def models(self) -> list[Any]:
        """What is trained."""
        return [self.generator, self.discriminator][: 2 if self.parts.adversary else 1]

    @property
    def device(self) -> torch.device:
        """Where the step is computed."""
        return self.accelerator.device


GENERATOR, DISCRIMINATOR = "generator", "discriminator"


def prepare(parts: Parts, accelerator: Any) -> Run:
    """Hand the networks to accelerate.

    The optimisers stay torch's own: accelerate's scale both networks' gradients by one factor,
    and clipping one network's would take it out of both.
    """
    # A network of several scales leaves some of its heads out of every step.
    accelerator.ddp_handler.find_unused_parameters = len(parts.scales) > 1
    generator = accelerator.prepare(parts.foldable)
    discriminator = None
    if parts.adversary:
        accelerator.ddp_handler.find_unused_parameters = False
        discriminator = accelerator.prepare(parts.adversary.discriminator)
        if parts.recipe.train.compile != "off":
            parts.adversary.discriminator.compile(mode=parts.recipe.train.compile)
    scalers: dict[str, torch.amp.GradScaler] = {}
    if parts.recipe.train.precision == "fp16":
        names = (GENERATOR, DISCRIMINATOR) if parts.adversary else (GENERATOR,)
        scalers = {name: torch.amp.GradScaler(accelerator.device.type) for name in names}
    averages = None if parts.ema is parts.generator else Averages(parts.ema, parts.generator)
    return Run(parts, accelerator, generator, discriminator, scalers, averages)


class Averages:
    """Moves the averaged tensors of a network after those of the one that is trained.

    Args:
        mean, now: two networks of one kind, which keep their tensors.
    """

    def __init__(self, mean: nn.Module, now: nn.Module) -> None:
        pairs = list(zip(_tensors(mean), _tensors(now), strict=True))
        whole = [pair for pair in pairs if not pair[0].is_floating_point()]
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        self._whole = [a for a, _ in whole], [b for _, b in whole]
        self._moving = [a for a, _ in moving], [b for _, b in moving]

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """``mean = decay * mean + (1 - decay) * now``; whole numbers are copied."""
        torch._foreach_lerp_(*self._moving, 1 - decay)
        if self._whole[0]:
            torch._foreach_copy_(*self._whole)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


@dataclass(frozen=True)
class Taken:
    """What came out of a batch.

    Attributes:
        losses: the weighted terms of the generator's loss, then "discriminator".
        facts: other numbers to log and to watch.
        finite: whether all of it was.
        pair: the pictures it was about.
    """

    losses: Values
    facts: Values
    finite: Finite
    pair: Pair


def take(run: Run, batch: Batch, generator_moves: bool = True, stop: bool = False) -> Taken:
    """Both turns on one batch; the optimisers step once enough batches are accumulated.

    Args:
        run: what is trained.
        batch: on which crops.
        generator_moves: False for the discriminator's turn alone.
        stop: whether this process was asked to stop: told to the others by the way.
    """
    with run.accelerator.accumulate(*run.models):
        with torch.set_grad_enabled(generator_moves):
            pair = _enlarge(run, batch)
        if generator_moves:
            losses, facts, finite = _generator_turn(run, pair)
        else:
            losses, facts, finite = Values(), picture_facts(pair), Values()
        if run.parts.adversary:
            more, said, sound = _discriminator_turn(run, run.parts.adversary, pair.detach())
            losses, facts, finite = losses | more, facts | said, finite | sound
    return Taken(losses, facts, Finite(finite, run.accelerator, stop), pair.detach())


def _enlarge(run: Run, batch: Batch) -> Pair:
    plan = run.parts.recipe.train
    lr, hr = (pictures(side, run.device) for side in (batch.lr, batch.hr))
    if not plan.channels_last:
        lr, hr = lr.contiguous(), hr.contiguous()
    if plan.compile != "off":
        torch.compiler.cudagraph_mark_step_begin()
    with run.accelerator.autocast():
        sr: Tensor = run.generator(lr, batch.scale)
    if plan.compile != "off":
        sr = sr.clone()  # the next step writes into the same memory
    border = (hr.shape[-1] - sr.shape[-1]) // 2  # a folded tail gives the interior alone
    if border:
        hr = hr[..., border:-border, border:-border]
        inner = border // batch.scale
        lr = lr[..., inner:-inner, inner:-inner]
    return Pair(lr=lr, hr=hr, sr=sr.float())


def pictures(crops: U8, device: torch.device) -> Tensor:
    """uint8 B x H x W x 3 to float 0..1 on a device, B x 3 x H x W, channels-last in memory.

    Bytes travel, a quarter of what floats take, and nobody waits for them.
    """
    tensor = torch.as_tensor(crops)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True).permute(0, 3, 1, 2).float() / 255


def _generator_turn(run: Run, pair: Pair) -> tuple[Values, Values, Values]:
    adversary = run.parts.adversary
    losses = {term.name: term.weight * term.loss(pair) for term in run.parts.terms}
    if adversary:
        # The bare network: no wrapper has to synchronise gradients that it does not get.
        with frozen(adversary.trained), run.accelerator.autocast():
            value = adversary.loss.for_generator(adversary.discriminator, pair)
        losses["adversarial"] = adversary.weight * value
    facts, finite = _descend(run, GENERATOR, run.parts.optimizer, run.parts.trained, losses)
    return losses, picture_facts(pair) | facts, finite


def _discriminator_turn(
    run: Run, adversary: Adversary, pair: Pair
) -> tuple[Values, Values, Values]:
    heard = Heard(run.discriminator, adversary.discriminator.min_size, pair)
    with run.accelerator.autocast():
        losses = {"discriminator": adversary.loss.for_discriminator(heard, pair)}
    facts, finite = _descend(run, DISCRIMINATOR, adversary.optimizer, adversary.trained, losses)
    return losses, heard.facts() | facts, finite


def _descend(
    run: Run,
    who: str,
    optimizer: torch.optim.Optimizer,
    trained: list[nn.Parameter],
    losses: Values,
) -> tuple[Values, Values]:
    """Follow the gradient of the sum of losses.

    Returns:
        The gradient's norm, and whether each loss and that norm is finite.
    """
    plan, scaler = run.parts.recipe.train, run.scalers.get(who)
    finite = {name: value.detach().isfinite() for name, value in losses.items()}
    total = sum(losses.values(), start=torch.zeros((), device=run.device)) / plan.accumulate
    torch.autograd.backward(scaler.scale(total) if scaler else total)
    facts: Values = {}
    if run.accelerator.sync_gradients:
        if scaler:
            scaler.unscale_(optimizer)
        norm = _clip(trained, plan.clip)
        facts[f"{who}_gradient"] = norm
        if scaler:
            # With a loss scale an overflow is part of the plan, and such a step is left out.
            scaler.step(optimizer)
            scaler.update()
        else:
            finite[f"gradient of the {who}"] = norm.isfinite()
            optimizer.step()
        optimizer.zero_grad()
    return facts, finite


def _clip(trained: list[nn.Parameter], most: float | None) -> Tensor:
    """Shorten the gradient to at most this norm; give back the norm that it had."""
    if most:
        return nn.utils.clip_grad_norm_(trained, most).detach()
    return nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None]).detach()


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
