"""What every block has to keep."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..contracts import Block
from ..plugins import kinds
from ._case import Case, go_back, seeded, unreached
from ._promise import run_all, suite
from ._reach import (
    fitting,
    grid,
    least,
    ran,
    reach_is_not_too_large,
    reach_is_not_too_small,
    same_wherever_it_begins,
    states_its_reach,
)


def _module(case: Case) -> Block:
    return seeded(kinds.blocks, case)


def _features(case: Case, net: object, height: int, width: int) -> torch.Tensor:
    return fitting(net, height, width, 2, case.args["channels"])


def is_a_block(case: Case) -> None:
    """It is an ``nn.Module`` built with ``channels``, and states its ``reach``."""
    parameters = kinds.blocks.signature(case.name).parameters
    write = "write `def __init__(self, *, channels: int)`"
    assert "channels" in parameters, f"{case} is not built with channels: {write}"
    fine = isinstance(case.args.get("channels"), int)
    assert fine, f"{case}: arguments have no channels: write `examples = ({{'channels': 8}},)`"
    net = _module(case)
    grid(case, net)
    states_its_reach(case, net, case.args["channels"])


@torch.no_grad()
def keeps_the_shape(case: Case) -> None:
    """Any size on the grid, down to one cell, comes out as it went in, in both modes."""
    net = _module(case)
    for training in (False, True):
        net.train(training)
        for height, width in ((6, 5), (1, 7), (1, 1)):
            x = _features(case, net, *least(net, height, width))
            before = x.clone()
            y = ran(case, net, x)
            shapes = f"{tuple(y.shape)} of {tuple(x.shape)}"
            assert y.shape == x.shape, f"{case} made {shapes}: a block keeps the shape"
            assert y.dtype == x.dtype, f"{case} turned {x.dtype} into {y.dtype}"
            assert torch.equal(x, before), f"{case} changed its input in place"


@torch.no_grad()
def reach_bounds_the_receptive_field(case: Case) -> None:
    """A value that is not a number spoils nothing further away than ``reach``."""
    net = _module(case)
    reach_is_not_too_small(case, net, [(net, 1)], case.args["channels"])


@torch.no_grad()
def same_wherever_a_picture_begins(case: Case) -> None:
    """What is stated of the grid is true: tiles may begin at all its multiples."""
    net = _module(case)
    if net.reach is not None:
        same_wherever_it_begins(case, net, net, case.args["channels"])


@torch.no_grad()
def reach_is_no_larger(case: Case) -> None:
    """Some pixel is spoilt as far away as ``reach`` says: a larger one makes tiles overlap more."""
    net = _module(case)
    reach_is_not_too_large(case, net, [(net, 1)], case.args["channels"])


@torch.no_grad()
def deterministic_in_eval(case: Case) -> None:
    """In eval mode the same features give the same values."""
    net = _module(case)
    x = _features(case, net, *least(net, 6, 5))
    assert torch.equal(net(x), net(x)), f"{case} is not deterministic"


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter, and the input, gets a gradient."""
    net = _module(case).train()
    x = _features(case, net, *least(net, 6, 5)).requires_grad_()
    go_back(case, net(x))
    assert not unreached(net), f"{case}: no gradient reaches {', '.join(unreached(net))}"
    assert x.grad is not None, f"{case}: no gradient reaches the input"


@torch.no_grad()
def survives_its_state_dict(case: Case) -> None:
    """BatchNorm's statistics included, a loaded copy gives the same values."""
    net = _module(case).train()
    x = _features(case, net, *least(net, 6, 5))
    net(x)
    copy = seeded(kinds.blocks, case, seed=1)
    copy.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(copy.eval()(x), net.eval()(x)), f"{case} differs after loading"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "block",
    is_a_block,
    keeps_the_shape,
    reach_bounds_the_receptive_field,
    same_wherever_a_picture_begins,
    reach_is_no_larger,
    deterministic_in_eval,
    gradients_reach_every_parameter,
    survives_its_state_dict,
)


def check_block(case: Case) -> None:
    """Run every block check on one case.

    Raises:
        AssertionError: the first promise that is broken.
    """
    run_all(CHECKS, case)
