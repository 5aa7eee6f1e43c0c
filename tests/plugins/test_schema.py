"""The signature of a plugin is its schema: arguments are held against annotations."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import pytest
from annotated_types import Ge, Interval, Le
from hypothesis import given
from hypothesis import strategies as st

from srzoo.errors import ArgumentError
from srzoo.plugins import schema
from srzoo.plugins.registry import Registry

if TYPE_CHECKING:
    from somewhere import Unknown


def part(
    *,
    n_feats: Annotated[int, Ge(1)] = 64,
    scale: Literal[2, 3, 4] = 4,
    eps: float = 1e-3,
    share: Annotated[float, Ge(0), Le(1)] = 0.5,
    span: Annotated[int, Interval(gt=0, lt=9)] = 5,
    on: bool = False,
    root: str | Path = ".",
    folder: Path = Path(),
    block: str | Mapping[str, Any] = "residual",
    sigma: Sequence[float] = (1, 2),
    scales: tuple[int, ...] | list[int] = (2, 3),
    pair: tuple[int, str] = (1, "a"),
    uses: str | Mapping[str, Any] | list[str | Mapping[str, Any]] = "l1",
    call: Callable[[], int] = int,
    limit: int | None = None,
    unknown: Unknown | None = None,
    array: np.ndarray | None = None,
    bare=1,
) -> None:
    """A part."""


FIT = [
    {"n_feats": 1}, {"scale": 2}, {"eps": 1}, {"share": 1}, {"span": 8}, {"on": True},
    {"root": "a"}, {"root": Path("a")}, {"folder": "a"}, {"block": {"name": "rcab", "n": 3}},
    {"sigma": [1, 2.5]}, {"sigma": ()}, {"scales": [2]}, {"scales": (2,)}, {"pair": (1, "a")},
    {"uses": ["l1", {"name": "tv"}]}, {"call": len}, {"limit": None}, {"limit": 3},
    {"unknown": object()}, {"array": np.zeros(3)}, {"bare": object()},
]  # fmt: skip
WRONG = [
    ({"n_feats": "eight"}, "n_feats is 'eight'. It should be a valid integer"),
    ({"n_feats": 0}, "n_feats is 0. It should be greater than or equal to 1"),
    ({"n_feats": -4}, "n_feats is -4"), ({"n_feats": 4.0}, "n_feats is 4.0"),
    ({"n_feats": True}, "n_feats is True"), ({"n_feats": None}, "n_feats is None"),
    ({"scale": 5}, "scale is 5. It should be 2, 3 or 4"), ({"scale": "4"}, "scale is '4'"),
    ({"eps": float("inf")}, "eps is inf. It should be a finite number"),
    ({"eps": float("nan")}, "eps is nan"), ({"eps": "small"}, "eps is 'small'"),
    ({"eps": True}, "eps is True"), ({"share": 1.5}, "share is 1.5. It should be less than or"),
    ({"span": 9}, "span is 9"), ({"on": 1}, "on is 1. It should be a valid boolean"),
    ({"root": 3}, "root is 3. It should be a valid string or an instance of Path"),
    ({"folder": 3}, "folder is 3"), ({"block": 3}, "block is 3"),
    ({"sigma": "ab"}, "sigma is 'ab'"),
    ({"sigma": [1, "x"]}, r"sigma\[1\] is 'x'. It should be a valid number"),
    ({"scales": [2, 3.5]}, r"scales\[1\] is 3.5"), ({"pair": (1, 2)}, r"pair\[1\] is 2"),
    ({"uses": ["l1", 3]}, r"uses\[1\] is 3"), ({"call": 3}, "call is 3"),
    ({"limit": "x"}, "limit is 'x'. It should be a valid integer"),
    ({"array": [1]}, r"array is \[1\]"),
]  # fmt: skip


@pytest.mark.parametrize("given", FIT, ids=str)
def test_what_fits_is_passed_on(given):
    found = schema.fitted("part", part, given)
    (name,) = given
    assert found[name] is given[name] or found == {"folder": Path("a")}


@pytest.mark.parametrize(("given", "message"), WRONG, ids=lambda one: str(one)[:30])
def test_what_does_not_fit_is_named(given, message):
    registry = Registry("block", "none", lambda group: ())
    registry.register("part", part)
    with pytest.raises(ArgumentError, match=f"^block 'part': {message}"):
        registry.build({"name": "part", **given})


@given(
    st.integers() | st.floats() | st.text() | st.booleans() | st.none() | st.lists(st.integers())
)
def test_a_value_is_an_int_or_refused(value):
    try:
        schema.fitted("part", part, {"limit": value})
    except ArgumentError:
        assert value is not None
        assert type(value) is not int
    else:
        assert value is None or type(value) is int


def test_plain_arguments_are_checked_without_pydantic():
    code = """
import sys, srzoo, srzoo.plugins.plugin
from pathlib import Path
from srzoo.plugins import kinds
kinds.engines.check_use(srzoo.plugins.plugin.Use("mnn", {"folder": Path("."), "device": "cpu"}))
assert "pydantic" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def jsons(
    *,
    sizes: tuple[int, ...] = (1,),
    limits: tuple[Annotated[float, Ge(0)], Annotated[float, Ge(0)]] = (0, 1),
    corners: Sequence[tuple[int, int]] = (),
    perhaps: tuple[int, str] | None = None,
    names: frozenset[str] = frozenset(),
    table: Mapping[str, tuple[int, int]] | None = None,
    folder: Path | None = None,
    folders: list[Path] | None = None,
) -> None:
    """A part whose annotations have no like in JSON."""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"sizes": [3, 5]}, (3, 5)), ({"sizes": []}, ()), ({"limits": [0, 2.5]}, (0, 2.5)),
        ({"corners": [[1, 2], (3, 4)]}, [(1, 2), (3, 4)]), ({"perhaps": [1, "a"]}, (1, "a")),
        ({"names": ["a", "b"]}, {"a", "b"}), ({"table": {"a": [1, 2]}}, {"a": (1, 2)}),
        ({"folder": "a"}, Path("a")), ({"folders": ["a"]}, [Path("a")]),
    ],
)  # fmt: skip
def test_lists_and_texts_of_json_become_what_is_asked(given, wanted):
    assert list(schema.fitted("part", jsons, given).values()) == [wanted]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sizes": [3, "x"]}, r"sizes\[1\] is 'x'"), ({"sizes": "35"}, "sizes is '35'"),
        ({"limits": [0, -1]}, r"limits\[1\] is -1"), ({"limits": [0]}, "limits"),
        ({"limits": [0, 1, 2]}, "limits"), ({"folder": 3}, "folder is 3"),
        ({"names": "ab"}, "names is 'ab'"), ({"perhaps": [1, 2]}, r"perhaps\[1\] is 2"),
    ],
)  # fmt: skip
def test_but_not_whatever_could_be_made_into_it(given, message):
    with pytest.raises(ArgumentError, match=message):
        schema.fitted("part", jsons, given)
