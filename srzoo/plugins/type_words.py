"""Arguments of plugins in readable form: ``n_feats: int, at least 1 = 64``."""

from __future__ import annotations

import collections.abc
import inspect
import re
import types
import typing
from collections.abc import Iterable
from typing import Annotated, Any, Literal

BOUNDS = {
    "ge": "at least", "gt": "above", "le": "at most", "lt": "below", "multiple_of": "a multiple of",
}  # fmt: skip
"""Names in annotated-types; an ``Interval`` has several."""
LISTS: dict[Any, str] = {
    list: "list", tuple: "tuple", set: "set", frozenset: "set", collections.abc.Sequence: "list",
    collections.abc.Collection: "list", collections.abc.Iterable: "list",
}  # fmt: skip
TABLES: tuple[Any, ...] = (dict, collections.abc.Mapping)


def of(parameter: inspect.Parameter) -> str:
    """A parameter: its name, its type with ranges, and its default."""
    found, kind = parameter.name, parameter.annotation
    if kind is not parameter.empty:
        found += f": {_kind(kind)}"
    return found if parameter.default is parameter.empty else f"{found} = {parameter.default!r}"


def _kind(kind: Any, stated: Iterable[object] = ()) -> str:
    """A type with the limits of its values: ``tuple of 2 float, each at least 0``."""
    origin: Any = typing.get_origin(kind)
    inner = typing.get_args(kind)
    if origin is Annotated:
        return _kind(inner[0], [*kind.__metadata__, *stated])
    limits = _limits(stated)
    if origin is Literal:
        return ", ".join([f"one of {', '.join(map(repr, inner))}", *limits])
    if origin in (typing.Union, types.UnionType):
        return _either([_kind(one, stated) for one in inner if one is not type(None)], inner)
    if origin in LISTS:
        return _list(LISTS[origin], inner, stated)
    if origin in TABLES:
        values = _kind(inner[1])
        return "table" if values == "Any" else f"table of {_bracketed(values)}"
    return ", ".join([_named(kind), *limits])


def _either(words: list[str], inner: tuple[Any, ...]) -> str:
    words = [*dict.fromkeys(words), *(["None"] if type(None) in inner else [])]
    pause = ", or " if any("," in one for one in words) else " or "
    return pause.join(words)


def _list(noun: str, inner: tuple[Any, ...], stated: Iterable[object]) -> str:
    items = [_kind(one) for one in inner if one is not ...]
    count = _count(stated)
    if noun == "tuple" and ... not in inner:
        if len(set(items)) != 1:
            return f"tuple of {', '.join(map(_bracketed, items))}"
        count = str(len(items))
    name, comma, each = items[0].partition(", ")
    if items[0].startswith("one of "):
        name, comma, each = "", ", ", items[0]
    elif re.search(" or | of ", items[0]):
        name, comma, each = _bracketed(items[0]), "", ""
    what = " ".join(word for word in (count, name) if word)
    return (f"{noun} of {what}" if what else noun) + (f", each {each}" if comma else "")


def _count(stated: Iterable[object]) -> str:
    least, most = _stated(stated, "min_length") or 0, _stated(stated, "max_length")
    if most is None:
        return f"{least} or more" if least else ""
    return str(most) if least == most else f"{least} to {most}"


def _limits(stated: Iterable[object]) -> list[str]:
    values = {name: _stated(stated, name) for name in BOUNDS}
    found = [f"{BOUNDS[name]} {value}" for name, value in values.items() if value is not None]
    return found + ([f"of {count} characters"] if (count := _count(stated)) else [])


def _stated(stated: Iterable[object], name: str) -> Any:
    found = [getattr(one, name, None) for one in stated]
    return next((value for value in found if value is not None), None)


def _bracketed(text: str) -> str:
    return f"({text})" if re.search(r", | or | of ", text) else text


def _named(kind: Any) -> str:
    text = kind if isinstance(kind, str) else inspect.formatannotation(kind)
    return re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=\w)", "", text)
