"""The contract tests of discriminators."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ..contracts import Discriminator, nn_module
from ..plugins import importing, kinds
from ._case import Case, go_back, picture, seeded, sets_no_seed, unreached
from ._promise import a_kind, basic, has, run_all, suite, takes
from ._reach import can_be_copied, same_each_time

SEEDS = 16


def _module(case: Case) -> Discriminator:
    return seeded(kinds.discriminators, case)


@basic
def is_a_discriminator(case: Case) -> None:
    """It is an ``nn.Module`` that states its ``min_size``."""
    mend = "write `min_size = N`, the least height and width that it can judge"
    size: object = has(case, _module(case), "min_size", mend)
    fine = isinstance(size, int) and not isinstance(size, bool) and size >= 1
    assert fine, f"{case}.min_size is {size!r}: {mend}"
    write = "write `def forward(self, y)`"
    net = nn_module(_module(case))
    assert type(net).forward is not nn.Module.forward, f"{case} has no forward: {write}"
    takes(case, net.forward, "forward", ["y"], write)


@basic
def any_size_above_the_minimum(case: Case) -> None:
    """B x 1 or B x 1 x h' x w' for any size from ``min_size``, in train and in eval mode."""
    net = _module(case)
    least = net.min_size
    for training in (False, True):
        net.train(training)
        for height, width in ((least, least), (least + 1, least + 7), (2 * least + 3, least)):
            y = picture(height, width, 2)
            before = y.clone()
            try:
                logits: object = net(y)
            except (RuntimeError, ValueError) as error:
                mend = f"min_size is {least}: it must work from this size, or state a larger one"
                reason = importing.described(error).splitlines()[0].rstrip(".")
                raise AssertionError(
                    f"{case} fails on {height}x{width} pixels: {reason}. {mend}"
                ) from error
            same = torch.equal(y, before)
            assert same, f"{case} changed its picture in place: work on a copy"
            kind = a_kind(logits)
            assert isinstance(logits, torch.Tensor), f"{case} returned {kind}: return a tensor"
            shape = tuple(logits.shape)
            right = shape == (2, 1) or (len(shape) == 4 and shape[:2] == (2, 1) and min(shape) > 0)
            want = "logits are B x 1 or B x 1 x h x w"
            assert right, f"{case} returned {shape} for {height}x{width}: {want}"
            for one, what in ((logits, "a picture"), (net(0 * y), "a black picture")):
                mend = "it may divide by zero"
                fine = one.isfinite().all()
                assert fine, f"{case} returned values that are not finite for {what}: {mend}"


@torch.no_grad()
def gives_logits(case: Case) -> None:
    """Large values of both signs are possible with any weights: no sigmoid at the end."""
    net = _module(case)
    x = picture(net.min_size, net.min_size, 4)
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    below = above = False
    for seed in range(SEEDS):
        draw = torch.Generator().manual_seed(seed)
        for weight in trained:
            weight.copy_(0.2 * torch.randn(weight.shape, generator=draw))
        y = net(x)
        below, above = below or bool((y < 0).any()), above or bool((y > 0).any())
        if below and above:
            break
    mend = "leave out its sigmoid (or ReLU): losses take logits"
    assert below, f"{case} gives no value below zero: {mend}"
    assert above, f"{case} gives no value above zero: {mend}"
    for weight in trained:
        weight.mul_(100)
    y = net(x).abs()
    bounded = bool((y <= 1).all() and (y > 0.9999).any())
    assert not bounded, (
        f"{case} gives values from -1 to 1 only: leave out its tanh, losses take logits"
    )


@basic
@torch.no_grad()
def deterministic_in_eval(case: Case) -> None:
    """In eval mode the same picture gives the same logits, and no state changes."""
    net = _module(case)
    same_each_time(case, net, net, picture(net.min_size + 3, net.min_size, 2), str(case))


def weights_depend_on_the_seed(case: Case) -> None:
    """Building it sets no seed, and the discriminator can be copied."""
    sets_no_seed(kinds.discriminators, case)
    can_be_copied(case, _module(case))


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter, and the picture itself, gets a gradient."""
    net = _module(case).train()
    x = picture(net.min_size + 8, net.min_size + 8, 2).requires_grad_()
    go_back(case, net(x))
    names = ", ".join(unreached(net))
    mend = "leave out what forward does not use, or write `requires_grad_(False)`"
    assert not names, f"{case}: no gradient reaches {names}: {mend}"
    assert x.grad is not None, f"{case}: no gradient reaches the picture"
    assert x.grad.abs().sum() > 0, f"{case}: the gradient at the picture is zero"


@torch.no_grad()
def survives_its_state_dict(case: Case) -> None:
    """A loaded copy gives the same logits, statistics and spectral norms included."""
    net = _module(case).train()
    x = picture(net.min_size, net.min_size + 2, 2)
    net(x)  # changes the statistics from their initial values
    copy = seeded(kinds.discriminators, case, seed=1)
    copy.load_state_dict(net.state_dict(), strict=True)
    mend = "constants that are drawn or learned belong in `register_buffer`"
    assert torch.equal(copy.eval()(x), net.eval()(x)), f"{case} differs after loading: {mend}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "discriminator",
    is_a_discriminator,
    any_size_above_the_minimum,
    deterministic_in_eval,
    gives_logits,
    weights_depend_on_the_seed,
    gradients_reach_every_parameter,
    survives_its_state_dict,
)


def check_discriminator(case: Case) -> None:
    """Run every discriminator check on one case.

    Raises:
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
