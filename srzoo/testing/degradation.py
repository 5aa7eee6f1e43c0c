"""The contract tests of degradations."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image

from ..contracts import Degradation
from ..plugins.importing import described
from ._case import Case
from ._promise import a_kind, basic, built, can, chance_left_alone, has, run_all, suite

if TYPE_CHECKING:
    from numpy.typing import NDArray

    U8 = NDArray[np.uint8]
    F64 = NDArray[np.float64]

SCALES = (2, 3, 4)
FILTERS = tuple(filter_ for filter_ in Image.Resampling if filter_ != Image.Resampling.NEAREST)
WRAPPED = 60.0
"""Levels by which black or white may change, for example by strong noise that is clipped."""
CLEAN = 2.0
"""Mean levels by which a clean LR picture may differ from the results of all these filters."""


def _degradation(case: Case) -> Degradation:
    return built("degradation", case)


def _photo(height: int, width: int) -> U8:
    """Smooth areas, edges and detail in three channels, the same for the same size."""
    y, x = np.mgrid[0:height, 0:width]
    wave = 127 + 90 * np.sin(x * y / 90.0)
    planes = np.stack([40 + x * 170 / width, wave, 220 - y * 180 / height], axis=2)
    disc = (y - 0.4 * height) ** 2 + (x - 0.55 * width) ** 2 < (0.25 * min(height, width)) ** 2
    planes[disc] = (230, 60, 40)
    planes[:, width // 5 : width // 5 + max(width // 16, 1)] = 235
    return planes.astype(np.uint8)


def _result(degradation: Degradation, hr: U8, scale: int, seed: int = 0) -> U8:
    return degradation(hr, scale, np.random.default_rng(seed))


@basic
def is_a_degradation(case: Case) -> None:
    """It states ``deterministic``, and is called with HR, a scale and a random generator."""
    degradation = _degradation(case)
    mend = "write `deterministic = True`; or False if it draws from rng"
    value: object = has(case, degradation, "deterministic", mend)
    assert isinstance(value, bool), f"{case}.deterministic is {value!r}: {mend}"
    can(case, degradation, "__call__", "write `def __call__(self, hr, scale, rng)`")


@basic
def size_and_type(case: Case) -> None:
    """Uint8 H/scale x W/scale x 3 at scales 2, 3 and 4, down to a single LR pixel."""
    degradation = _degradation(case)
    for scale in SCALES:
        for height, width in ((24, 17), (7, 5), (1, 9), (1, 1)):
            hr = _photo(height * scale, width * scale)
            before = hr.copy()
            try:
                found = _result(degradation, hr, scale)
            except Exception as error:
                if (height, width) == (24, 17):
                    raise
                what = f"{case} fails on {hr.shape[1]}x{hr.shape[0]} at scale {scale}"
                mend = "LR may be as small as one pixel"
                raise AssertionError(f"{what}: {described(error)}: {mend}") from error
            kind = a_kind(found)
            fine = isinstance(cast("object", found), np.ndarray)
            assert fine, f"{case} returned {kind}: return a numpy array"
            assert np.array_equal(hr, before), f"{case} changed hr in place: work on a copy"
            mend = "return `np.clip(lr, 0, 255).round().astype(np.uint8)`, with levels 0..255"
            assert found.dtype == np.uint8, f"{case} returned {found.dtype}, not uint8: {mend}"
            want = (height, width, 3)
            assert found.shape == want, f"{case} x{scale} returned {found.shape}, not {want}"


def refuses_other_sizes(case: Case) -> None:
    """A size that is not a multiple of the scale raises a ValueError."""
    degradation = _degradation(case)
    mend = "raise a ValueError where a side is not a multiple of the scale"
    for height, width in ((16, 17), (17, 16)):
        try:
            _result(degradation, _photo(height, width), 4)
        except ValueError:
            continue
        except Exception as error:
            what = f"{width}x{height} at scale 4 is {described(error)}"
            raise AssertionError(f"{case}: {what}: {mend}") from error
        raise AssertionError(f"{case} took {width}x{height} at x4 without a ValueError: {mend}")


def leaves_the_picture_alone(case: Case) -> None:
    """A read-only, transposed view gives the same as its copy, and is not changed."""
    degradation = _degradation(case)
    view = _photo(32, 48)[::-1, 8:40].swapaxes(0, 1)
    view.flags.writeable = False
    before = view.copy()
    try:
        found = _result(degradation, view, 4)
    except ValueError as error:
        what = f"{case} fails on a read-only, transposed picture: {described(error)}"
        raise AssertionError(f"{what}: work on a copy") from error
    same = np.array_equal(found, _result(degradation, before.copy(), 4))
    assert same, f"{case} gives different results for a view and its copy"
    assert np.array_equal(view, before), f"{case} changed its input in place"


@basic
def randomness_comes_from_rng(case: Case) -> None:
    """Equal seeds give equal pictures, and global random states are not used."""
    degradation = _degradation(case)
    hr = _photo(64, 48)
    mend = "draw from rng alone, not from random, numpy.random or torch"
    for seed in range(4):
        with chance_left_alone(case, mend):
            first = _result(degradation, hr, 4, seed)
        again, twice = _result(_degradation(case), hr, 4, seed), _result(degradation, hr, 4, seed)
        same = np.array_equal(first, again) and np.array_equal(first, twice)
        assert same, f"{case} uses random numbers that are not from rng: {mend}"


def says_whether_it_is_deterministic(case: Case) -> None:
    """With ``deterministic``, all seeds give the same; without it, they do not."""
    degradation = _degradation(case)
    hr = _photo(64, 48)
    results = {_result(degradation, hr, 4, seed).tobytes() for seed in range(8)}
    if degradation.deterministic:
        mend = "write `deterministic = False`"
        assert len(results) == 1, f"{case} states that it is deterministic, but it is not: {mend}"
    else:
        mend = "write `deterministic = True`, or draw from rng"
        assert len(results) > 1, f"{case} gives the same result for every seed: {mend}"


def says_whether_it_is_clean(case: Case) -> None:
    """``clean`` means downscaled HR: near the usual filters, and the same for every seed."""
    degradation = _degradation(case)
    phrase: object = getattr(degradation, "phrase", "")
    assert isinstance(phrase, str), f"{case}.phrase is {phrase!r}, not a text"
    clean: object = getattr(degradation, "clean", False)
    assert isinstance(clean, bool), f"{case}.clean is {clean!r}, not a bool"
    if not clean:
        return
    hr = _photo(96, 128)
    for scale in (2, 4):
        size = hr.shape[1] // scale, hr.shape[0] // scale
        usual = [
            np.asarray(Image.fromarray(hr).resize(size, filter_), np.float64) for filter_ in FILTERS
        ]
        for seed in range(4):
            lr = _result(degradation, hr, scale, seed).astype(np.float64)
            away = min(float(np.abs(lr - each).mean()) for each in usual)
            assert away < CLEAN, (
                f"{case} states that it is clean, but x{scale} is {away:.1f} levels off a picture"
                " that was only downscaled"
            )


def keeps_the_brightness(case: Case) -> None:
    """A flat colour keeps its value, averaged over seeds; no values wrap around."""
    degradation = _degradation(case)
    colour = np.array([140, 90, 180])

    def mean(colour: NDArray[np.int_]) -> F64:
        hr = np.broadcast_to(colour.astype(np.uint8), (64, 64, 3))
        return np.mean([_result(degradation, hr, 4, seed) for seed in range(8)], axis=(0, 1, 2))

    found = mean(colour)
    away = float(np.abs(found - colour).max())
    swapped = float(np.abs(found - colour[::-1]).max()) < 6
    mend = "pictures are RGB, but it swaps red and blue" if swapped else "levels are 0..255"
    assert away < 6, f"{case} changes a flat colour by {away:.1f} levels: {mend}"
    for level in (0, 255):
        away = float(np.abs(mean(np.full(3, level)) - level).max())
        mend = "values wrap around: `np.clip(lr, 0, 255)` before `astype(np.uint8)`"
        assert away < WRAPPED, f"{case} changes the level {level} by {away:.0f}: {mend}"


def can_be_pickled(case: Case) -> None:
    """A copy, as the worker process of a loader gets it, gives the same."""
    degradation = _degradation(case)
    hr = _photo(32, 48)
    mend = "keep no open files or locks in its attributes"
    try:
        import cloudpickle  # pyright: ignore[reportMissingTypeStubs]

        made: Degradation = pickle.loads(cloudpickle.dumps(degradation))  # pyright: ignore[reportUnknownMemberType]
    except ImportError:
        return  # no worker can be started then
    except Exception as error:
        what = f"{case} cannot be pickled: {described(error)}"
        raise AssertionError(f"{what}: {mend}") from error
    same = np.array_equal(_result(made, hr, 4), _result(degradation, hr, 4))
    assert same, f"{case} gives different results in another process: {mend}"


def is_not_shifted(case: Case) -> None:
    """LR, enlarged again, fits HR best without a shift."""
    degradation = _degradation(case)
    for scale in SCALES:
        away = shift(degradation, scale)
        mend = "centre an LR pixel on its HR pixels: no `hr[::scale, ::scale]`"
        fine = away == (0, 0)
        assert fine, f"{case} x{scale} shifts pictures by {away} HR pixels (down, right): {mend}"


def shift(degradation: Degradation, scale: int, seeds: int = 8) -> tuple[int, int]:
    """The shift of results in HR pixels (down, right) at ``scale``, measured from -2 to 2."""
    rim = 4
    hr = _photo(36 * scale, 40 * scale)
    inner = _normal(hr[rim:-rim, rim:-rim])
    found: dict[tuple[int, int], float] = {}
    for seed in range(seeds):
        small = Image.fromarray(_result(degradation, hr, scale, seed))
        large = np.asarray(small.resize((hr.shape[1], hr.shape[0]), Image.Resampling.BICUBIC))
        for down in range(-2, 3):
            for right in range(-2, 3):
                part = large[rim + down :, rim + right :][: inner.shape[0], : inner.shape[1]]
                fits = float((inner * _normal(part)).mean())
                found[down, right] = found.get((down, right), 0.0) + fits
    return max(found, key=lambda place: found[place])


def _normal(picture: U8) -> F64:
    gray = picture.astype(np.float64).mean(axis=2)
    return (gray - gray.mean()) / max(float(gray.std()), 1e-9)


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "degradation",
    is_a_degradation,
    size_and_type,
    randomness_comes_from_rng,
    refuses_other_sizes,
    leaves_the_picture_alone,
    says_whether_it_is_deterministic,
    says_whether_it_is_clean,
    keeps_the_brightness,
    can_be_pickled,
    is_not_shifted,
)


def check_degradation(case: Case) -> None:
    """Run every degradation check on one case.

    Raises:
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
