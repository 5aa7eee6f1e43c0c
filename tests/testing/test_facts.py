"""The suites hold what plugins state of themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import Drawn
from PIL import Image
from srzoo_plugins.edsr import EDSR
from srzoo_plugins.losses import L1
from srzoo_plugins.metrics import PSNRY

import srzoo
from srzoo.contracts import (
    Described,
    GeneratorFacts,
    LossFacts,
    MetricFacts,
    Printed,
    multiple_of,
    optional,
    stated,
)  # fmt: skip
from srzoo.testing import Case, dataset, degradation, generator, loss, metric

CLEAN = ("bicubic",)


@pytest.fixture
def local():
    """Registers a plugin for one test."""
    names = []

    def register(registry, factory):
        registry.register("stated", factory)
        names.append(registry)
        return Case("stated")

    yield register
    for registry in names:
        registry.unregister("stated")


@pytest.mark.parametrize("name", [n for n in srzoo.degradations.names() if n not in CLEAN])
def test_what_is_not_clean_may_not_say_so(local, name):
    kind = srzoo.degradations.get(name)

    class Stated(kind):
        def __init__(self):
            super().__init__()
            self.clean = True

    with pytest.raises(AssertionError, match="states that it is clean"):
        degradation.says_whether_it_is_clean(local(srzoo.degradations, Stated))


@pytest.mark.parametrize("name", ["BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS"])
def test_the_usual_filters_are_clean(local, name):
    class Shrunk:
        deterministic = True
        clean = True

        def __call__(self, hr, scale, rng):
            size = hr.shape[1] // scale, hr.shape[0] // scale
            return np.asarray(Image.fromarray(hr).resize(size, Image.Resampling[name]))

    degradation.says_whether_it_is_clean(local(srzoo.degradations, Shrunk))


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"unit": None}, "unit"), ({"label": 3}, "label"), ({"tolerance": -1}, "tolerance"),
        ({"tolerance": True}, "tolerance"), ({"tolerance": "1 %"}, "tolerance"),
        ({"tolerance": float("nan")}, "tolerance"), ({"short": '{"name": "x"}'}, "short"),
        ({"short": "two words"}, "short"), ({"short": None}, "short"),
    ],
)  # fmt: skip
def test_facts_of_a_metric(local, stated, message):
    case = local(srzoo.metrics, type("Stated", (PSNRY,), stated))
    with pytest.raises(AssertionError, match=message):
        metric.states_facts(case)


def test_a_unit_is_stated_on_the_class(local):
    class Stated(PSNRY):
        def __init__(self):
            super().__init__()
            self.unit = "levels"

    with pytest.raises(AssertionError, match="must be stated on the class"):
        metric.states_facts(local(srzoo.metrics, Stated))


@pytest.mark.parametrize(
    "stated",
    [{"paper": "Lim 2017"}, {"printed": [Printed("x", 4, {})]}, {"printed": ("x",)},
     {"printed": (Printed("x", 4, {}, {"n_blocks": 3}),)}],
)  # fmt: skip
def test_papers_of_a_generator(local, stated):
    case = local(srzoo.generators, type("Stated", (EDSR,), stated))
    with pytest.raises((AssertionError, srzoo.errors.SrzooError), match=r"paper|printed|n_blocks"):
        generator.states_papers(case)


@pytest.mark.parametrize("names", [["weights"], ("backbone",)])
def test_card_args_of_a_loss(local, names):
    case = local(srzoo.losses, type("Stated", (L1,), {"card_args": names}))
    with pytest.raises(AssertionError, match="card_args"):
        loss.card_args_are_arguments(case)


@pytest.mark.parametrize("told", [Described(own_lr=True), {"own_lr": False}])
def test_a_dataset_tells_the_truth(told):
    class Stated(Drawn):
        describe = staticmethod(lambda args: told)

    with pytest.raises(AssertionError, match="describe"):
        dataset.describes_itself(Stated(), {"apart": False})
    Stated.describe = staticmethod(lambda args: Described(own_lr=False))
    dataset.describes_itself(Stated(), {"apart": False})


def test_a_dataset_may_tell_nothing():
    dataset.describes_itself(Drawn(), {"apart": False})
    assert optional.described(Drawn, {}) is None


def test_what_is_not_stated_claims_nothing():
    class Bare:
        deterministic = True

    class Random:
        deterministic = False

    assert optional.phrase_of(Bare) == ""
    assert optional.tolerance_of(Bare, -50.0) == 0.5
    assert optional.clean_of(Bare) is None
    assert optional.clean_of(Random) is False
    for kind in (MetricFacts, GeneratorFacts, LossFacts):
        assert vars(stated(Bare, kind)) == {}
    assert multiple_of(torch.nn.Identity()) == 1


@pytest.mark.parametrize("inherits", [False, True])
def test_what_is_stated_is_read_however_it_is_stated(inherits):
    class Stated(MetricFacts if inherits else object):
        unit = "dB"

        def __init__(self):
            self.tolerance = 2.0

        @property
        def short(self):
            return "own"

    found = stated(Stated(), MetricFacts)
    assert (found.unit, found.tolerance, found.short, found.label) == ("dB", 2.0, "own", "")
    assert (found.thread_safe, found.examples) == (False, ({},))
    assert stated(Stated, MetricFacts).tolerance is None or not inherits


def test_facts_are_bases_of_networks():
    class Net(torch.nn.Module, GeneratorFacts):
        multiple = 4

    assert multiple_of(Net()) == 4
    assert stated(Net(), GeneratorFacts).linear_tail is False
    assert len(list(Net().parameters())) == 0


@pytest.mark.parametrize(
    ("ability", "member"),
    [
        ("NamedPictures", "name"), ("KeyedPictures", "key"), ("SizedPictures", "size"),
        ("Describing", "describe"), ("Downloadable", "fetch"),
    ],
)  # fmt: skip
def test_an_ability_is_its_method(ability, member):
    contract = getattr(optional, ability)
    assert not isinstance(Drawn(), contract)
    kind = type("Able", (Drawn,), {member: staticmethod(lambda *given: None)})
    assert isinstance(kind(), contract)
    assert isinstance(kind, contract)
