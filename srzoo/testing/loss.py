"""What every loss has to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch

from ..contracts import Pair
from ..plugins import kinds
from ..plugins.registry import Use
from ._case import Case, picture


def _loss(case: Case) -> Any:
    return kinds.losses.build(Use(case.name, case.args))


def _pair(noise: float = 0.1) -> Pair:
    hr = picture(40, 48, 2)
    sr = hr + noise * (picture(40, 48, 2).flip(2) - 0.5)
    return Pair(lr=picture(10, 12, 2), hr=hr, sr=sr.requires_grad_())


def a_scalar(case: Case) -> None:
    """A finite number, averaged over the batch, and ``reference`` says if it looks at HR."""
    loss = _loss(case)
    assert isinstance(loss.reference, bool), f"{case}.reference is {loss.reference!r}"
    value = loss(_pair())
    assert value.shape == (), f"{case} gave the shape {tuple(value.shape)}"
    assert value.isfinite(), f"{case} gave {value}"


def card_args_are_arguments(case: Case) -> None:
    """``card_args``, if it states them, are a tuple of its arguments' names."""
    names: object = getattr(kinds.losses.get(case.name), "card_args", ())
    assert isinstance(names, tuple), f"{case}.card_args is {names!r}, and no tuple"
    unknown = set(cast("tuple[object, ...]", names)) - {
        *kinds.losses.signature(case.name).parameters
    }
    assert not unknown, f"{case}.card_args has {unknown}, and it has no such argument"


def gradient_reaches_sr(case: Case) -> None:
    """The output gets a gradient that is finite and not zero."""
    pair = _pair()
    _loss(case)(pair).backward()
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
    _loss(case)(pair).backward()
    assert pair.sr.grad is not None, f"{case} gives no gradient"
    assert pair.sr.grad.isfinite().all(), f"{case} gives a gradient that is not finite"


CHECKS: tuple[Callable[[Case], None], ...] = (
    a_scalar,
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
    for check in CHECKS:
        check(case)
