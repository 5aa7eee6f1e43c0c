"""The contract tests of losses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor, nn

from ..contracts import Pair
from ..plugins import kinds
from ._case import Case, picture
from ._pairs import left_alone, scalar
from ._promise import basic, built, can, has, run_all, suite


def _loss(case: Case) -> Any:
    return built("loss", case)


def _pair(noise: float = 0.1, batch: int = 2) -> Pair:
    hr = picture(40, 48, batch)
    sr = hr + noise * (picture(40, 48, batch).flip(2) - 0.5)
    return Pair(lr=picture(10, 12, batch), hr=hr, sr=sr.requires_grad_())


@basic
def is_a_loss(case: Case) -> None:
    """It can be called, and ``reference`` states whether it uses HR."""
    loss = _loss(case)
    mend = "write `reference = True`; or False if it does not use `pair.hr`"
    reference: object = has(case, loss, "reference", mend)
    assert isinstance(reference, bool), f"{case}.reference is {reference!r}: {mend}"
    can(case, loss, "__call__", "write `def __call__(self, pair)`, or forward in an nn.Module")


@basic
def a_scalar(case: Case) -> None:
    """It returns a finite scalar of the pair's type, and does not change the pair.

    It uses no random numbers, keeps no state from one pair to the next, and is the same newly
    built.
    """
    loss = _loss(case)
    pair = _pair()
    with left_alone(case, pair):
        value: object = loss(pair)
    found = scalar(case, value)
    first = float(found.detach())
    for made, why in (
        (loss, "it uses random numbers, or keeps state from a pair"),
        (_loss(case), "a new one has other weights: load them, or seed them"),
    ):
        again = float(made(_pair()).detach())
        same = abs(again - first) <= 1e-5 * max(1e-3, abs(first))
        assert same, f"{case} returned {first:g}, and {again:g} for the same pair: {why}"


@basic
@torch.no_grad()
def a_mean(case: Case) -> None:
    """Larger batches and larger pictures do not give larger values."""
    loss, pair = _loss(case), _pair()
    one = abs(float(loss(pair)))
    if one < 1e-9:
        return
    for what, *repeats in (("a batch twice as large", 2, 1, 1, 1), ("larger pictures", 1, 1, 2, 2)):
        more = Pair(*(each.repeat(*repeats) for each in (pair.lr, pair.hr, pair.sr)))
        times = abs(float(loss(more))) / one
        mend = "average over batch and pixels: `.mean()`, not `.sum()`"
        assert times < 1.8, f"{case} is {times:.1f} times as large for {what}: {mend}"


def card_args_are_arguments(case: Case) -> None:
    """``card_args``, if it states them, are a tuple of its arguments' names."""
    names: object = getattr(kinds.losses.get(case.name), "card_args", ())
    mend = "write `card_args = ('name',)`, with names of arguments"
    assert isinstance(names, tuple), f"{case}.card_args is {names!r}, not a tuple: {mend}"
    unknown = set(cast("tuple[object, ...]", names)) - {
        *kinds.losses.signature(case.name).parameters
    }
    assert not unknown, f"{case}.card_args has {unknown}, but has no such argument"


def _backward(case: Case, value: Tensor) -> None:
    mend = "compute it from pair.sr, without detach, item, round or numpy"
    assert value.requires_grad, f"{case} gives no gradient: {mend}"
    torch.autograd.backward(value)


def _gradient(case: Case, loss: Any, pair: Pair) -> Tensor:
    """The gradient at SR; parameters of the loss get none."""
    _backward(case, loss(pair))
    mend = "compute it from pair.sr, without detach, item, round or numpy"
    assert pair.sr.grad is not None, f"{case} gives no gradient: {mend}"
    mend = "avoid a square root of zero, or a division by it: add 1e-8"
    assert pair.sr.grad.isfinite().all(), f"{case} gives a gradient that is not finite: {mend}"
    mend = "they are not trained: write `requires_grad_(False)`"
    own = loss.named_parameters() if isinstance(loss, nn.Module) else ()
    moved = [name for name, weight in own if weight.grad is not None]
    assert not moved, f"{case} gives its own {moved[0]} a gradient: {mend}"
    return pair.sr.grad


def gradient_reaches_sr(case: Case) -> None:
    """The gradient at SR is finite and not zero, also outside 0..1."""
    loss = _loss(case)
    mend = "compute it from pair.sr, without detach, item, round or numpy"
    assert _gradient(case, loss, _pair()).abs().sum() > 0, f"{case} gives no gradient: {mend}"
    for away in (2.0, -2.0):
        pair = _pair()
        far = Pair(pair.lr, pair.hr, (pair.sr.detach() + away).requires_grad_())
        mend = "leave out the clamp: sr is not bounded, and must get back"
        some = _gradient(case, loss, far).abs().sum() > 0
        assert some, f"{case} gives no gradient where sr is outside 0..1: {mend}"


def lowest_for_a_perfect_output(case: Case) -> None:
    """Lowest where SR equals HR if it uses HR; independent of HR if it does not."""
    loss = _loss(case)
    if loss.reference:
        values = [float(loss(_pair(noise)).detach()) for noise in (0.0, 0.1, 0.4)]
        finite = all(math.isfinite(value) for value in values)
        mend = "it may divide by zero where sr is hr"
        assert finite, f"{case} returned {values[0]:g} for a perfect output: {mend}"
        shown = ", ".join(f"{value:g}" for value in values)
        mend = "it should fall as sr approaches hr: is its sign wrong?"
        assert values == sorted(values), f"{case} returned {shown} for growing noise: {mend}"
        assert values[0] < values[1], f"{case} does not recognise a perfect output: {mend}"
        pair = _pair()
        other = Pair(pair.lr, pair.hr.flip(3), pair.sr)
        mend = "write `reference = False`, or compare with pair.hr"
        looks = not torch.equal(loss(pair), loss(other))
        assert looks, (
            f"{case} gives the same value for every HR, but states that it uses HR: {mend}"
        )
    else:
        pair = _pair()
        other = Pair(pair.lr, torch.zeros_like(pair.hr), pair.sr)
        same = torch.equal(loss(pair), loss(other))
        assert same, f"{case} uses HR, but states that it does not: write `reference = True`"


def gradient_at_a_perfect_output_is_finite(case: Case) -> None:
    """No square root of zero: training may reach that point."""
    _gradient(case, _loss(case), _pair(0.0))


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "loss",
    is_a_loss,
    a_scalar,
    a_mean,
    card_args_are_arguments,
    gradient_reaches_sr,
    lowest_for_a_perfect_output,
    gradient_at_a_perfect_output_is_finite,
)


def check_loss(case: Case) -> None:
    """Run every loss check on one case.

    Raises:
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
