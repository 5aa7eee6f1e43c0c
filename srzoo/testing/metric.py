"""What every metric has to keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..contracts import Metric
from ..errors import SrzooError
from ..plugins import kinds
from ..plugins.importing import described
from ._case import Case
from ._promise import a_kind, built, can, has, run_all, suite

if TYPE_CHECKING:
    from ..contracts import U8


def _metric(case: Case) -> Metric:
    return built("metric", case)


def _picture(height: int = 80, width: int = 96) -> U8:
    """Waves and an edge in colours, the same ones for the same size."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [127 + 90 * np.sin(x * y / 90), x * 255 / width, np.where(x > y, 200, 40)]
    return np.stack(planes, axis=2).astype(np.uint8)


def _noisy(picture: U8, sigma: float) -> U8:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def is_a_metric(case: Case) -> None:
    """It says which way is up, whether it has a reference, and what it measures in one line."""
    metric = _metric(case)
    stated = {"higher_is_better": "which way is up", "reference": "whether it needs HR"}
    for name, what in stated.items():
        mend = f"write `{name} = True` or False, {what}"
        value: object = has(case, metric, name, mend)
        assert isinstance(value, bool), f"{case}.{name} is {value!r}: {mend}"
    mend = "write `protocol = '...'`, one line that says exactly what is measured"
    protocol: object = has(case, metric, "protocol", mend)
    assert isinstance(protocol, str), f"{case}.protocol is {protocol!r}: {mend}"
    assert len(protocol.strip().splitlines()) == 1, f"{case}.protocol is not one line: {mend}"
    can(case, metric, "__call__", "write `def __call__(self, sr, hr, scale)`")


def states_facts(case: Case) -> None:
    """What it states for cards and pictures is what they can hold; all of it may be missing."""
    metric: Any = _metric(case)
    for name in ("unit", "label"):
        fact: object = getattr(metric, name, "")
        assert isinstance(fact, str), f"{case}.{name} is {fact!r}, and no text"
        same = fact == getattr(cast("object", kinds.metrics.get(case.name)), name, "")
        assert same, f"{case}.{name} is not stated on the class, where it is asked for"
    tolerance: object = getattr(metric, "tolerance", None)
    number = isinstance(tolerance, int | float) and not isinstance(tolerance, bool)
    fine = tolerance is None or (number and 0 <= cast("float", tolerance) < np.inf)
    assert fine, f"{case}.tolerance is {tolerance!r}, and no number from 0"
    short: object = getattr(metric, "short", "")
    fine = isinstance(short, str) and re.fullmatch(r"[\w.+-]*", short) is not None
    assert fine, f"{case}.short is {short!r}: a card's type is a word of letters, digits, _ . + -"


def gives_one_number(case: Case) -> None:
    """A float that is a number, the same each time; the pictures stay as they were."""
    metric = _metric(case)
    hr = _picture()
    sr = _noisy(hr, 8)
    before = sr.copy(), hr.copy()
    value = cast("object", metric(sr, hr, 2))
    for name, one, old in zip(("sr", "hr"), (sr, hr), before, strict=True):
        assert np.array_equal(one, old), f"{case} changed {name} in place: work on a copy"
    assert isinstance(value, float), f"{case} gave {a_kind(value)}: return `float(...)`"
    assert np.isfinite(value), f"{case} gave {value}"
    values = {metric(sr, hr, 2) for _ in range(3)} | {value, _metric(case)(sr, hr, 2)}
    same = len(values) == 1
    assert same, f"{case} is not deterministic: {sorted(values)} for the same pictures"


def worse_is_worse(case: Case) -> None:
    """With a reference: the picture itself beats a noisy one, and more noise is worse."""
    metric = _metric(case)
    if not metric.reference:
        assert isinstance(metric(_picture(), None, 2), float), f"{case} needs an HR picture"
        return
    hr = _picture()
    values = [metric(sr, hr, 2) for sr in (hr, _noisy(hr, 8), _noisy(hr, 40))]
    ordered = sorted(values, reverse=metric.higher_is_better)
    assert values == ordered, f"{case} takes noise for an improvement: {values}"
    assert len(set(values)) == 3, f"{case} does not see noise: {values}"


def refuses_other_sizes(case: Case) -> None:
    """With a reference: pictures of two sizes, or none at all, are an ``SrzooError``."""
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
        raise AssertionError(f"{case} is given {_size(hr)}, and compares it: {mend}")


def _size(hr: U8 | None) -> str:
    return "no HR picture" if hr is None else "pictures of two sizes"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "metric",
    is_a_metric,
    states_facts,
    gives_one_number,
    worse_is_worse,
    refuses_other_sizes,
)


def check_metric(case: Case) -> None:
    """Run every metric check on one case.

    Raises:
        AssertionError: the first promise that is broken.
    """
    run_all(CHECKS, case)
