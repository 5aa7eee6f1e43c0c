"""Arguments of plugins, checked against their annotations: the signature is the schema.

pydantic does it, strictly: plain types, ``Literal``, unions, lists and tables, and ``Annotated``
with ranges of annotated-types, such as ``n_feats: Annotated[int, Ge(1)] = 64``. No number may be
infinite. An annotation that cannot be had claims nothing.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import json
import re
import sys
import types
import typing
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from ..errors import ArgumentError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_core import ErrorDetails

NAMES: dict[str, Any] = {**vars(collections.abc), **vars(typing), "Path": Path}
"""What annotations may name that was imported for type checkers alone."""
CONTAINERS: tuple[Any, ...] = (
    list, dict, tuple, set, frozenset,
    collections.abc.Sequence, collections.abc.Collection, collections.abc.Mapping,
)  # fmt: skip


def fitted(
    title: str, parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments as a class or function takes them.

    Where a tuple, a set, a ``Path``, an enum or a dataclass is asked, the list, text or table that
    JSON has for it becomes one.

    Args:
        title: what errors call the plugin.
        parameters: of its :func:`signature`.
        given: arguments by name; those without an annotation are not looked at.

    Raises:
        ArgumentError: one is of another type, not a finite number, or out of its range.
    """
    found = dict(given)
    for name in given.keys() & parameters.keys():
        wanted = parameters[name].annotation
        if wanted is Path and isinstance(given[name], str):
            found[name] = Path(given[name])
        elif not isinstance(wanted, str) and not _plainly(wanted, given[name]):
            found[name] = _checked(f"{title}: {name}", wanted, given[name])
    return found


def signature(target: Callable[..., Any]) -> inspect.Signature:
    """The arguments of a class or function, with what their annotations stand for.

    One that cannot be had, as its name is there for type checkers alone, stays a text. A network
    without an ``__init__`` of its own has none: torch's takes anything.

    Raises:
        Exception: whatever somebody else's metaclass raises; builtins have no signature.
    """
    names = NAMES | _names(target)
    found = inspect.signature(target)
    made_by = getattr(target.__init__, "__module__", "") if inspect.isclass(target) else ""
    if made_by.startswith("torch.") and not named(found):
        return found.replace(parameters=[])
    return found.replace(
        parameters=[
            one.replace(annotation=_read(one.annotation, names))
            for one in found.parameters.values()
        ]
    )


def named(signature: inspect.Signature) -> dict[str, inspect.Parameter]:
    """The arguments that have a name: neither ``*args`` nor ``**kwargs``."""
    return {
        name: one
        for name, one in signature.parameters.items()
        if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    }


def _names(target: Any) -> dict[str, Any]:
    """What annotations of a class's or function's arguments may name."""
    while isinstance(target, functools.partial):
        target = cast("functools.partial[Any]", target).func
    makers = ("__init__", "__new__") if inspect.isclass(target) else ("__call__",)
    found = dict(vars(sys.modules.get(getattr(target, "__module__", None) or "", sys)))
    for one in (*(getattr(target, name, None) for name in makers), target):
        found |= getattr(inspect.unwrap(one) if callable(one) else one, "__globals__", {})
    return found


def _read(annotation: Any, names: dict[str, Any]) -> Any:
    if annotation is inspect.Parameter.empty:
        return annotation
    try:
        one = types.SimpleNamespace(__annotations__={"it": annotation})
        return typing.get_type_hints(one, names, include_extras=True)["it"]
    except Exception:  # noqa: BLE001 - its name is there for type checkers alone
        return annotation


def _plainly(kind: Any, value: Any) -> bool:
    """Whether a value fits at once; pydantic, whose import takes a moment, need not be asked."""
    if kind is inspect.Parameter.empty:
        return True
    if kind is float and type(value) in (int, float):
        return abs(value) <= sys.float_info.max  # NaN is not
    if kind is Path:
        return isinstance(value, Path)
    return kind is Any or (kind in (str, int, bool) and type(value) is kind)


def _checked(place: str, kind: Any, value: Any) -> Any:
    """A value that fits, or what JSON and TOML have for one that does, as what is asked."""
    from pydantic import ValidationError

    try:
        try:
            adapter = _adapter(kind)
        except TypeError:  # what is said of it has no hash
            adapter = _adapter.__wrapped__(kind)
        try:
            (made,) = adapter.validate_python([value])
            return made if _became_another(made, value) else value
        except ValidationError as error:
            fault = error
        if text := _json(value):
            try:
                return adapter.validate_json(text)[0]
            except ValidationError as error:
                found = {one["type"] for one in error.errors()}
                fault = fault if found & {"needs_python_object", "json_invalid"} else error
    except Exception:  # noqa: BLE001 - a type of somebody's own that says nothing
        return value
    what, fix = _in_words(fault, value)
    raise ArgumentError(f"{place}{what}", fix)


def _became_another(made: object, value: object) -> bool:
    """Whether a table became an object, or a list a named tuple."""
    if isinstance(value, Mapping):
        return not isinstance(made, Mapping)
    return isinstance(value, list) and isinstance(made, tuple)


def _json(value: object) -> str:
    """A list of one, as JSON has it; empty for what JSON has not."""
    try:
        return json.dumps([value]) if _is_json(value) else ""
    except (RecursionError, ValueError):  # it holds itself; an endless number
        return ""


def _is_json(value: object) -> bool:
    kind = type(value)
    if kind is dict:
        pairs = cast("dict[object, object]", value).items()
        return all(type(key) is str and _is_json(item) for key, item in pairs)
    if kind in (list, tuple):
        return all(map(_is_json, cast("list[object]", value)))
    return value is None or kind in (str, int, float, bool)


@cache
def _adapter(kind: Any) -> TypeAdapter[list[Any]]:
    """Of a list of one: a dataclass alone would refuse to be told how strict it is."""
    from pydantic import ConfigDict, TypeAdapter

    one: Any = types.GenericAlias(list, (_exact(kind),))
    return TypeAdapter(
        one,
        config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False),
    )


def _exact(kind: Any) -> Any:
    """A type in which ``Literal[1]`` takes neither True nor 1.0, which Python calls equal."""
    from pydantic import WrapValidator
    from pydantic_core import PydanticKnownError

    origin: Any = typing.get_origin(kind)
    inner = typing.get_args(kind)
    if origin is Annotated:
        return Annotated[_exact(inner[0]), *inner[1:]]
    if origin in (typing.Union, types.UnionType):
        return typing.Union[tuple(map(_exact, inner))]  # noqa: UP007
    if origin in CONTAINERS:
        return origin[tuple(one if one is ... else _exact(one) for one in inner)]
    if origin is not typing.Literal:
        return kind

    *most, last = map(repr, inner)
    expected = f"{', '.join(most)} or {last}" if most else last

    def same(value: Any, handler: Callable[[Any], Any]) -> Any:
        made = handler(value)
        if type(made) is not type(value) and isinstance(made, int):
            raise PydanticKnownError("literal_error", {"expected": expected})
        return made

    return Annotated[kind, WrapValidator(same)]


def _in_words(error: ValidationError, value: Any) -> tuple[str, str]:
    """Where in a value it is wrong, and what would be right."""
    found = error.errors(include_url=False)
    places = [_place(one, value) for one in found]
    deepest = max(places, key=lambda place: place.count("["))
    chosen = [one for one, place in zip(found, places, strict=True) if place == deepest]
    said = dict.fromkeys(_wanted(one) for one in chosen)
    given: Any = chosen[0]["input"]
    fix = f"It should {' or '.join(said).replace(' or be ', ' or ')}"
    if isinstance(given, str):
        names = [name for one in said for name in re.findall(r"'([^']*)'", one)]
        near = get_close_matches(given, names, n=1, cutoff=0.6)
        fix += "".join(f". Did you mean {name!r}?" for name in near)
    text = repr(given)
    return f"{deepest} is {text if len(text) < 100 else f'{text[:90]}...'}", fix


def _place(fault: ErrorDetails, value: Any) -> str:
    """Keys and numbers on the way to a fault; what else is there names the branch of a union."""
    found = ""
    for key in fault["loc"][1 : -1 if fault["type"] == "missing" else None]:
        if isinstance(value, Mapping) and key in value:
            value = cast("Mapping[Any, Any]", value)[key]
            found += f"[{key!r}]"
        elif isinstance(key, int):
            inside = isinstance(value, list | tuple) and key < len(cast("list[Any]", value))
            value = cast("list[Any]", value)[key] if inside else None
            found += f"[{key}]"
    return found


def _wanted(fault: ErrorDetails) -> str:
    """What pydantic's sentence says that a value should be or have."""
    kind, key = fault["type"], fault["loc"][-1]
    if kind == "missing":
        return f"have {key!r}" if isinstance(key, str) else "have more items"
    if kind in ("sequence_str", "list_type", "tuple_type", "set_type", "frozen_set_type"):
        return "be a list"
    if kind in ("dict_type", "mapping_type", "dataclass_type", "model_type"):
        return "be a table"
    if kind == "predicate_failed":
        return f"be one for which {re.sub('^Predicate | failed$', '', fault['msg'])} is true"
    text = re.sub(r"^\w+ should | after validation, not \d+$", "", fault["msg"])
    return text if text.startswith(("be ", "have ", "match ")) else f"be {text}"
