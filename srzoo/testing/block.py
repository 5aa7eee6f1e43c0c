"""What every block has to keep."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ..contracts import Block
from ..plugins import kinds
from ._case import Case, fitting, grid, ran, same_wherever_it_begins, seeded, spread, unreached


def _module(case: Case) -> Block:
    return seeded(kinds.blocks, case)


def _features(case: Case, net: object, height: int, width: int) -> torch.Tensor:
    return fitting(net, height, width, 2, case.args["channels"])


def is_a_block(case: Case) -> None:
    """It is an ``nn.Module`` built with ``channels``, and states its ``reach``."""
    net = _module(case)
    assert isinstance(net, nn.Module), f"{case} is a {type(net).__name__}, not an nn.Module"
    reach: object = net.reach
    assert reach is None or (isinstance(reach, int) and reach >= 0), f"{case}.reach is {reach!r}"
    grid(case, net)


@torch.no_grad()
def keeps_the_shape(case: Case) -> None:
    """Any size on the grid, down to one cell, comes out as it went in, in both modes."""
    net = _module(case)
    for training in (False, True):
        net.train(training)
        for height, width in ((1, 1), (1, 7), (6, 5)):
            x = _features(case, net, height, width)
            before = x.clone()
            y = ran(case, net, x)
            assert y.shape == x.shape, f"{case} made {tuple(y.shape)} of {tuple(x.shape)}"
            assert torch.equal(x, before), f"{case} changed its input in place"


@torch.no_grad()
def reach_bounds_the_receptive_field(case: Case) -> None:
    """A value that is not a number spoils nothing further away than ``reach``."""
    net = _module(case)
    if net.reach is None:
        return
    away = spread(net, net, case.args["channels"])
    assert away is not None, f"{case}: the output does not depend on the input"
    assert away <= net.reach, f"{case} reaches {away} pixels, not {net.reach}"


@torch.no_grad()
def same_wherever_a_picture_begins(case: Case) -> None:
    """What is stated of the grid is true: tiles may begin at all its multiples."""
    net = _module(case)
    if net.reach is not None:
        same_wherever_it_begins(case, net, net, case.args["channels"])


@torch.no_grad()
def deterministic_in_eval(case: Case) -> None:
    """In eval mode the same features give the same values."""
    net = _module(case)
    x = _features(case, net, 6, 5)
    assert torch.equal(net(x), net(x)), f"{case} is not deterministic"


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter, and the input, gets a gradient."""
    net = _module(case).train()
    x = _features(case, net, 6, 5).requires_grad_()
    torch.autograd.backward(net(x).square().mean())
    assert not unreached(net), f"{case}: no gradient reaches {', '.join(unreached(net))}"
    assert x.grad is not None, f"{case}: no gradient reaches the input"


@torch.no_grad()
def survives_its_state_dict(case: Case) -> None:
    """BatchNorm's statistics included, a loaded copy gives the same values."""
    net = _module(case).train()
    x = _features(case, net, 6, 5)
    net(x)
    copy = seeded(kinds.blocks, case, seed=1)
    copy.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(copy.eval()(x), net.eval()(x)), f"{case} differs after loading"


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_a_block,
    keeps_the_shape,
    reach_bounds_the_receptive_field,
    same_wherever_a_picture_begins,
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
