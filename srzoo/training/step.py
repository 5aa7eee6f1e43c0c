"""One step: the turn of the generator, then of each other network, without synchronisation."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Module, Pair, nn_module
from ..plugins import importing
from . import optimizers, tasks
from .crops import Batch
from .parts import Parts
from .sending import Sender
from .tasks import GENERATOR
from .watchdog import FiniteFlags, picture_facts

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Run:
    """The parts, prepared by accelerate: wrapped if there are several processes.

    Attributes:
        generator: its wrapper.
        beside: the wrappers of the task's networks, by name.
        scalers: loss scalers with fp16: one for each network, as each overflows independently.
        averages: updates the averaged tensors, if any.
        send: moves crops to the device.
    """

    parts: Parts
    accelerator: Any  # accelerate has no types
    generator: Any
    beside: dict[str, Any] = field(default_factory=dict[str, Any])
    scalers: dict[str, torch.amp.GradScaler] = field(default_factory=dict[str, Any])
    averages: Averages | None = None
    send: Sender = field(default_factory=Sender)

    @property
    def models(self) -> list[Any]:
        """The networks that are trained."""
        return [self.generator, *self.beside.values()]

    @property
    def device(self) -> torch.device:
        """The device of the step."""
        return self.accelerator.device


def prepare(parts: Parts, accelerator: Any) -> Run:
    """Pass the networks to accelerate.

    The optimisers stay torch's own: accelerate would scale all networks' gradients by one factor,
    and clipping one network's gradient would unscale them all.
    """
    # Networks with several scales use only some of their heads in each step.
    accelerator.ddp_handler.find_unused_parameters = len(parts.scales) > 1
    generator = accelerator.prepare(parts.foldable)
    beside: dict[str, Any] = {}
    accelerator.ddp_handler.find_unused_parameters = False
    mode = parts.recipe.train.compile
    for name, network in parts.task.networks.items():
        beside[name] = accelerator.prepare(network)
        if mode != "off":
            nn_module(network).compile(mode=mode)  # pyright: ignore[reportUnknownMemberType]
    scalers: dict[str, torch.amp.GradScaler] = {}
    if parts.recipe.train.precision == "fp16":
        names = (GENERATOR, *beside)
        scalers = {name: torch.amp.GradScaler(accelerator.device.type) for name in names}
    averages = None if parts.ema is parts.generator else Averages(parts.ema, parts.generator)
    send = Sender(accelerator.device)
    return Run(parts, accelerator, generator, beside, scalers, averages, send)


class Averages:
    """Updates the averaged tensors of a network from those of the trained network.

    Args:
        mean, now: two networks of one class, which must keep their tensor objects.
    """

    def __init__(self, mean: Module, now: Module) -> None:
        pairs = list(zip(_tensors(mean), _tensors(now), strict=True))
        whole = [pair for pair in pairs if not pair[0].is_floating_point()]
        moving = [pair for pair in pairs if pair[0].is_floating_point()]
        self._whole = [a for a, _ in whole], [b for _, b in whole]
        self._moving = [a for a, _ in moving], [b for _, b in moving]

    @torch.no_grad()
    def follow(self, decay: float) -> None:
        """``mean = decay * mean + (1 - decay) * now``; integers are copied."""
        torch._foreach_lerp_(*self._moving, 1 - decay)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]
        if self._whole[0]:
            torch._foreach_copy_(*self._whole)  # pyright: ignore[reportPrivateUsage, reportPrivateImportUsage]


def _tensors(module: Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


@dataclass(frozen=True)
class StepResult:
    """The result of a batch.

    Attributes:
        losses: the weighted terms of the generator's loss, then those of each further network.
        facts: other values to log and to watch.
        finite: whether all of them were finite.
        pair: the pictures of the batch.
    """

    losses: Values
    facts: Values
    finite: FiniteFlags
    pair: Pair


def train_step(
    run: Run, batch: Batch, turns: Collection[str] | None = None, stop: bool = False
) -> StepResult:
    """All turns on one batch; the optimisers step when enough batches are accumulated.

    Args:
        run: the parts.
        batch: the crops.
        turns: names of the networks to update; None for all of them.
        stop: whether this process was asked to stop; it is sent to the others with the batch.
    """
    with run.accelerator.accumulate(*run.models):
        moves = turns is None or GENERATOR in turns
        with torch.set_grad_enabled(moves):
            pair = _forward(run, batch)
        if moves:
            losses, facts, finite = _generator_turn(run, pair)
        else:
            losses, facts, finite = Values(), picture_facts(pair), Values()
        for name in run.beside:
            if turns is None or name in turns:
                more, noted, sound = _network_turn(run, name, pair.detach())
                losses, facts, finite = losses | more, facts | noted, finite | sound
    return StepResult(losses, facts, FiniteFlags(finite, run.accelerator, stop), pair.detach())


def _forward(run: Run, batch: Batch) -> Pair:
    settings = run.parts.recipe.train
    lr, hr = (run.send(side) for side in (batch.lr, batch.hr))
    if not settings.channels_last:
        lr, hr = lr.contiguous(), hr.contiguous()
    if settings.compile != "off":
        torch.compiler.cudagraph_mark_step_begin()
    with run.accelerator.autocast(), importing.blamed(run.parts.generator):
        sr: Tensor = run.generator(lr, batch.scale)
    if settings.compile != "off":
        sr = sr.clone()  # the next step overwrites this memory
    border = (hr.shape[-1] - sr.shape[-1]) // 2  # a folded tail computes only the interior
    if border:
        hr = hr[..., border:-border, border:-border]
        inner = border // batch.scale
        lr = lr[..., inner:-inner, inner:-inner]
    return Pair(lr=lr, hr=hr, sr=sr.float())


def _generator_turn(run: Run, pair: Pair) -> tuple[Values, Values, Values]:
    task, others = run.parts.task, run.parts.opponents.values()
    losses = {term.name: term.weight * term.of(pair) for term in run.parts.terms}
    # The networks without wrappers, which would synchronise gradients that do not exist.
    still = (parameter for one in others for parameter in optimizers.trained_parameters(one))
    with frozen(still), run.accelerator.autocast():
        losses |= tasks.terms_of(task, pair)
    facts, finite = _backward_and_step(
        run, GENERATOR, run.parts.optimizer, run.parts.trained, losses
    )
    return losses, picture_facts(pair) | facts, finite


def _network_turn(run: Run, name: str, pair: Pair) -> tuple[Values, Values, Values]:
    optimizer = run.parts.opponents[name]
    with run.accelerator.autocast():
        losses, noted = tasks.loss_of(run.parts.task, name, run.beside[name], pair)
    facts, finite = _backward_and_step(
        run, name, optimizer, optimizers.trained_parameters(optimizer), losses
    )
    return losses, noted | facts, finite


def _backward_and_step(
    run: Run,
    who: str,
    optimizer: torch.optim.Optimizer,
    trained: list[nn.Parameter],
    losses: Values,
) -> tuple[Values, Values]:
    """Backpropagate the sum of losses, and step.

    Returns:
        The gradient's norm, and whether each loss and that norm is finite.
    """
    settings, scaler = run.parts.recipe.train, run.scalers.get(who)
    finite = {name: value.detach().isfinite() for name, value in losses.items()}
    total = sum(losses.values(), start=torch.zeros((), device=run.device)) / settings.accumulate
    torch.autograd.backward(scaler.scale(total) if scaler else total)
    facts: Values = {}
    if run.accelerator.sync_gradients:
        if scaler:
            scaler.unscale_(optimizer)
        norm = _clip(trained, settings.clip)
        facts[f"{who}_gradient"] = norm
        if scaler:
            # With a loss scale overflows are expected, and such a step is skipped.
            scaler.step(optimizer)
            scaler.update()
        else:
            finite[f"gradient of the {who}"] = norm.isfinite()
            optimizer.step()
        optimizer.zero_grad()
    return facts, finite


def _clip(trained: list[nn.Parameter], most: float | None) -> Tensor:
    """Clip the gradient to this norm; return its norm before."""
    if most:
        return nn.utils.clip_grad_norm_(trained, most).detach()
    return nn.utils.get_total_norm([p.grad for p in trained if p.grad is not None]).detach()


@contextmanager
def frozen(parameters: Iterable[nn.Parameter]) -> Generator[None]:
    """Freeze parameters; gradients still pass through them."""
    held = list(parameters)
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)
