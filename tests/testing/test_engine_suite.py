"""The engine suite says which promise about an engine's facts is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from own_engine import OwnEngine

from srzoo.exporting import engine_facts
from srzoo.plugins import kinds
from srzoo.testing import Case
from srzoo.testing import engine as suite

CASE = Case("own")


@pytest.fixture
def own():
    """A class of this test's own, registered."""
    made = type("Own", (OwnEngine,), {})
    kinds.engines.register("own", made)
    yield made
    kinds.engines.unregister("own")


def test_a_sound_one_passes(own):
    suite.states_its_facts(CASE)
    suite.refuses_what_it_does_not_state(CASE)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("devices", (), "states no devices"),
        ("precisions", (), "states no precisions"),
        ("devices", ("tpu",), "devices has 'tpu'"),
        ("speed", -2, "speed is -2"),
        ("export_format", "nowhere", "runs nowhere, which is not a registered export format"),
    ],
)
def test_wrong_facts(own, name, value, says):
    setattr(own, name, value)
    with pytest.raises(AssertionError, match=says):
        suite.states_its_facts(CASE)


def test_one_that_takes_what_it_does_not_state(own):
    own.__init__ = lambda self, *, folder, device="auto", precision="auto": None
    with pytest.raises(AssertionError, match="states no cuda in auto, but accepts it"):
        suite.refuses_what_it_does_not_state(CASE)


def test_a_file_with_another_speed_on_a_card(monkeypatch):
    right = engine_facts.find("torch")
    suite.states_its_facts(Case("torch"))
    other = replace(right, speed={**right.speed, "cuda": 2.0})
    monkeypatch.setattr(engine_facts, "in_file", lambda _: other)
    with pytest.raises(AssertionError, match=r"torch\(\)\.speed is .*, but in engines.toml"):
        suite.states_its_facts(Case("torch"))


@pytest.mark.parametrize("name", ["devices", "precisions", "speed", "first_use", "packages"])
def test_a_file_that_says_something_else(monkeypatch, name):
    right = engine_facts.find("mnn")
    suite.states_its_facts(Case("mnn"))
    other = {"devices": ("mps",), "precisions": ("fp16",), "packages": {}}.get(name, 77.0)
    monkeypatch.setattr(engine_facts, "in_file", lambda _: replace(right, **{name: other}))
    with pytest.raises(AssertionError, match=rf"mnn\(\)\.{name} is .*, but in engines.toml"):
        suite.states_its_facts(Case("mnn"))
    monkeypatch.setattr(engine_facts, "in_file", lambda _: None)
    with pytest.raises(AssertionError, match="no engines.toml with .mnn.: auto never chooses it"):
        suite.states_its_facts(Case("mnn"))
