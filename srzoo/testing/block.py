"""What every block has to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import torch
from torch import nn

from .. import kinds
from ._case import Case, picture, seeded, unreached


def _module(case: Case) -> Any:
    return seeded(kinds.blocks, case)


def _features(case: Case, height: int, width: int) -> torch.Tensor:
    return picture(height, width, 2, case.args["channels"])


def is_a_block(case: Case) -> None:
    """It is an ``nn.Module`` built with ``channels``, and states its ``reach``."""
    net = _module(case)
    assert isinstance(net, nn.Module), f"{case} is a {type(net).__name__}, not an nn.Module"
    reach = cast("Any", net).reach
    assert reach is None or (isinstance(reach, int) and reach >= 0), f"{case}.reach is {reach!r}"


@torch.no_grad()
def keeps_the_shape(case: Case) -> None:
    """Any size, down to one pixel, comes out as it went in, in train and in eval mode."""
    net = _module(case)
    for training in (False, True):
        net.train(training)
        for height, width in ((1, 1), (1, 7), (6, 5)):
            x = _features(case, height, width)
            before = x.clone()
            y = net(x)
            assert y.shape == x.shape, f"{case} made {tuple(y.shape)} of {tuple(x.shape)}"
            assert torch.equal(x, before), f"{case} changed its input in place"


@torch.no_grad()
def reach_bounds_the_receptive_field(case: Case) -> None:
    """A value that is not a number spoils nothing further away than ``reach``."""
    net = _module(case)
    if net.reach is None:
        return
    side = 2 * net.reach + 5
    x = _features(case, side, side)
    x[:, :, side // 2, side // 2] = float("nan")
    spoilt = net(x).isnan().any(dim=1)[0].nonzero()
    away = int((spoilt - side // 2).abs().max())
    assert away <= net.reach, f"{case} reaches {away} pixels, not {net.reach}"


@torch.no_grad()
def deterministic_in_eval(case: Case) -> None:
    """In eval mode the same features give the same values."""
    net = _module(case)
    x = _features(case, 6, 5)
    assert torch.equal(net(x), net(x)), f"{case} is not deterministic"


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter, and the input, gets a gradient."""
    net = _module(case).train()
    x = _features(case, 6, 5).requires_grad_()
    net(x).square().mean().backward()
    assert not unreached(net), f"{case}: no gradient reaches {', '.join(unreached(net))}"
    assert x.grad is not None, f"{case}: no gradient reaches the input"


@torch.no_grad()
def survives_its_state_dict(case: Case) -> None:
    """BatchNorm's statistics included, a loaded copy gives the same values."""
    net = _module(case).train()
    x = _features(case, 6, 5)
    net(x)
    copy = seeded(kinds.blocks, case, seed=1)
    copy.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(copy.eval()(x), net.eval()(x)), f"{case} differs after loading"


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_a_block,
    keeps_the_shape,
    reach_bounds_the_receptive_field,
    deterministic_in_eval,
    gradients_reach_every_parameter,
    survives_its_state_dict,
)


def check_block(case: Case) -> None:
    """Run every block check on one case.

    Raises:
        AssertionError: the first promise that is broken.
    """
    for check in CHECKS:
        check(case)
