"""The contract suites know networks on a grid, and those that do not say that they are."""

from __future__ import annotations

import re

import pytest
from grids import Block, Pooled, Split, SplitWindows, Unshuffled, Windowed

import srzoo
from srzoo.testing import Case, check_block, check_generator

ALL = [
    (Unshuffled, {"cell": 2}), (Unshuffled, {"cell": 3}), (Unshuffled, {"cell": 4}),
    (Windowed, {}), (Pooled, {}), (Split, {"cell": 2}), (SplitWindows, {}),
]  # fmt: skip


@pytest.fixture
def case():
    """Registers a generator under the name "grid"."""

    def make(kind, args):
        srzoo.generators.register("grid", kind)
        return Case("grid", args)

    yield make
    srzoo.generators.unregister("grid")


@pytest.mark.parametrize(("kind", "args"), ALL, ids=[f"{k.__name__}{a}" for k, a in ALL])
def test_one_that_says_so_keeps_the_contract(case, kind, args):
    check_generator(case(kind, args))


@pytest.mark.parametrize(("kind", "args"), ALL, ids=[f"{k.__name__}{a}" for k, a in ALL])
def test_one_that_does_not_say_so_fails(case, kind, args):
    """It pads inside, so it takes all sizes, and its reach is true."""
    with pytest.raises(AssertionError) as info:
        check_generator(case(kind, {**args, "hidden": True}))
    stated = re.search(r"write multiple = (\d+)", str(info.value))
    assert stated, info.value
    assert int(stated[1]) == args.get("cell", kind.cell)


def test_one_that_takes_no_odd_sizes_fails_with_the_reason(case):
    class Refuses(Unshuffled):
        def __init__(self) -> None:
            super().__init__()
            del self.multiple

    with pytest.raises(AssertionError, match=r"fails on 7x5 pixels: .*write multiple = 2"):
        check_generator(case(Refuses, {}))


@pytest.mark.parametrize("cell", [0, -2, 1.5, "2", True])
def test_what_is_no_grid(case, cell):
    class Wrong(Unshuffled):
        def __init__(self) -> None:
            super().__init__()
            self.multiple = cell

    with pytest.raises(AssertionError, match=r"multiple is .*, not a whole number of at least 1"):
        check_generator(case(Wrong, {}))


def test_half_the_grid_is_not_enough(case):
    class Half(Unshuffled):
        def __init__(self) -> None:
            super().__init__(cell=4, hidden=True)
            self.multiple = 2

    with pytest.raises(AssertionError, match="write multiple = 4"):
        check_generator(case(Half, {}))


def test_blocks():
    srzoo.blocks.register("grid", Block)
    try:
        check_block(Case("grid", {"channels": 6}))
        with pytest.raises(AssertionError, match="write multiple = 4"):
            check_block(Case("grid", {"channels": 6, "hidden": True}))
        net = srzoo.generators.create("edsr", n_resblocks=2, n_feats=8, scale=2, block="grid")
        assert net.multiple == 4
        for name, args in (
            ("edsr", {"scale": 2}), ("wdsr", {"scale": 3}), ("mdsr", {}), ("srresnet", {}),
        ):  # fmt: skip
            args = {"n_resblocks": 1, "n_feats": 8, "block": "grid", **args}
            check_generator(Case(name, args))
    finally:
        srzoo.blocks.unregister("grid")
