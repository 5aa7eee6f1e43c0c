"""The contract tests of datasets; they take a dataset that is built, as datasets need files."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from ..contracts import Dataset, Described, KeyedPictures, NamedPictures, Sample, SizedPictures
from ..contracts.optional import described
from ..plugins import arguments, importing, kinds
from ._case import Case
from ._promise import a_kind, basic, built, chance_left_alone, suite

ABILITIES = {
    "name": "the name of a picture",
    "key": "a text that changes when a picture does",
    "size": "height and width of a picture",
    "describe": "its description for cards",
    "fetch": "to download it",
}
"""Optional methods of a dataset; their names are reserved."""
LOOKED_AT = 12
"""The number of samples that a check reads, spread over the dataset."""


def _some(dataset: Dataset) -> list[int]:
    places = np.linspace(0, len(dataset) - 1, min(LOOKED_AT, len(dataset)))
    return sorted({int(place) for place in places})


def _same(first: Sample, second: Sample) -> bool:
    if first.name != second.name or not np.array_equal(first.hr, second.hr):
        return False
    if first.lr is None or second.lr is None:
        return first.lr is second.lr
    return np.array_equal(first.lr, second.lr)


@basic
def has_pictures(dataset: Dataset) -> None:
    """It has a length, and an IndexError beyond it, so that ``for`` ends."""
    for name, given in (("__len__", "self"), ("__getitem__", "self, index")):
        write = f"write `def {name}({given})`"
        assert hasattr(dataset, name), f"{type(dataset).__name__} has no {name}: {write}"
    length = len(dataset)
    assert length > 0, "the dataset is empty: give the place of its pictures as arguments"
    mend = "raise an IndexError, on which `for` ends"
    try:
        dataset[length]
    except IndexError:
        pass
    except Exception as error:
        message = f"dataset[{length}] of {length} pictures is {importing.described(error)}"
        raise AssertionError(f"{message}: {mend}") from error
    else:
        raise AssertionError(f"dataset[{length}] of {length} pictures raises no IndexError: {mend}")
    dataset[0]
    lengths = {length, *(len(dataset) for _ in range(3))}
    assert len(lengths) == 1, f"len(dataset) changes between calls: {sorted(lengths)}"


@basic
def gives_samples(dataset: Dataset) -> None:
    """Each item is a Sample with uint8 H x W x 3 pictures, LR a whole part of HR."""
    for index in _some(dataset):
        with chance_left_alone(f"dataset[{index}]", "return the whole picture"):
            sample = dataset[index]
        mend = "return `Sample(name, hr, lr)` of srzoo.contracts"
        assert isinstance(sample, Sample), f"dataset[{index}] is {a_kind(sample)}: {mend}"
        mend = "a name is a text, unique to its picture"
        assert isinstance(sample.name, str), f"dataset[{index}].name is {sample.name!r}: {mend}"
        assert sample.name, f"dataset[{index}] has no name: {mend}"
        for title, picture in (("hr", sample.hr), ("lr", sample.lr)):
            if picture is None and title == "lr":
                continue
            is_one = isinstance(picture, np.ndarray)
            kind = a_kind(picture)
            assert is_one, f"{sample.name}: {title} is {kind}: give a numpy array, H x W x 3"
            facts = f"{sample.name}: {title} is {picture.dtype} {picture.shape}"
            assert picture.dtype == np.uint8, f"{facts}, not uint8: give levels 0..255"
            assert picture.ndim == 3, f"{facts}, not H x W x 3"
            assert picture.shape[2] == 3, f"{facts}, not H x W x 3"
            assert picture.size, f"{facts}, which is empty"
        if sample.lr is not None:
            high, low = sample.hr.shape[:2], sample.lr.shape[:2]
            scale = high[0] // low[0]
            what = f"{sample.name}: hr is {high[0]}x{high[1]}, lr is {low[0]}x{low[1]}"
            mend = "hr is a whole multiple of lr, the same in both directions: crop it"
            fine = high == (scale * low[0], scale * low[1])
            assert fine, f"{what}: {mend}"


def names_are_unique(dataset: Dataset) -> None:
    """No two of the samples read have the same name."""
    names = [dataset[index].name for index in _some(dataset)]
    twice = {name for name in names if names.count(name) > 1}
    mend = "put the folder into the name"
    assert not twice, f"several pictures are called {', '.join(sorted(twice))}: {mend}"


def same_every_time(dataset: Dataset) -> None:
    """The same index gives the same sample, even after a caller changed the first in place."""
    places = _some(dataset)
    kept: list[Sample] = []
    for index in places:
        first = dataset[index]
        lr = None if first.lr is None else first.lr.copy()
        kept.append(Sample(first.name, first.hr.copy(), lr))
        if first.hr.flags.writeable:
            first.hr[...] = 0
    mend = "return the whole picture; the trainer crops at random"
    for _ in range(2):
        for index, want in reversed([*zip(places, kept, strict=True)]):
            same = _same(want, dataset[index])
            assert same, f"dataset[{index}] differs from one time to the next: {mend}"


def fingerprint_is_steady(dataset: Dataset) -> None:
    """Reading pictures does not change the fingerprint."""
    mend = "write `fingerprint`, a text that changes when any picture does"
    assert hasattr(dataset, "fingerprint"), (
        f"{type(dataset).__name__} states no fingerprint: {mend}"
    )
    before = dataset.fingerprint
    if callable(before):
        raise AssertionError("fingerprint is a method: write `@property` over it")
    assert isinstance(before, str), f"the fingerprint is {before!r}: {mend}"
    assert before, f"the fingerprint is empty: {mend}"
    dataset[0]
    mend = "make it of names, sizes and modification times; not of clocks, random numbers or `hash`"
    same = dataset.fingerprint == before
    assert same, f"the fingerprint changes although no picture does: {mend}"


def describe_is_true(dataset: Dataset) -> None:
    """Facts that it states without decoding are true."""
    for name, what in ABILITIES.items():
        ability: object = getattr(dataset, name, None)
        kind = a_kind(ability)
        fine = ability is None or callable(ability)
        mend = f"srzoo asks `{name}(...)`, {what}: rename yours"
        assert fine, f"{type(dataset).__name__}.{name} is {kind}, not a method: {mend}"
    keys: list[object] = []
    for index in _some(dataset):
        sample = dataset[index]
        if isinstance(dataset, NamedPictures):
            name = dataset.name(index)
            assert name == sample.name, f"name({index}) is {name!r}, not {sample.name!r}"
        if isinstance(dataset, SizedPictures):
            size, found = tuple(dataset.size(index)), sample.hr.shape[:2]
            assert size == found, f"{sample.name}: size({index}) is {size}, not {found}"
        if isinstance(dataset, KeyedPictures):
            keys.append(dataset.key(index))
            assert dataset.key(index) == keys[-1], f"key({index}) changes although no picture does"
    assert len({*keys}) == len(keys), "two pictures have the same key"


def several_threads_may_read_it(dataset: Dataset) -> None:
    """Threads that read at the same time get what a single thread gets."""
    places = _some(dataset)
    alone = [dataset[index] for index in places]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(dataset.__getitem__, places))
    for first, second in zip(alone, together, strict=True):
        same = _same(first, second)
        mend = "keep no state of an item in `self`, and open files in `__getitem__`"
        assert same, f"{first.name} differs when several threads read: {mend}"


def can_be_pickled(dataset: Dataset) -> None:
    """A pickled copy, as the worker process of a loader gets it, gives the same."""
    mend = "open files in `__getitem__`, and keep no locks or lambdas in `self`"
    try:
        copy: Dataset = pickle.loads(pickle.dumps(dataset))
    except Exception as error:
        what = f"the dataset cannot be pickled: {importing.described(error)}"
        raise AssertionError(f"{what}: {mend}") from error
    assert len(copy) == len(dataset), "a pickled copy has another length"
    assert copy.fingerprint == dataset.fingerprint, "a pickled copy has another fingerprint"
    assert _same(copy[0], dataset[0]), "a pickled copy gives another picture"


def is_downloaded_by_options(dataset: Dataset) -> None:
    """If its class can download it, each argument of ``fetch`` can be an option of a command."""
    fetch = arguments.fetch_of(type(dataset))
    found = arguments.faults(fetch) if fetch else []
    assert not found, f"{type(dataset).__name__}.fetch {found[0]}"


def describes_itself(dataset: Dataset, args: Mapping[str, Any]) -> None:
    """The description that its class gives for these arguments is true."""
    facts: object = described(type(dataset), args)
    if facts is None:
        return
    assert isinstance(facts, Described), f"describe returned {facts!r}, not a Described"
    for index in _some(dataset):
        own = dataset[index].lr is not None
        what = "has LR pictures of its own" if facts.own_lr else "has none of its own"
        assert own == facts.own_lr, f"describe states that it {what}, but dataset[{index}] differs"


DATASET_CHECKS: tuple[Callable[[Dataset], None], ...] = (
    has_pictures,
    gives_samples,
    names_are_unique,
    same_every_time,
    fingerprint_is_steady,
    describe_is_true,
    several_threads_may_read_it,
    can_be_pickled,
    is_downloaded_by_options,
)


def check_dataset(dataset: Dataset, args: Mapping[str, Any] | None = None) -> None:
    """Run every dataset check on a built dataset.

    Args:
        dataset: a small one.
        args: the arguments it was built with, including defaults; None skips the check of its
            description.

        Raises:
            AssertionError: the first broken rule.
    """
    for check in DATASET_CHECKS:
        check(dataset)
    if args is not None:
        describes_itself(dataset, args)


def _of_a_case(check: Callable[[Dataset], None]) -> Callable[[Case], None]:
    @functools.wraps(check)
    def checked(case: Case) -> None:
        try:
            check(built("dataset", case))
        except AssertionError as error:
            raise AssertionError(f"{case}: {error}") from error.__cause__ or error

    return checked


def describes_what_is_in_it(case: Case) -> None:
    """The description that its class gives for its arguments is true."""
    stated = kinds.datasets.signature(case.name).parameters
    defaults = {name: each.default for name, each in stated.items()}
    describes_itself(built("dataset", case), {**defaults, **case.args})


def same_when_it_is_built_again(case: Case) -> None:
    """The same arguments give the same pictures, in the same order, with the same fingerprint."""
    one, other = (built("dataset", case) for _ in range(2))
    mend = "sort the files, and use a seed of its own"
    for index in _some(one):
        same = len(one) == len(other) and _same(one[index], other[index])
        assert same, f"{case}: dataset[{index}] is another picture when it is built again: {mend}"
    mend = "make the fingerprint of names, sizes and times of change; not of `hash`"
    same = one.fingerprint == other.fingerprint
    assert same, f"{case}: it has another fingerprint when it is built again: {mend}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "dataset",
    *map(_of_a_case, DATASET_CHECKS),
    same_when_it_is_built_again,
    describes_what_is_in_it,
)
"""The same checks for an installed dataset that can be built with its ``examples``."""
