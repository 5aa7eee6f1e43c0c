"""What every task has to keep."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import NetworkFacts, Pair, Task, multiple_of, nn_module, on_grid, stated
from ._case import Case, picture
from ._promise import built, can, has, run_all, suite

GENERATOR = "generator"
STEPS = 1000
"""Over which the generator has to move once."""


def _has_its_parts(case: Case, task: object) -> None:
    for name in ("networks", "helpers"):
        mend = f"write `self.{name} = {{}}`, with the nn.Modules by name"
        found: object = has(case, task, name, mend)
        assert isinstance(found, Mapping), f"{case}.{name} is {found!r}: {mend}"
    mend = "write `scales = None`, which is any, or a tuple of those that it can work at"
    scales: object = has(case, task, "scales", mend)
    assert scales is None or isinstance(scales, tuple), f"{case}.scales is {scales!r}: {mend}"
    for name, given in (("turns", "step"), ("terms", "pair, networks"),
                        ("loss_of", "name, network, pair")):  # fmt: skip
        can(case, task, name, f"write `def {name}(self, {given})`")


def _task(case: Case) -> Task:
    """A task as the trainer has it."""
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
        task: Task = built("task", case)
    _has_its_parts(case, task)
    for network in task.networks.values():
        network.train()
    for helper in task.helpers.values():
        helper.eval().requires_grad_(False)
    return task


def _pair(task: Task) -> Pair:
    scale = (task.scales or (4,))[0]
    needed = max(
        (int(stated(net, NetworkFacts).min_size) for net in task.networks.values()), default=1
    )
    side = on_grid(max(16, -(-needed // scale)), multiple_of(task))
    hr = picture(side * scale, side * scale, 2)
    sr = (0.8 * hr + 0.2 * hr.flip(2)).requires_grad_()
    return Pair(lr=picture(side, side, 2), hr=hr, sr=sr)


def _scalars(case: Case, what: str, values: Mapping[str, object]) -> None:
    for name, value in values.items():
        assert isinstance(value, Tensor), f"{case}: {what} {name!r} is {value!r}"
        assert value.shape == (), f"{case}: {what} {name!r} has the shape {tuple(value.shape)}"
        assert value.isfinite(), f"{case}: {what} {name!r} is {value}"


def modules_by_name(case: Case) -> None:
    """Networks and helpers are modules, and each network has something to train."""
    task = _task(case)
    for name, module in [*task.networks.items(), *task.helpers.items()]:
        assert isinstance(module, nn.Module), f"{case}: {name} is {module!r}, and no nn.Module"
    for name, network in task.networks.items():
        fine = name.replace("_", "a").isalnum() and name != GENERATOR
        assert fine, f"{case}: a network is called {name!r}: use letters, digits and _"
        moved = [p for p in network.parameters() if p.requires_grad]
        assert moved, f"{case}: {name} has nothing to train, and is a helper"


def turns_follow_from_the_step(case: Case) -> None:
    """Somebody moves at each step, the same ones each time, and in the end the generator does."""
    task, other = _task(case), _task(case)
    known = {GENERATOR, *task.networks}
    moved: set[str] = set()
    again = {step: set(other.turns(step)) for step in reversed(range(STEPS))}
    for step in range(STEPS):
        now = set(task.turns(step))
        assert now == again[step], f"{case}: one step has other turns the second time"
        assert now, f"{case}: nobody moves at step {step}"
        assert now <= known, f"{case}: {sorted(now - known)} move, and are no networks of it"
        moved |= now
    assert GENERATOR in moved, f"{case}: the generator never moves in {STEPS} steps"


def terms_lead_the_generator(case: Case) -> None:
    """They are finite scalars with a gradient to SR, and train nothing else."""
    task = _task(case)
    pair = _pair(task)
    for network in task.networks.values():
        network.requires_grad_(False)
    terms = task.terms(pair, task.networks)
    _scalars(case, "term", terms)
    if not terms:
        return  # networks beside a generator that does not hear of them
    total = sum(terms.values(), start=torch.zeros(()))
    assert total.requires_grad, f"{case} gives the generator no gradient"
    torch.autograd.backward(total)
    grad = pair.sr.grad
    assert grad is not None, f"{case} gives the generator no gradient"
    assert grad.isfinite().all(), f"{case} gives a gradient that is not finite"
    for name, module in [*task.networks.items(), *task.helpers.items()]:
        left = [p for p in module.parameters() if p.grad is not None]
        assert not left, f"{case}: the generator's turn trains {name}"


class _Wrapper(nn.Module):
    """Stands for what several devices put around a network; counts its calls."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.calls = 0
        self.inside = network

    def forward(self, *args: Any) -> Any:
        self.calls += 1
        return self.inside(*args)


def each_network_follows_its_loss(case: Case) -> None:
    """Its turn gives it a gradient, through the wrapper, and no other network; facts are light."""
    task = _task(case)
    for name, network in task.networks.items():
        for other in task.networks.values():
            other.zero_grad()
        wrapper = _Wrapper(nn_module(network))
        losses, facts = task.loss_of(name, wrapper, _pair(task).detach())
        _scalars(case, "loss", losses)
        _scalars(case, "fact", facts)
        heavy = [fact for fact, value in facts.items() if value.requires_grad]
        assert not heavy, f"{case}: {heavy} of {name} hold on to the graph of a step: detach them"
        assert wrapper.calls, f"{case}: the turn of {name} does not call the wrapper it is given"
        total = sum(losses.values(), start=torch.zeros(()))
        assert total.requires_grad, f"{case}: {name} follows nothing"
        torch.autograd.backward(total)
        for who, module in task.networks.items():
            has = any(p.grad is not None for p in module.parameters())
            assert has == (who == name), f"{case}: the turn of {name} trains {who if has else ''}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "task",
    modules_by_name,
    turns_follow_from_the_step,
    terms_lead_the_generator,
    each_network_follows_its_loss,
)


def check_task(case: Case) -> None:
    """Run every check on one case.

    Raises:
        AssertionError: the first promise that is broken.
    """
    run_all(CHECKS, case)
