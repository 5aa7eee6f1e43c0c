"""The contract tests of tasks."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..contracts import NetworkFacts, Pair, Task, multiple_of, nn_module, on_grid, stated
from ._case import Case, picture
from ._pairs import left_alone, scalar
from ._promise import a_kind, basic, built, can, has, run_all, suite

GENERATOR = "generator"
STEPS = 1000
"""Steps within which the generator must be updated."""


def _has_its_parts(case: Case, task: object) -> None:
    for name in ("networks", "helpers"):
        mend = f"write `self.{name} = {{}}`, with the nn.Modules by name"
        found: object = has(case, task, name, mend)
        assert isinstance(found, Mapping), f"{case}.{name} is {a_kind(found)}: {mend}"
        for each, module in cast("Mapping[str, object]", found).items():
            fine = isinstance(module, nn.Module)
            assert fine, f"{case}: {each!r} of {name} is {a_kind(module)}, not an nn.Module: {mend}"
    mend = "write `scales = None` for any, or a tuple of the scales it supports"
    scales: object = has(case, task, "scales", mend)
    assert scales is None or isinstance(scales, tuple), f"{case}.scales is {scales!r}: {mend}"
    for name, given in (("turns", "step"), ("terms", "pair, networks"),
                        ("loss_of", "name, network, pair")):  # fmt: skip
        can(case, task, name, f"write `def {name}(self, {given})`")
    _lists_all(case, task)


def _lists_all(case: Case, task: Any) -> None:
    """Each of its modules with weights or statistics is in ``networks`` or ``helpers``."""
    listed = [*task.networks.values(), *task.helpers.values()]
    known = {id(module) for each in listed for module in each.modules()}
    attributes: dict[str, object] = getattr(task, "__dict__", {})
    for name, value in attributes.items():
        if isinstance(value, nn.Module) and id(value) not in known and value.state_dict():
            mend = f"write `self.helpers = {{{name!r}: ...}}`, or networks, if it is trained"
            raise AssertionError(f"{case}.{name} is a network that the task does not list: {mend}")


def _task(case: Case) -> Task:
    """A task, as the trainer builds it."""
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


def _scalars(case: Case, what: str, values: object) -> None:
    shown = a_kind(values)
    mend = "a table of scalars by name: `{'name': value}`"
    assert isinstance(values, Mapping), f"{case} returned {shown} for its {what}s, not {mend}"
    for name, value in cast("Mapping[str, object]", values).items():
        scalar(case, value, f": {what} {name!r}", typed=what != "fact")


@basic
def modules_by_name(case: Case) -> None:
    """Networks and helpers are modules of its own, and each network has trainable parameters."""
    task, other = _task(case), _task(case)
    for name, network in task.networks.items():
        own = network is not other.networks.get(name)
        mend = "build it in `__init__`, not in the class"
        assert own, f"{case}: two tasks share the network {name}: {mend}"
    for name, network in task.networks.items():
        fine = name.replace("_", "a").isalnum() and name != GENERATOR
        assert fine, f"{case}: a network is called {name!r}: use letters, digits and _"
        moved = [p for p in network.parameters() if p.requires_grad]
        assert moved, f"{case}: {name} has nothing to train: add it to `self.helpers`"


def _movers(case: Case, task: Task, step: int) -> set[str]:
    found = cast("object", task.turns(step))
    mend = f"return names, as in `return ({GENERATOR!r},)`"
    fine = isinstance(found, Collection) and not isinstance(found, str | bytes)
    shown = repr(found) if isinstance(found, str) else a_kind(cast("object", found))
    assert fine, f"{case}.turns({step}) returned {shown}: {mend}"
    return set(cast("Collection[str]", found))


@basic
def turns_follow_from_the_step(case: Case) -> None:
    """Each step updates a network, the same each time, and some steps the generator."""
    task, other = _task(case), _task(case)
    known = {GENERATOR, *task.networks}
    moved: set[str] = set()
    again = {step: _movers(case, other, step) for step in reversed(range(STEPS))}
    for step in range(STEPS):
        now = _movers(case, task, step)
        mend = "turns must depend only on the step, so that a run resumes exactly"
        assert now == again[step], f"{case}: a step has different turns the second time: {mend}"
        mend = f"return `({GENERATOR!r},)` if no other network does"
        assert now, f"{case}: no network is updated at step {step}: {mend}"
        mend = f"name {', '.join(sorted(known))}"
        assert now <= known, f"{case}: {sorted(now - known)} are not networks of it: {mend}"
        moved |= now
    mend = f"return {GENERATOR!r} among the names"
    assert GENERATOR in moved, f"{case}: the generator is not updated in {STEPS} steps: {mend}"


def terms_lead_the_generator(case: Case) -> None:
    """They are finite scalars with a gradient at SR only."""
    task = _task(case)
    pair = _pair(task)
    for network in task.networks.values():
        network.requires_grad_(False)
    with left_alone(case, pair):
        terms = task.terms(pair, task.networks)
    _scalars(case, "term", terms)
    if not terms:
        return  # its networks do not influence the generator
    total = sum(terms.values(), start=torch.zeros(()))
    mend = "compute terms from pair.sr, without detach"
    assert total.requires_grad, f"{case} gives the generator no gradient: {mend}"
    torch.autograd.backward(total)
    grad = pair.sr.grad
    assert grad is not None, f"{case} gives the generator no gradient: {mend}"
    assert grad.isfinite().all(), f"{case} gives a gradient that is not finite"
    for name, module in [*task.networks.items(), *task.helpers.items()]:
        left = [p for p in module.parameters() if p.grad is not None]
        assert not left, f"{case}: the generator's turn trains {name}"


class _Wrapper(nn.Module):
    """Takes the place of a wrapper for several devices; counts its calls."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.calls = 0
        self.inside = network

    def forward(self, *args: Any) -> Any:
        self.calls += 1
        return self.inside(*args)


def each_network_follows_its_loss(case: Case) -> None:
    """Its turn gives a gradient to it alone, through the wrapper; facts hold no graph."""
    task = _task(case)
    for name, network in task.networks.items():
        for other in task.networks.values():
            other.zero_grad()
        wrapper = _Wrapper(nn_module(network))
        pair = _pair(task).detach()
        with left_alone(case, pair):
            found = cast("object", task.loss_of(name, wrapper, pair))
        mend = "return two tables, losses, and facts to log: `return {name: loss}, {}`"
        two = isinstance(found, tuple) and len(cast("tuple[object, ...]", found)) == 2
        assert two, f"{case}.loss_of returned {a_kind(cast('object', found))}: {mend}"
        losses, facts = cast("tuple[dict[str, Tensor], dict[str, Tensor]]", found)
        _scalars(case, "loss", losses)
        _scalars(case, "fact", facts)
        heavy = [fact for fact, value in facts.items() if value.requires_grad]
        assert not heavy, f"{case}: {heavy} of {name} keep the graph of a step: detach them"
        assert wrapper.calls, f"{case}: the turn of {name} does not call the wrapper it is given"
        total = sum(losses.values(), start=torch.zeros(()))
        mend = "compute its loss from the output of the given network, without detach"
        assert total.requires_grad, f"{case}: {name} gets no gradient: {mend}"
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
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
