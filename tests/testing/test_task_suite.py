"""The contract suite of tasks knows those that break their promises."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import srzoo
from srzoo.testing import Case, check_task


class Scorer(nn.Module):
    """A network beside the generator: the mean of a picture, times what it learns."""

    min_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(2.0))

    def forward(self, y):
        return self.slope * y.mean((1, 2, 3))


class Good:
    """Two networks that score pictures."""

    scales = None

    def __init__(self) -> None:
        self.networks = {"first": Scorer(), "second": Scorer()}
        self.helpers = {}

    def turns(self, step):
        return ("generator", "first", "second") if step % 2 else ("first",)

    def terms(self, pair, networks):
        return {f"by_{name}": -net(pair.sr).mean() for name, net in networks.items()}

    def loss_of(self, name, network, pair):
        real, made = network(pair.hr), network(pair.sr)
        return {name: (made - real).square().mean()}, {f"{name}_says": made.detach().mean()}


class Still(Good):
    def turns(self, step):
        return ()


class Unknown(Good):
    def turns(self, step):
        return ("third",)


class Counting(Good):
    """Not a function of the step."""

    calls = 0

    def turns(self, step):
        self.calls += 1
        return ("generator",) if self.calls % 2 else ("first",)


class NeverMoves(Good):
    def turns(self, step):
        return ("first", "second")


class Dotted(Good):
    def __init__(self) -> None:
        super().__init__()
        self.networks = {"a.b": Scorer()}


class Cut(Good):
    """No gradient to the generator."""

    def terms(self, pair, networks):
        return super().terms(pair.detach(), networks)


class Many(Good):
    def terms(self, pair, networks):
        return {"many": pair.sr.mean((1, 2, 3))}


class Idle(Good):
    """A network that gets no gradient."""

    def loss_of(self, name, network, pair):
        losses, facts = super().loss_of(name, network, pair)
        return {key: value.detach() for key, value in losses.items()}, facts


class Around(Good):
    """Goes past the wrapper that it is given."""

    def loss_of(self, name, network, pair):
        return super().loss_of(name, self.networks[name], pair)


class Heavy(Good):
    """A fact that keeps the graph of the step."""

    def loss_of(self, name, network, pair):
        losses, _ = super().loss_of(name, network, pair)
        return losses, {"says": network(pair.sr).mean()}


class Teaches(Good):
    """A helper that its terms train."""

    def __init__(self) -> None:
        super().__init__()
        self.networks, self.helpers = {}, {"teacher": Scorer().requires_grad_(True)}

    def turns(self, step):
        return ("generator",)

    def terms(self, pair, networks):
        teacher = self.helpers["teacher"]
        teacher.requires_grad_(True)
        return {"taught": teacher(pair.sr).mean()}


@pytest.fixture
def case():
    def make(kind):
        srzoo.tasks.register("mine", kind)
        return Case("mine")

    yield make
    srzoo.tasks.unregister("mine")


def test_one_that_keeps_its_promises(case):
    check_task(case(Good))


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Still, "no network is updated"), (Unknown, "third"), (Counting, "a step has"),
        (NeverMoves, "generator is not updated"), (Dotted, "a.b"), (Cut, "no gradient"),
        (Many, "shape"), (Idle, "gets no gradient"), (Around, "wrapper"), (Heavy, "graph"),
        (Teaches, "trains"),
    ],
)  # fmt: skip
def test_one_that_breaks_one_is_told(case, kind, message):
    with pytest.raises(AssertionError, match=message):
        check_task(case(kind))
