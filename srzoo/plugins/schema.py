"""Arguments of plugins, held against their annotations: the signature is the schema.

pydantic does it, strictly: plain types, ``Literal``, unions, lists and tables, and ``Annotated``
with ranges of annotated-types, such as ``n_feats: Annotated[int, Ge(1)] = 64``. No number may be
infinite. An annotation that cannot be had claims nothing.
"""

from __future__ import annotations

import collections.abc
import inspect
import math
import re
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from ..common import strangers
from ..errors import ArgumentError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

RANGED = re.compile(r"Annotated\[((?:[^\[\],]|\[[^\[\]]*\])*), ([^\[\]]*)\]")
NAMES: dict[str, Any] = {**vars(collections.abc), **vars(typing), "Path": Path}
"""What annotations may name that was imported for type checkers alone."""
CONTAINERS: tuple[Any, ...] = (
    list, dict, tuple, set, frozenset,
    collections.abc.Sequence, collections.abc.Collection, collections.abc.Mapping,
)  # fmt: skip


def fitted(title: str, target: Callable[..., Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as a class or function takes them.

    Where a tuple, a set or a ``Path`` is asked, the list or text that JSON has for it becomes one.

    Args:
        title: what errors call the plugin.
        target: the class or function.
        given: arguments by name; those without an annotation are not looked at.

    Raises:
        ArgumentError: one is of another type, not a finite number, or out of its range.
    """
    wanted = hints(target)
    found = dict(given)
    for name in given.keys() & wanted.keys():
        if wanted[name] is Path and isinstance(given[name], str):
            found[name] = Path(given[name])
        elif not _plainly(wanted[name], given[name]):
            found[name] = _checked(f"{title}: {name}", wanted[name], given[name])
    return found


@cache
def hints(target: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a class's or function's arguments, but for those that cannot be had."""
    function = inspect.unwrap(target.__init__ if inspect.isclass(target) else target)
    stated: dict[str, Any] = getattr(function, "__annotations__", {})
    names = NAMES | getattr(function, "__globals__", {})
    found: dict[str, Any] = {}
    for name, annotation in stated.items():
        try:
            one = types.SimpleNamespace(__annotations__={name: annotation})
            found[name] = typing.get_type_hints(one, names, include_extras=True)[name]
        except strangers.ERRORS:  # its name is there for type checkers alone
            continue
    return found


def words(parameter: inspect.Parameter) -> str:
    """A parameter as a person reads it: ``n_feats: int, at least 1 = 64``."""
    found, kind = parameter.name, parameter.annotation
    if kind is not parameter.empty:
        text = kind if isinstance(kind, str) else inspect.formatannotation(kind)
        text = re.sub(r"\b(?:[A-Za-z_]\w*\.)+(?=\w)", "", text)
        text = re.sub(r"\bLiteral\[([^\]]*)\]", r"one of \1", text)
        found += f": {RANGED.sub(_ranges, text)}"
    return found if parameter.default is parameter.empty else f"{found} = {parameter.default!r}"


def _ranges(found: re.Match[str]) -> str:
    text = re.sub(r"Interval\((.*?)\)", r"\1", found[2])
    for name, said in (("ge", "at least"), ("gt", "above"), ("le", "at most"), ("lt", "below")):
        text = re.sub(rf"\b{name}(?:=|\((?:{name}=)?)([^(),]*)\)?", rf"{said} \1", text, flags=re.I)
    return f"{found[1]}, {text}"


def _plainly(kind: Any, value: Any) -> bool:
    """Whether a value fits at once; pydantic, whose import takes a moment, need not be asked."""
    if kind is float and type(value) in (int, float):
        return math.isfinite(value)
    if kind is Path:
        return isinstance(value, Path)
    return kind is Any or (kind in (str, int, bool) and type(value) is kind)


def _checked(place: str, kind: Any, value: Any) -> Any:
    from pydantic import ValidationError
    from pydantic.errors import PydanticUserError

    try:
        try:
            _adapter(kind).validate_python(value)
            return value
        except ValidationError:
            return _adapter(_from_json(kind)).validate_python(value)
    except ValidationError as error:
        what, fix = _in_words(error)
        raise ArgumentError(f"{place}{what}", fix) from None
    except (PydanticUserError, TypeError):
        return value  # a type of somebody's own that says nothing


def _from_json(kind: Any) -> Any:
    """A type that also takes what JSON and TOML have for a tuple, a set or a ``Path`` within it."""
    from pydantic import BeforeValidator

    origin: Any = typing.get_origin(kind)
    inner = typing.get_args(kind)
    if origin is Annotated:
        return Annotated[_from_json(inner[0]), *inner[1:]]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(_from_json(one) for one in inner)]  # noqa: UP007
    if origin in CONTAINERS:
        kind = origin[tuple(one if one is ... else _from_json(one) for one in inner)]
    made: Any = origin or kind
    if made not in (tuple, set, frozenset, Path):
        return kind
    given = str if made is Path else list

    def as_asked(value: Any) -> Any:
        return cast("Any", made)(value) if isinstance(value, given) else value

    return Annotated[kind, BeforeValidator(as_asked)]


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    from pydantic import ConfigDict, TypeAdapter

    return TypeAdapter(
        kind,
        config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False),
    )


def _in_words(error: ValidationError) -> tuple[str, str]:
    """Where in a value it is wrong, and what would be right."""
    found = error.errors(include_url=False)
    found = [one | {"loc": one["loc"][:-1]} if one["type"] == "missing" else one for one in found]
    places = ["".join(f"[{key}]" for key in one["loc"] if isinstance(key, int)) for one in found]
    deepest = max(places, key=len)
    chosen = [one for one, place in zip(found, places, strict=True) if place == deepest]
    said = dict.fromkeys(_wanted(one["type"], one["msg"]) for one in chosen)
    fix = " or ".join(said).replace(" or be ", " or ")
    return f"{deepest} is {chosen[0]['input']!r}", f"It should {fix}"


def _wanted(fault: str, text: str) -> str:
    """What pydantic's sentence says that a value should be or have."""
    if fault == "missing":
        return "have more items"
    if fault == "sequence_str":
        return "be a list"
    text = re.sub(r"^\w+ should | after validation, not \d+$", "", text)
    return text if text.startswith(("be ", "have ", "match ")) else f"be {text}"
