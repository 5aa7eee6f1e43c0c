"""What every adversarial loss has to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Pair
from ._case import Case, picture
from ._promise import built, can, run_all, suite


class Brightness(nn.Module):
    """A discriminator that takes bright pictures for real: logits B x 1 x 1 x 1."""

    min_size = 1

    def __init__(self, slope: float = 4.0) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, y: Tensor) -> Tensor:
        """The mean over colours and places, less a half, times the slope."""
        return self.slope * (y.mean((1, 2, 3), keepdim=True) - 0.5)


def _loss(case: Case) -> Any:
    return built("adversarial-loss", case)


def _pair(made: float, real: float = 0.7) -> Pair:
    noise = 0.1 * (picture(12, 14, 3) - 0.5)
    sr = (made + noise).requires_grad_()
    return Pair(lr=picture(3, 3, 3), hr=real + noise.flip(3), sr=sr)


def two_scalars(case: Case) -> None:
    """Both players get a finite number."""
    for name in ("for_generator", "for_discriminator"):
        can(case, _loss(case), name, f"write `def {name}(self, discriminator, pair)`")
    for value in (
        _loss(case).for_generator(Brightness(), _pair(0.3)),
        _loss(case).for_discriminator(Brightness(), _pair(0.3)),
    ):
        found: object = value
        assert isinstance(found, Tensor), f"{case} gave a {type(found).__name__}, and no tensor"
        assert value.shape == (), f"{case} gave the shape {tuple(value.shape)}"
        assert value.isfinite(), f"{case} gave {value}"


def the_generator_wants_to_look_real(case: Case) -> None:
    """Its loss falls as SR looks more real, and its gradient leads there."""
    loss = _loss(case)
    values = [float(loss.for_generator(Brightness(), _pair(x)).detach()) for x in (0.3, 0.5, 0.7)]
    assert values[0] > values[1] > values[2], f"{case}: for the generator {values}"
    pair = _pair(0.3)
    loss.for_generator(Brightness(), pair).backward()
    assert pair.sr.grad is not None, f"{case} gives the generator no gradient"
    assert pair.sr.grad.mean() < 0, f"{case}: the generator's gradient leads away from real"


def the_discriminator_wants_to_tell(case: Case) -> None:
    """Its loss is lower where its logits are right, and its gradient makes them more so."""
    loss = _loss(case)
    right, wrong = (
        float(loss.for_discriminator(Brightness(), _pair(made, real)).detach())
        for made, real in ((0.3, 0.7), (0.7, 0.3))
    )
    assert right < wrong, f"{case}: for the discriminator {right} if right, {wrong} if wrong"
    unsure = Brightness(slope=0.1)
    loss.for_discriminator(unsure, _pair(0.3).detach()).backward()
    assert unsure.slope.grad is not None, f"{case} gives the discriminator no gradient"
    assert unsure.slope.grad < 0, f"{case}: the discriminator's gradient leads away from telling"


def a_frozen_discriminator_stays(case: Case) -> None:
    """In the generator's turn the gradient passes through a frozen D and stops nowhere else."""
    frozen = Brightness().requires_grad_(False)
    pair = _pair(0.3)
    _loss(case).for_generator(frozen, pair).backward()
    assert frozen.slope.grad is None, f"{case} trains a frozen discriminator"
    assert pair.sr.grad is not None, f"{case} gives the generator no gradient through a frozen D"


def maps_and_vectors_alike(case: Case) -> None:
    """Logits B x 1 and B x 1 x h x w of one value count the same."""

    class Map(Brightness):
        def forward(self, y: Tensor) -> Tensor:
            return super().forward(y).expand(-1, 1, 4, 5)

    class Vector(Brightness):
        def forward(self, y: Tensor) -> Tensor:
            return super().forward(y).flatten(1)

    for player in ("for_generator", "for_discriminator"):
        a, b = (getattr(_loss(case), player)(kind(), _pair(0.4)).detach() for kind in (Map, Vector))
        assert torch.allclose(a, b), f"{case}.{player} gives {float(a)} for maps, {float(b)} else"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "adversarial-loss",
    two_scalars,
    the_generator_wants_to_look_real,
    the_discriminator_wants_to_tell,
    a_frozen_discriminator_stays,
    maps_and_vectors_alike,
)


def check_adversarial_loss(case: Case) -> None:
    """Run every check on one case.

    Raises:
        AssertionError: the first promise that is broken.
    """
    run_all(CHECKS, case)
