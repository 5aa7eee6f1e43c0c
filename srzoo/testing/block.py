"""The contract tests of blocks."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ..contracts import Block, nn_module
from ..plugins import kinds
from ._case import Case, go_back, seeded, sets_no_seed, unreached
from ._promise import basic, run_all, suite, takes
from ._reach import (
    can_be_copied,
    fitting,
    grid,
    keeps_type,
    least,
    ran,
    reach_is_not_too_large,
    reach_is_not_too_small,
    same_by_itself,
    same_each_time,
    same_wherever_it_begins,
    states_its_reach,
)


def _module(case: Case) -> Block:
    return seeded(kinds.blocks, case)


def _features(case: Case, net: object, height: int, width: int) -> torch.Tensor:
    return 2 * fitting(net, height, width, 2, case.args["channels"]) - 1


@basic
def is_a_block(case: Case) -> None:
    """It is an ``nn.Module`` built with ``channels``, and states its ``reach``."""
    parameters = kinds.blocks.signature(case.name).parameters
    write = "write `def __init__(self, *, channels: int)`"
    assert "channels" in parameters, f"{case} is not built with channels: {write}"
    fine = isinstance(case.args.get("channels"), int)
    assert fine, f"{case}: its examples have no channels: write `examples = ({{'channels': 8}},)`"
    net = _module(case)
    grid(case, net)
    write = "write `def forward(self, x)`"
    assert type(nn_module(net)).forward is not nn.Module.forward, f"{case} has no forward: {write}"
    takes(case, nn_module(net).forward, "forward", ["x"], write)
    states_its_reach(case, net, case.args["channels"])


@basic
@torch.no_grad()
def keeps_the_shape(case: Case) -> None:
    """Any size on the grid, down to one cell, gives the same size, in both modes."""
    net, again = _module(case), _module(case)
    for training in (False, True):
        net.train(training)
        for height, width in ((6, 5), (1, 7), (1, 1)):
            x = _features(case, net, *least(net, height, width))
            before = x.clone()
            y = ran(case, net, x, again)
            shapes = f"{tuple(y.shape)} of {tuple(x.shape)}"
            assert y.shape == x.shape, f"{case} returned {shapes}: a block keeps the shape"
            assert y.dtype == x.dtype, f"{case} turned {x.dtype} into {y.dtype}"
            same = torch.equal(x, before)
            assert same, f"{case} changed its input in place: work on a copy, no `inplace=True`"
            fine = y.isfinite().all() and net(0 * x).isfinite().all()
            mend = "it may divide by zero"
            assert fine, f"{case} returned values that are not finite: {mend}"


@torch.no_grad()
def reach_bounds_the_receptive_field(case: Case) -> None:
    """A NaN spreads no further than ``reach``."""
    net = _module(case)
    reach_is_not_too_small(case, net, [(net, 1)], case.args["channels"])


@torch.no_grad()
def same_wherever_a_picture_begins(case: Case) -> None:
    """The stated grid is true: tiles may begin at all multiples of it."""
    net = _module(case)
    if net.reach is not None:
        same_wherever_it_begins(case, net, net, case.args["channels"])


@torch.no_grad()
def reach_is_no_larger(case: Case) -> None:
    """A NaN spreads as far as ``reach``: a larger value would make tiles overlap more."""
    net = _module(case)
    reach_is_not_too_large(case, net, [(net, 1)], case.args["channels"])


@basic
@torch.no_grad()
def deterministic_in_eval(case: Case) -> None:
    """In eval mode the same features give the same values, alone and in a batch."""
    net = _module(case)
    x = _features(case, net, *least(net, 6, 9))
    same_each_time(case, net, net, x, str(case))
    same_by_itself(case, net, x, str(case))


@torch.no_grad()
def keeps_dtype(case: Case) -> None:
    """A float64 or bfloat16 block returns its type."""
    net = _module(case)
    keeps_type(case, net, net, _features(case, net, *least(net, 6, 5)))


def weights_depend_on_the_seed(case: Case) -> None:
    """Building it sets no seed, and the block can be copied."""
    sets_no_seed(kinds.blocks, case)
    can_be_copied(case, _module(case))


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter, and the input, gets a gradient."""
    net = _module(case).train()
    x = _features(case, net, *least(net, 6, 5)).requires_grad_()
    go_back(case, net(x))
    names = ", ".join(unreached(net))
    mend = "leave out what forward does not use, or write `requires_grad_(False)`"
    assert not names, f"{case}: no gradient reaches {names}: {mend}"
    assert x.grad is not None, f"{case}: no gradient reaches the input"


@torch.no_grad()
def survives_its_state_dict(case: Case) -> None:
    """A loaded copy gives the same values, the statistics of BatchNorm included."""
    net = _module(case).train()
    x = _features(case, net, *least(net, 6, 5))
    net(x)
    copy = seeded(kinds.blocks, case, seed=1)
    copy.load_state_dict(net.state_dict(), strict=True)
    mend = "constants that are drawn or learned belong in `register_buffer`"
    assert torch.equal(copy.eval()(x), net.eval()(x)), f"{case} differs after loading: {mend}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "block",
    is_a_block,
    keeps_the_shape,
    deterministic_in_eval,
    reach_bounds_the_receptive_field,
    same_wherever_a_picture_begins,
    reach_is_no_larger,
    keeps_dtype,
    weights_depend_on_the_seed,
    gradients_reach_every_parameter,
    survives_its_state_dict,
)


def check_block(case: Case) -> None:
    """Run every block check on one case.

    Raises:
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
