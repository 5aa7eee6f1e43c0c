"""The contract tests of metrics."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..contracts import Metric, MetricFacts, stated
from ..errors import SrzooError
from ..plugins import kinds
from ..plugins.importing import described
from ._case import Case
from ._promise import a_kind, basic, built, can, chance_left_alone, has, run_all, suite

if TYPE_CHECKING:
    from ..contracts import U8


def _metric(case: Case) -> Metric:
    return built("metric", case)


NOISE = 8, 40, 90
"""Standard deviations of noise, in levels, that a metric must rank in this order."""
OFFSETS = -1, 0, 8, 16, 40
"""Levels added to a picture; in uint8, 16 squared is 0, and 0 minus 1 is 255."""


def _picture(height: int = 80, width: int = 96) -> U8:
    """Waves and an edge in three channels, the same for the same size."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x * y / 90), x * 255 / width, np.where(x > y, 200, 40)]
    return np.stack(planes, axis=2).astype(np.uint8)


def _noisy(picture: U8, sigma: float) -> U8:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


@basic
def is_a_metric(case: Case) -> None:
    """It states whether higher is better, whether it needs HR, and its protocol in one line."""
    metric = _metric(case)
    stated = {"higher_is_better": "whether higher is better", "reference": "whether it needs HR"}
    for name, what in stated.items():
        mend = f"write `{name} = True` or False, {what}"
        value: object = has(case, metric, name, mend)
        assert isinstance(value, bool), f"{case}.{name} is {value!r}: {mend}"
    mend = "write `protocol = '...'`, one line that states exactly what is measured"
    protocol: object = has(case, metric, "protocol", mend)
    assert isinstance(protocol, str), f"{case}.protocol is {protocol!r}: {mend}"
    assert len(protocol.strip().splitlines()) == 1, f"{case}.protocol is not one line: {mend}"
    can(case, metric, "__call__", "write `def __call__(self, sr, hr, scale)`")


def states_facts(case: Case) -> None:
    """Its optional facts for cards and figures have the right types; all may be missing."""
    metric: Any = _metric(case)
    for name in ("unit", "label"):
        fact: object = getattr(metric, name, "")
        fine = isinstance(fact, str)
        assert fine, f"{case}.{name} is {fact!r}, not a text: write `{name} = '...'`"
        same = fact == getattr(cast("object", kinds.metrics.get(case.name)), name, "")
        assert same, f"{case}.{name} must be stated on the class"
    tolerance: object = getattr(metric, "tolerance", None)
    number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    fine = tolerance is None or (number and 0 <= cast("float", tolerance) < np.inf)
    mend = "write `tolerance = 0.05`, how much worse than claimed a value may be"
    assert fine, f"{case}.tolerance is {tolerance!r}, not a number from 0: {mend}"
    short: object = getattr(metric, "short", "")
    fine = isinstance(short, str) and re.fullmatch(r"[\w.+-]*", short) is not None
    assert fine, f"{case}.short is {short!r}: a card's type is a word of letters, digits, _ . + -"


@basic
def gives_one_number(case: Case) -> None:
    """It returns a float, the same each time, and changes neither pictures nor random states."""
    metric = _metric(case)
    hr = _picture()
    sr = _noisy(hr, 8)
    before = sr.copy(), hr.copy()
    with chance_left_alone(case, "use a random generator of its own with a fixed seed"):
        value = cast("object", metric(sr, hr, 2))
    for name, one, old in zip(("sr", "hr"), (sr, hr), before, strict=True):
        assert np.array_equal(one, old), f"{case} changed {name} in place: work on a copy"
    assert isinstance(value, float), f"{case} returned {a_kind(value)}: return `float(...)`"
    assert np.isfinite(value), f"{case} returned {value}, not a finite number"
    values = {metric(sr, hr, 2) for _ in range(3)} | {value, _metric(case)(sr, hr, 2)}
    same = len(values) == 1
    assert same, f"{case} is not deterministic: {sorted(values)} for the same pictures"


def worse_is_worse(case: Case) -> None:
    """With a reference, HR itself beats a noisy picture, and more noise is worse."""
    metric = _metric(case)
    hr = _picture()
    if not metric.reference:
        try:
            value = cast("object", metric(hr, None, 2))
        except Exception as error:
            mend = "write `reference = True`, or compute it without HR"
            what = f"{case} is given no HR picture: {described(error)}"
            raise AssertionError(f"{what}: it states that it needs no reference: {mend}") from error
        assert isinstance(value, float), f"{case} returned {a_kind(value)}: return `float(...)`"
        return
    values = [metric(sr, hr, 2) for sr in (hr, *(_noisy(hr, sigma) for sigma in NOISE))]
    mend = "avoid 0 / 0 where sr is hr; infinity is allowed"
    assert not np.isnan(values[0]), f"{case} returned nan for equal pictures: {mend}"
    shown = ", ".join(f"{value:g}" for value in values)
    ordered = sorted(values, reverse=metric.higher_is_better)
    other = not metric.higher_is_better
    mend = "do not compute with uint8, as it wraps around: `sr.astype(float)`"
    if values == sorted(values, reverse=other):
        mend = f"write `higher_is_better = {other}`"
    assert values == ordered, f"{case} rates noise as an improvement, {shown}: {mend}"
    seen = len(set(values)) == len(values)
    assert seen, f"{case} does not detect noise, {shown}: compare sr with hr"
    middle = (64 + _picture() // 2).astype(np.uint8)
    at = {by: metric((middle.astype(int) + by).astype(np.uint8), middle, 2) for by in OFFSETS}
    better = max if metric.higher_is_better else min
    wraps = at[-1] != at[40] and better(at[-1], at[40]) == at[40]
    wraps = wraps or (at[16] == at[0] != at[8])
    mend = "do not compute with uint8, as it wraps around: `sr.astype(float)`"
    assert not wraps, f"{case} is wrong for slightly darker or brighter pictures: {mend}"
    flat = np.zeros_like(hr)
    same = not np.isnan(metric(flat, flat.copy(), 2))
    assert same, f"{case} returned nan for black pictures: it may divide by zero"


def threads_may_call_it(case: Case) -> None:
    """With ``thread_safe``, several threads get what a single thread gets."""
    metric = _metric(case)
    if not stated(metric, MetricFacts).thread_safe:
        return
    pairs = [(_noisy(hr, 8), hr) for hr in (_picture(64 + 8 * n, 96 - 8 * n) for n in range(4))] * 3

    def of(pair: tuple[U8, U8]) -> float:
        return metric(pair[0], pair[1] if metric.reference else None, 2)

    want = [of(pair) for pair in pairs]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(of, pairs))
    mend = "keep no state of a picture in `self`, or leave out `thread_safe`"
    assert found == want, f"{case} gives other values when several threads call it: {mend}"


def refuses_other_sizes(case: Case) -> None:
    """With a reference, pictures of two sizes, or no HR, raise an ``SrzooError``."""
    metric = _metric(case)
    if not metric.reference:
        return
    for hr in (_picture(80, 94), None):
        try:
            metric(_picture(), hr, 2)
        except SrzooError:
            continue
        except Exception as error:
            what = f"{case} is given {_size(hr)}: {described(error)}"
            raise AssertionError(f"{what}: raise a srzoo.errors.SrzooError instead") from error
        mend = "raise a srzoo.errors.SrzooError"
        raise AssertionError(f"{case} is given {_size(hr)}, but raises no error: {mend}")


def _size(hr: U8 | None) -> str:
    return "no HR picture" if hr is None else "pictures of two sizes"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "metric",
    is_a_metric,
    states_facts,
    gives_one_number,
    threads_may_call_it,
    worse_is_worse,
    refuses_other_sizes,
)


def check_metric(case: Case) -> None:
    """Run every metric check on one case.

    Raises:
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
