"""Learning rates over the steps, against what others compute."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.recipes.recipe import Schedule
from srzoo.training.schedule import factor


class MultiStepRestart:
    """BasicSR's rule, from one step to the next."""

    def __init__(self, milestones, gamma, restarts, weights):
        self.milestones, self.gamma = milestones, gamma
        self.restarts, self.weights = restarts, weights
        self.rate = 1.0

    def at(self, step):
        if step in self.restarts:
            self.rate = self.weights[self.restarts.index(step)]
        elif step in self.milestones:
            self.rate *= self.gamma
        return self.rate


STEPS = st.lists(st.integers(1, 40), unique=True, max_size=6).map(sorted)


@given(at=STEPS, restarts=STEPS, data=st.data())
def test_step_with_restarts_is_basicsrs(at, restarts, data):
    weights = data.draw(
        st.lists(st.sampled_from([0.5, 1.0, 2.0]), min_size=len(restarts), max_size=len(restarts))
    )
    schedule = Schedule(
        "step", tuple(at), 0.5, restarts=tuple(restarts), restart_weights=tuple(weights)
    )
    other = MultiStepRestart(at, 0.5, restarts, weights)
    for step in range(50):
        assert factor(schedule, step, 50) == pytest.approx(other.at(step))


@given(
    periods=st.lists(st.integers(1, 15), min_size=1, max_size=5),
    floor=st.sampled_from([0.0, 0.1]),
    data=st.data(),
)
def test_cosine_restarts_is_basicsrs(periods, floor, data):
    weights = data.draw(
        st.lists(st.sampled_from([0.5, 1.0]), min_size=len(periods), max_size=len(periods))
    )
    steps = sum(periods)
    schedule = Schedule(
        "cosine_restarts", floor=floor, periods=tuple(periods), restart_weights=tuple(weights)
    )
    ends = [sum(periods[: n + 1]) for n in range(len(periods))]
    for step in range(steps):
        place = next(n for n, end in enumerate(ends) if step <= end)
        share = (step - (ends[place - 1] if place else 0)) / periods[place]
        wanted = floor + weights[place] * 0.5 * (1 - floor) * (1 + math.cos(math.pi * share))
        assert factor(schedule, step, steps) == pytest.approx(wanted)


def test_linear_goes_to_its_floor():
    schedule = Schedule("linear", floor=0.2, warmup=2)
    assert [factor(schedule, step, 6) for step in range(7)] == pytest.approx(
        [0.5, 1, 1, 0.8, 0.6, 0.4, 0.2]
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            "{name='cosine_restarts', periods=[4, 4]}",
            r"periods is \[4, 4\], 8 steps in total of 12",
        ),
        ("{name='cosine_restarts'}", r"schedule.periods is \[\], 0 steps"),
        ("{name='cosine_restarts', periods=[20, -2]}", r"periods is \[20, -2\]"),
        (
            "{name='cosine_restarts', periods=[12], restart_weights=[1, 1]}",
            r"schedule.restart_weights is \[1.0, 1.0\], but there are 1 periods",
        ),
        ("{name='step', restarts=[5, 3]}", r"restarts is \[5, 3\]"),
        ("{name='step', restarts=[0]}", r"restarts is \[0\]"),
        ("{name='step', restarts=[12]}", r"restarts is \[12\], but there are only 12 steps"),
        ("{name='step', restarts=[3], restart_weights=[1, 1]}", "there are 1 restarts"),
        ("{name='cosine', restart_weights=[1]}", "schedule 'cosine' has none"),
        ("{name='step', restarts=[3], restart_weights=[-1]}", "They are 0 or more"),
        (
            "{name='cosine', periods=[12]}",
            "periods is .*the schedule 'cosine' has none",
        ),
        (
            "{name='linear', restarts=[3]}",
            "restarts is .*the schedule 'linear' has none",
        ),
    ],
)
def test_restarts_that_make_no_sense_are_told(tiny, changes, message):
    with pytest.raises(SrzooError, match=message):
        recipe.load(tiny(), [f"schedule={changes}"])
    game = f"adversarial={{discriminator='patchgan', schedule={changes}}}"
    with pytest.raises(SrzooError, match=f"adversarial.*{message}"):
        recipe.load(tiny(), [game])


def test_a_rate_that_steps_at_its_restarts_alone(tiny):
    change = "schedule={name='step', restarts=[5], restart_weights=[0.5]}"
    schedule = recipe.load(tiny(), [change]).schedule
    assert [factor(schedule, step, 12) for step in (4, 5, 11)] == [1, 0.5, 0.5]
