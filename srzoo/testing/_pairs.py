"""Inputs and outputs of all kinds of losses."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

import torch
from torch import Tensor

from ..contracts import Pair
from ._case import Case
from ._promise import a_kind


@contextlib.contextmanager
def left_alone(case: Case, pair: Pair) -> Generator[None]:
    """Check that the code inside does not change a pair.

    Raises:
        AssertionError: it changes the pair.
    """
    before = [each.detach().clone() for each in (pair.lr, pair.hr, pair.sr)]
    yield
    for name, old in zip(("lr", "hr", "sr"), before, strict=True):
        same = torch.equal(getattr(pair, name).detach(), old)
        assert same, f"{case} changed pair.{name} in place: work on a copy"


def scalar(case: Case, value: object, of: str = "", *, typed: bool = True) -> Tensor:
    """Check that a value is a finite number in a tensor without dimensions.

    Args:
        case: the case that is checked.
        value: what it returned.
        of: the name of the value, for the message.
        typed: whether it must be float32.

    Raises:
        AssertionError: it is anything else.
    """
    whose = f"{case}{of}"
    what = f"{whose} returned {a_kind(value)}: return a tensor without dimensions"
    assert isinstance(value, Tensor), what
    mend = "return the mean: `.mean()`"
    assert value.shape == (), f"{whose} returned the shape {tuple(value.shape)}: {mend}"
    mend = "return it in the type of pair.sr"
    fine = value.dtype == torch.float32
    assert fine or not typed, f"{whose} returned {value.dtype}, not torch.float32: {mend}"
    assert value.isfinite(), f"{whose} returned {float(value)}, not a finite number"
    return value
