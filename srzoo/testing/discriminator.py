"""What every discriminator has to keep."""

from __future__ import annotations

from collections.abc import Callable

import torch

from ..contracts import Discriminator
from ..plugins import importing, kinds
from ._case import Case, go_back, picture, seeded, unreached
from ._promise import has, run_all, suite

SEEDS = 16


def _module(case: Case) -> Discriminator:
    return seeded(kinds.discriminators, case)


def is_a_discriminator(case: Case) -> None:
    """It is an ``nn.Module`` that states its ``min_size``."""
    mend = "write `min_size = N`, the least height and width that it can judge"
    size: object = has(case, _module(case), "min_size", mend)
    fine = isinstance(size, int) and not isinstance(size, bool) and size >= 1
    assert fine, f"{case}.min_size is {size!r}: {mend}"


def any_size_above_the_minimum(case: Case) -> None:
    """B x 1 or B x 1 x h' x w' for any size from ``min_size``, in train and in eval mode."""
    net = _module(case)
    least = net.min_size
    for training in (False, True):
        net.train(training)
        for height, width in ((least, least), (least + 1, least + 7), (2 * least + 3, least)):
            try:
                logits: object = net(picture(height, width, 2))
            except RuntimeError as error:
                mend = f"min_size is {least}: it works on all pictures from there, or is more"
                reason = importing.described(error).splitlines()[0]
                raise AssertionError(
                    f"{case} fails on {height}x{width} pixels: {reason}. {mend}"
                ) from error
            assert isinstance(logits, torch.Tensor), f"{case} gave a {type(logits).__name__}"
            shape = tuple(logits.shape)
            right = shape == (2, 1) or (len(shape) == 4 and shape[:2] == (2, 1) and min(shape) > 0)
            want = "logits are B x 1 or B x 1 x h x w"
            assert right, f"{case} gave {shape} for {height}x{width}: {want}"
            assert logits.isfinite().all(), f"{case} gave values that are not finite"


@torch.no_grad()
def gives_logits(case: Case) -> None:
    """Values of both signs are possible, whatever its weights are: no sigmoid at the end."""
    net = _module(case)
    x = picture(net.min_size, net.min_size, 4)
    trained = [weight for weight in net.parameters() if weight.requires_grad]
    for seed in range(SEEDS):
        draw = torch.Generator().manual_seed(seed)
        for weight in trained:
            weight.copy_(0.2 * torch.randn(weight.shape, generator=draw))
        if not (net(x) >= 0).all():
            return
    mend = "leave out its sigmoid (or ReLU): losses want logits"
    raise AssertionError(f"{case} gives no value below zero: {mend}")


@torch.no_grad()
def deterministic_in_eval(case: Case) -> None:
    """In eval mode the same picture gives the same logits, and no state changes."""
    net = _module(case)
    x = picture(net.min_size + 3, net.min_size, 2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert torch.equal(net(x), net(x)), f"{case} is not deterministic"
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name]), f"{case} changes {name} in eval mode"


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter, and the picture itself, gets a gradient."""
    net = _module(case).train()
    x = picture(net.min_size + 8, net.min_size + 8, 2).requires_grad_()
    go_back(case, net(x))
    assert not unreached(net), f"{case}: no gradient reaches {', '.join(unreached(net))}"
    assert x.grad is not None, f"{case}: no gradient reaches the picture"
    assert x.grad.abs().sum() > 0, f"{case}: the gradient at the picture is zero"


@torch.no_grad()
def survives_its_state_dict(case: Case) -> None:
    """Statistics and spectral norms included, a loaded copy gives the same logits."""
    net = _module(case).train()
    x = picture(net.min_size, net.min_size + 2, 2)
    net(x)  # moves the statistics off their first values
    copy = seeded(kinds.discriminators, case, seed=1)
    copy.load_state_dict(net.state_dict(), strict=True)
    assert torch.equal(copy.eval()(x), net.eval()(x)), f"{case} differs after loading"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "discriminator",
    is_a_discriminator,
    any_size_above_the_minimum,
    gives_logits,
    deterministic_in_eval,
    gradients_reach_every_parameter,
    survives_its_state_dict,
)


def check_discriminator(case: Case) -> None:
    """Run every discriminator check on one case.

    Raises:
        AssertionError: the first promise that is broken.
    """
    run_all(CHECKS, case)
