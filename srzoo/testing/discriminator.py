"""What every discriminator has to keep."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from ..contracts import Discriminator
from ..plugins import kinds
from ._case import Case, picture, seeded, unreached


def _module(case: Case) -> Discriminator:
    return seeded(kinds.discriminators, case)


def is_a_discriminator(case: Case) -> None:
    """It is an ``nn.Module`` that states its ``min_size``."""
    net = _module(case)
    assert isinstance(net, nn.Module), f"{case} is a {type(net).__name__}, not an nn.Module"
    size: object = net.min_size
    assert isinstance(size, int), f"{case}.min_size is {size!r}"
    assert size >= 1, f"{case}.min_size is {size}"


def any_size_above_the_minimum(case: Case) -> None:
    """B x 1 or B x 1 x h' x w' for any size from ``min_size``, in train and in eval mode."""
    net = _module(case)
    least = net.min_size
    for training in (False, True):
        net.train(training)
        for height, width in ((least, least), (least + 1, least + 7), (2 * least + 3, least)):
            logits = net(picture(height, width, 2))
            shape = tuple(logits.shape)
            right = shape == (2, 1) or (len(shape) == 4 and shape[:2] == (2, 1) and min(shape) > 0)
            assert right, f"{case} gave {shape} for {height}x{width}"
            assert logits.isfinite().all(), f"{case} gave values that are not finite"


def gives_logits(case: Case) -> None:
    """Values of both signs are possible: no sigmoid at the end."""
    net = _module(case)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.mul_(3)
        y = net(picture(net.min_size, net.min_size, 4))
        last = [m for m in net.modules() if not any(m.children())][-1]
        assert not isinstance(last, nn.Sigmoid), f"{case} ends in a sigmoid"
        assert y.isfinite().all(), f"{case} gave values that are not finite"


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
    torch.autograd.backward(net(x).square().mean())
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


CHECKS: tuple[Callable[[Case], None], ...] = (
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
    for check in CHECKS:
        check(case)
