"""Arguments as a person reads them, in ``plugin show`` and where one is missing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from annotated_types import Ge, Gt, Interval, Le, Len, Lt, MinLen, MultipleOf

from srzoo.errors import PluginError
from srzoo.plugins import kinds, type_words

EIGHTS = Literal[2, 4, 8]
SHARE = Annotated[float, Ge(0), Le(1)]


def said(kind):
    one = inspect.Parameter("x", inspect.Parameter.KEYWORD_ONLY, annotation=kind)
    return type_words.of(one).removeprefix("x: ")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "int"), ("Unknown", "Unknown"), (Path, "Path"), (Any, "Any"), (list, "list"),
        (SHARE, "float, at least 0, at most 1"),
        (Annotated[int, Interval(gt=0, lt=9)], "int, above 0, below 9"),
        (Annotated[int, MultipleOf(8), "px"], "int, a multiple of 8"),
        (EIGHTS, "one of 2, 4, 8"), (Literal["a", None], "one of 'a', None"),
        (str | Path | None, "str or Path or None"),
        (Optional[Annotated[int, Ge(1)]], "int, at least 1, or None"),  # noqa: UP045
        (tuple[SHARE, SHARE], "tuple of 2 float, each at least 0, at most 1"),
        (tuple[int, ...], "tuple of int"), (tuple[int, str], "tuple of int, str"),
        (Sequence[Annotated[float, Gt(0), Lt(1)]], "list of float, each above 0, below 1"),
        (Annotated[Sequence[EIGHTS], MinLen(1)], "list of 1 or more, each one of 2, 4, 8"),
        (Sequence[EIGHTS], "list, each one of 2, 4, 8"),
        (Annotated[list[str], Len(2, 3)], "list of 2 to 3 str"),
        (list[tuple[SHARE, SHARE]], "list of (tuple of 2 float, each at least 0, at most 1)"),
        (str | Mapping[str, Any], "str or table"), (dict[str, int], "table of int"),
        (list[str | Mapping[str, Any]], "list of (str or table)"),
        (frozenset[int] | None, "set of int or None"),
        (Callable[[int], str], "Callable[[int], str]"),
    ],
)  # fmt: skip
def test_types_in_words(kind, words):
    assert said(kind) == words


def test_defaults_and_what_has_no_type():
    def part(*, n: Annotated[int, Ge(1)] = 64, root: str = ".", bare=1, needed): ...

    shown = [
        type_words.of(one) for one in inspect.signature(part, eval_str=True).parameters.values()
    ]
    assert shown == ["n: int, at least 1 = 64", "root: str = '.'", "bare = 1", "needed"]


def test_no_argument_of_ours_is_told_in_code():
    for plugin in kinds.plugins():
        try:
            parameters = kinds.kind(plugin.kind).signature(plugin.full_name).parameters.values()
        except PluginError:
            continue  # a module of cards has none
        for one in parameters:
            words = type_words.of(one).partition(" = ")[0]
            assert not set(words) & set("[]|"), words
            assert "Annotated" not in words, words
