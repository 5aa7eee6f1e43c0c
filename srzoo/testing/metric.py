"""What every metric has to keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..contracts import Metric
from ..errors import SrzooError
from ..plugins import kinds
from ..plugins.registry import Use
from ._case import Case

if TYPE_CHECKING:
    from ..contracts import U8


def _metric(case: Case) -> Metric:
    return kinds.metrics.build(Use(case.name, case.args))


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
    for name in ("higher_is_better", "reference"):
        value: object = getattr(metric, name)
        assert isinstance(value, bool), f"{case}.{name} is {value!r}"
    protocol: object = metric.protocol
    assert isinstance(protocol, str), f"{case}.protocol is {protocol!r}"
    assert len(protocol.strip().splitlines()) == 1, f"{case}.protocol is not one line"


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
    value: object = metric(sr, hr, 2)
    assert isinstance(value, float), f"{case} gave a {type(value).__name__}"
    assert np.isfinite(value), f"{case} gave {value}"
    assert metric(sr, hr, 2) == value, f"{case} is not deterministic"
    same = np.array_equal(sr, before[0]) and np.array_equal(hr, before[1])
    assert same, f"{case} changed a picture in place"


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
        raise AssertionError(f"{case} compared pictures of two sizes, or with nothing")


CHECKS: tuple[Callable[[Case], None], ...] = (
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
    for check in CHECKS:
        check(case)
