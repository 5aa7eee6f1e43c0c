"""The signature of a plugin is its schema: arguments are held against annotations."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol

import numpy as np
import pydantic
import pytest
from annotated_types import Ge, Interval, Le
from hypothesis import given
from hypothesis import strategies as st

from srzoo.errors import ArgumentError, BrokenPluginError, SrzooError
from srzoo.plugins import manners, schema
from srzoo.plugins.registry import Registry
from srzoo.recipes import recipe

if TYPE_CHECKING:
    from somewhere import Unknown


class Colour(Enum):
    """One of few."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Size:
    """A type of a plugin's own."""

    w: int
    h: float = 1.0


class Shape(Protocol):
    """One that nothing can be held against."""

    def area(self) -> float: ...


ITSELF: list[object] = []
ITSELF.append(ITSELF)


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
    mode: Literal["sum", "mean"] = "sum",
    sides: Mapping[str, float] = MappingProxyType({}),
    colour: Colour = Colour.RED,
    size: Size | None = None,
    noted: Annotated[int, Ge(1), {"unit": "dB"}] = 1,
    shape: Shape | None = None,
    bare=1,
) -> None:
    """A part."""


def fits(target: Callable[..., object], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as a target takes them."""
    return schema.fitted("part", schema.signature(target).parameters, given)


FIT = [
    {"n_feats": 1}, {"scale": 2}, {"eps": 1}, {"share": 1}, {"span": 8}, {"on": True},
    {"root": "a"}, {"root": Path("a")}, {"folder": "a"}, {"block": {"name": "rcab", "n": 3}},
    {"sigma": [1, 2.5]}, {"sigma": ()}, {"scales": [2]}, {"scales": (2,)}, {"pair": (1, "a")},
    {"uses": ["l1", {"name": "tv"}]}, {"call": len}, {"limit": None}, {"limit": 3},
    {"unknown": object()}, {"array": np.zeros(3)}, {"bare": object()}, {"noted": 1},
    {"colour": Colour.RED}, {"size": Size(3)}, {"sides": {"a": 1}}, {"shape": object()},
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
    ({"root": 3}, "root is 3. It should be a valid string\\."),
    ({"folder": 3}, "folder is 3"), ({"block": 3}, "block is 3"),
    ({"sigma": "ab"}, "sigma is 'ab'"),
    ({"sigma": [1, "x"]}, r"sigma\[1\] is 'x'. It should be a valid number"),
    ({"scales": [2, 3.5]}, r"scales\[1\] is 3.5"), ({"pair": (1, 2)}, r"pair\[1\] is 2"),
    ({"uses": ["l1", 3]}, r"uses\[1\] is 3"), ({"call": 3}, "call is 3"),
    ({"limit": "x"}, "limit is 'x'. It should be a valid integer"),
    ({"array": [1]}, r"array is \[1\]"), ({"eps": 10**400}, "eps is 10"),
    ({"scale": 2.0}, "scale is 2.0. It should be 2, 3 or 4"), ({"scale": True}, "scale is True"),
    ({"mode": "men"}, r"mode is 'men'. It should be 'sum' or 'mean'. Did you mean 'mean'\?$"),
    ({"mode": "Sum"}, r".* Did you mean 'sum'\?"), ({"mode": "x"}, ".* or 'mean'.$"),
    ({"sides": {"a": "x"}}, r"sides\['a'\] is 'x'"), ({"sides": {1: 2}}, "sides.* is 1"),
    ({"block": ["a" * 999]}, r"block is \['a{88}\.\.\."), ({"limit": ITSELF}, "limit is "),
    ({"colour": "reed"}, r"colour is 'reed'. It should be 'red' or 'blue'. Did you mean 'red'\?"),
    ({"size": {"w": "x"}}, r"size\['w'\] is 'x'. It should be a valid integer"),
    ({"size": {}}, r"size is {}. It should have 'w'"), ({"size": 3}, "size is 3. .* a table"),
    ({"noted": 0}, "noted is 0. It should be greater"),
]  # fmt: skip


@pytest.mark.parametrize("given", FIT, ids=str)
def test_what_fits_is_passed_on(given):
    found = fits(part, given)
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
        fits(part, {"limit": value})
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


class Corner(NamedTuple):
    """Two numbers."""

    x: int
    y: int


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
    colour: Colour = Colour.RED,
    colours: list[Colour] | None = None,
    size: Size | None = None,
    corner: Corner | None = None,
) -> None:
    """A part whose annotations have no like in JSON."""


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"sizes": [3, 5]}, (3, 5)), ({"sizes": []}, ()), ({"limits": [0, 2.5]}, (0, 2.5)),
        ({"corners": [[1, 2], (3, 4)]}, [(1, 2), (3, 4)]), ({"perhaps": [1, "a"]}, (1, "a")),
        ({"names": ["a", "b"]}, {"a", "b"}), ({"table": {"a": [1, 2]}}, {"a": (1, 2)}),
        ({"folder": "a"}, Path("a")), ({"folders": ["a"]}, [Path("a")]),
        ({"colour": "blue"}, Colour.BLUE), ({"colours": ["red"]}, [Colour.RED]),
        ({"size": {"w": 3, "h": 2}}, Size(3, 2)), ({"corner": [1, 2]}, Corner(1, 2)),
    ],
)  # fmt: skip
def test_lists_and_texts_of_json_become_what_is_asked(given, wanted):
    assert list(fits(jsons, given).values()) == [wanted]


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
        fits(jsons, given)


def test_more_than_functions_and_classes_with_init():
    """Whatever tells its arguments is held to them."""

    def at(place: int, *, n: Annotated[int, Ge(1)]) -> Size:
        return Size(n)

    class New:
        def __new__(cls, *, n: Annotated[int, Ge(1)]):
            return Size(n)

    class Meta(type):
        def __call__(cls, *, n: Annotated[int, Ge(1)]):
            return Size(n)

    class Called(metaclass=Meta): ...

    @dataclass
    class Factory:  # has no hash
        w: int = 3

        def __call__(self, *, n: Annotated[int, Ge(1)]) -> Size:
            return Size(n)

    @dataclass
    class Own:
        n: Annotated[int, Ge(1)]

    class Model(pydantic.BaseModel):
        n: Annotated[int, Ge(1)]

    def loose(*args: int, n: Annotated[int, Ge(1)], **kwargs: int) -> Size:
        return Size(n)

    registry = Registry("block", "none", lambda group: ())
    for each in (functools.partial(at, 1), New, Called, Factory(), Own, Model, loose):
        registry.register("it", each)
        assert registry.create("it", n=2) is not None
        for wrong in (0, "x", 2.0):
            with pytest.raises(ArgumentError, match=f"^block 'it': n is {wrong!r}. It should"):
                registry.create("it", n=wrong)
        for more in ("args", "kwargs", "m"):
            with pytest.raises(ArgumentError, match=f"has no argument {more!r}"):
                registry.create("it", n=2, **{more: 1})
        with pytest.raises(ArgumentError, match=r"needs n\. Give n: int, at least 1"):
            registry.create("it")


def test_a_factory_that_makes_nothing_and_one_that_takes_no_names():
    registry = Registry("engine", "none", lambda group: ())
    for made, said in ((None, "None"), (int, "type")):
        registry.register("it", lambda made=made: made)
        with pytest.raises(
            BrokenPluginError, match=rf"^engine it .* returned {said}, not an engine"
        ):
            registry.create("it")

    def by_place(n: int, /) -> Size:
        return Size(n)

    registry.register("it", by_place)
    with pytest.raises(BrokenPluginError, match=r"^engine it .* takes n by position only"):
        registry.create("it", n=1)


def test_defaults_are_held_to_it_too():
    def odd(
        *,
        n: Annotated[int, Ge(1)] = 0,
        mode: Literal["a", "b"] = "c",
        size: int = None,  # noqa: RUF013
        fine: tuple[int, ...] = (),
    ) -> None:
        """A part."""

    assert manners.broken_rules(odd) == [
        "argument n is 0 by default. It should be greater than or equal to 1: change one of them",
        "argument mode is 'c' by default. It should be 'a' or 'b': change one of them",
        "argument size is None by default. It should be a valid integer: change one of them",
    ]


def test_a_build_imports_once():
    calls = []

    class Entry:
        name, value, dist = "it", "somewhere:it", None

        def load(self):
            calls.append(1)
            return Size

    registry = Registry("block", "none", lambda group: (Entry(),))
    assert registry.create("it", w=3) == Size(3)
    assert calls == [1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("generator.block={name='residual', n=1}", "block 'residual' has no argument 'n'"),
        ("generator.block={name='rcab', reduction=0}", "block 'rcab': reduction is 0"),
        ("generator.block=nix", "no block is called 'nix'"),
        ("generator.block={name='rcb'}", "no block is called 'rcb'. Did you mean rcab"),
        ("data.degradation={name='mixed', choices=['bicubic', {name='unknown', sigma='x'}]}",
         "degradation 'unknown': sigma is 'x'"),
        ("data.degradation={name='mixed', choices=[{name='mixed', choices=[{name='unknown', s=1}]}]}",  # noqa: E501
         "degradation 'unknown' has no argument 's'"),
        ("task={name='distillation', teacher='a', loss='nix'}", "no loss is called 'nix'"),
        ("data.train={name='div2k', root='x', track='unkown_x4'}", "Did you mean 'unknown_x4'"),
        ("data.batch=70000", "at most 65,536"), ("train.steps=99999999999999", "at most 1,000,"),
    ],
)  # fmt: skip
def test_uses_in_uses_are_held_to_it_before_anything_is_built(change, said, tiny):
    with pytest.raises(SrzooError, match=said):
        recipe.load(tiny(), [change])
