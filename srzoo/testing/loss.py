"""What every loss has to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import Tensor

from ..contracts import Pair
from ..plugins import kinds
from ._case import Case, picture
from ._promise import a_kind, built, can, has, run_all, suite


def _loss(case: Case) -> Any:
    return built("loss", case)


def _pair(noise: float = 0.1, batch: int = 2) -> Pair:
    hr = picture(40, 48, batch)
    sr = hr + noise * (picture(40, 48, batch).flip(2) - 0.5)
    return Pair(lr=picture(10, 12, batch), hr=hr, sr=sr.requires_grad_())


def is_a_loss(case: Case) -> None:
    """It is called, and ``reference`` says if it looks at HR."""
    loss = _loss(case)
    mend = "write `reference = True`; False for a loss that does not look at `pair.hr`"
    reference: object = has(case, loss, "reference", mend)
    assert isinstance(reference, bool), f"{case}.reference is {reference!r}: {mend}"
    can(case, loss, "__call__", "write `def __call__(self, pair)`, or forward in an nn.Module")


def a_scalar(case: Case) -> None:
    """A finite number in a tensor; what it looks at stays as it was, and it draws no chance."""
    loss = _loss(case)
    pair = _pair()
    before = [each.detach().clone() for each in (pair.lr, pair.hr, pair.sr)]
    value: object = loss(pair)
    what = f"{case} gave {a_kind(value)}: return a tensor without dimensions"
    assert isinstance(value, Tensor), what
    mend = "return the mean: `.mean()`"
    assert value.shape == (), f"{case} gave the shape {tuple(value.shape)}: {mend}"
    assert value.isfinite(), f"{case} gave {value}"
    for name, old in zip(("lr", "hr", "sr"), before, strict=True):
        same = torch.equal(getattr(pair, name).detach(), old)
        assert same, f"{case} changed pair.{name} in place: work on a copy"
    again = float(loss(_pair()).detach())
    first = float(value.detach())
    same = abs(again - first) <= 1e-5 * max(1e-3, abs(first))
    assert same, f"{case} gave {first:g}, and {again:g} for the same pair: it draws chance"


@torch.no_grad()
def a_mean(case: Case) -> None:
    """A batch twice as large, or pictures four times as large, do not give twice the number."""
    loss, pair = _loss(case), _pair()
    one = abs(float(loss(pair)))
    if one < 1e-9:
        return
    for what, *repeats in (("a batch twice as large", 2, 1, 1, 1), ("larger pictures", 1, 1, 2, 2)):
        more = Pair(*(each.repeat(*repeats) for each in (pair.lr, pair.hr, pair.sr)))
        times = abs(float(loss(more))) / one
        mend = "average over batch and pixels: `.mean()`, not `.sum()`"
        assert times < 1.8, f"{case} is {times:.1f} times as much for {what}: {mend}"


def card_args_are_arguments(case: Case) -> None:
    """``card_args``, if it states them, are a tuple of its arguments' names."""
    names: object = getattr(kinds.losses.get(case.name), "card_args", ())
    assert isinstance(names, tuple), f"{case}.card_args is {names!r}, and no tuple"
    unknown = set(cast("tuple[object, ...]", names)) - {
        *kinds.losses.signature(case.name).parameters
    }
    assert not unknown, f"{case}.card_args has {unknown}, and it has no such argument"


def _backward(case: Case, value: Tensor) -> None:
    mend = "compute it from pair.sr, without detach, item, round or numpy"
    assert value.requires_grad, f"{case} gives no gradient: {mend}"
    torch.autograd.backward(value)


def gradient_reaches_sr(case: Case) -> None:
    """The output gets a gradient that is finite and not zero."""
    pair = _pair()
    _backward(case, _loss(case)(pair))
    assert pair.sr.grad is not None, f"{case} gives no gradient"
    assert pair.sr.grad.isfinite().all(), f"{case} gives a gradient that is not finite"
    assert pair.sr.grad.abs().sum() > 0, f"{case} gives no gradient"


def lowest_for_a_perfect_output(case: Case) -> None:
    """Lowest for a perfect output, if it looks at HR; indifferent to HR if it does not."""
    loss = _loss(case)
    if loss.reference:
        values = [float(loss(_pair(noise)).detach()) for noise in (0.0, 0.1, 0.4)]
        assert values == sorted(values), f"{case} gave {values} for growing noise"
        assert values[0] < values[1], f"{case} does not tell a perfect output"
    else:
        pair = _pair()
        other = Pair(pair.lr, torch.zeros_like(pair.hr), pair.sr)
        assert torch.equal(loss(pair), loss(other)), f"{case} looks at HR, and says it does not"


def gradient_at_a_perfect_output_is_finite(case: Case) -> None:
    """No square root of zero: training may get there."""
    pair = _pair(0.0)
    _backward(case, _loss(case)(pair))
    assert pair.sr.grad is not None, f"{case} gives no gradient"
    assert pair.sr.grad.isfinite().all(), f"{case} gives a gradient that is not finite"


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
        AssertionError: the first promise that is broken.
    """
    run_all(CHECKS, case)
