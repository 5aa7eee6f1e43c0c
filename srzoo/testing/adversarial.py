"""The contract tests of adversarial losses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ..contracts import Pair
from ._case import Case, picture
from ._pairs import left_alone, scalar
from ._promise import basic, built, can, run_all, suite


class Brightness(nn.Module):
    """A discriminator that rates bright pictures as real: logits B x 1 x 1 x 1."""

    min_size = 1

    def __init__(self, slope: float = 4.0) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(slope))

    def forward(self, y: Tensor) -> Tensor:
        """The mean over channels and pixels, less 0.5, times the slope."""
        return self.slope * (y.mean((1, 2, 3), keepdim=True) - 0.5)


SLIGHT = 1e-5
"""A slope at which a gradient penalty does not depend on the number of logits."""


def _loss(case: Case) -> Any:
    return built("adversarial-loss", case)


def _pair(made: float, real: float = 0.7) -> Pair:
    noise = 0.1 * (picture(12, 14, 3) - 0.5)
    sr = (made + noise).requires_grad_()
    return Pair(lr=picture(3, 3, 3), hr=real + noise.flip(3), sr=sr)


@basic
def two_scalars(case: Case) -> None:
    """Both losses are finite numbers, and the pair is not changed."""
    for name in ("for_generator", "for_discriminator"):
        can(case, _loss(case), name, f"write `def {name}(self, discriminator, pair)`")
    for name in ("for_generator", "for_discriminator"):
        pair = _pair(0.3)
        pair = pair if name == "for_generator" else pair.detach()
        with left_alone(case, pair):
            value: object = getattr(_loss(case), name)(Brightness(), pair)
        scalar(case, value, f".{name}")


def the_generators_loss_falls_as_pictures_look_real(case: Case) -> None:
    """The generator's loss falls as SR looks more real, and its gradient points there."""
    loss = _loss(case)
    values = [float(loss.for_generator(Brightness(), _pair(x)).detach()) for x in (0.3, 0.5, 0.7)]
    shown = ", ".join(f"{value:g}" for value in values)
    mend = "it should fall as pair.sr is rated more real: is its sign wrong?"
    falls = values[0] > values[1] > values[2]
    assert falls, f"{case}.for_generator returned {shown} as SR looks more real: {mend}"
    pair = _pair(0.3)
    value = loss.for_generator(Brightness(), pair)
    mend = "compute it from pair.sr, without detach"
    assert value.requires_grad, f"{case} gives the generator no gradient: {mend}"
    value.backward()
    assert pair.sr.grad is not None, f"{case} gives the generator no gradient: {mend}"
    assert pair.sr.grad.mean() < 0, f"{case}: the generator's gradient points away from real"


def the_discriminators_loss_separates_real_from_generated(case: Case) -> None:
    """The discriminator's loss is lower where its logits are right; its gradient points there."""
    loss = _loss(case)
    right, wrong = (
        float(loss.for_discriminator(Brightness(), _pair(made, real)).detach())
        for made, real in ((0.3, 0.7), (0.7, 0.3))
    )
    mend = "it should fall as logits of pair.hr rise and those of pair.sr fall: are signs wrong?"
    message = (
        f"{case}.for_discriminator returned {right:g} for right logits, {wrong:g} for wrong ones"
    )
    assert right < wrong, f"{message}: {mend}"
    unsure = Brightness(slope=0.1)
    value = loss.for_discriminator(unsure, _pair(0.3).detach())
    mend = "compute it from the discriminator's output, without detach"
    assert value.requires_grad, f"{case} gives the discriminator no gradient: {mend}"
    value.backward()
    assert unsure.slope.grad is not None, f"{case} gives the discriminator no gradient"
    assert unsure.slope.grad < 0, f"{case}: the discriminator's gradient points the wrong way"


def a_frozen_discriminator_stays(case: Case) -> None:
    """In the generator's turn the gradient passes through the frozen discriminator to SR alone."""
    frozen = Brightness().requires_grad_(False)
    pair = _pair(0.3)
    _loss(case).for_generator(frozen, pair).backward()
    assert frozen.slope.grad is None, f"{case} trains a frozen discriminator"
    assert pair.sr.grad is not None, f"{case} gives the generator no gradient through a frozen D"


def maps_and_vectors_alike(case: Case) -> None:
    """Logits B x 1 and B x 1 x h x w of one value give the same loss, with any random numbers."""

    class Map(Brightness):
        def forward(self, y: Tensor) -> Tensor:
            return super().forward(y).expand(-1, 1, 4, 5)

    class Vector(Brightness):
        def forward(self, y: Tensor) -> Tensor:
            return super().forward(y).flatten(1)

    def of(player: str, kind: type[Brightness]) -> Tensor:
        with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
            torch.manual_seed(0)  # pyright: ignore[reportUnknownMemberType]
            return getattr(_loss(case), player)(kind(SLIGHT), _pair(0.4)).detach()

    mend = "average over batch and positions: `.mean()`"
    for player in ("for_generator", "for_discriminator"):
        a, b = of(player, Map), of(player, Vector)
        message = f"{case}.{player} gives {float(a):g} for maps, {float(b):g} for one logit"
        assert torch.allclose(a, b, rtol=1e-4), f"{message}: {mend}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "adversarial-loss",
    two_scalars,
    the_generators_loss_falls_as_pictures_look_real,
    the_discriminators_loss_separates_real_from_generated,
    a_frozen_discriminator_stays,
    maps_and_vectors_alike,
)


def check_adversarial_loss(case: Case) -> None:
    """Run every check on one case.

    Raises:
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
