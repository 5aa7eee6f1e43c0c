"""Arguments of plugins, checked against their annotations: the signature is the schema.

pydantic checks strictly: plain types, ``Literal``, unions, lists and tables, and ``Annotated`` with
ranges of annotated-types, such as ``n_feats: Annotated[int, Ge(1)] = 64``. Numbers must be finite.
An annotation that cannot be resolved is not checked.
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
"""Names in annotations that are usually imported for type checkers only."""
CONTAINERS: tuple[Any, ...] = (
    list, dict, tuple, set, frozenset,
    collections.abc.Sequence, collections.abc.Collection, collections.abc.Mapping,
)  # fmt: skip


def fitted(
    title: str, parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The arguments in the types that a class or function takes.

    For a tuple, a set, a ``Path``, an enum or a dataclass, the list, text or table that represents
    it in JSON is converted.

    Args:
        title: the plugin's name in errors.
        parameters: of its :func:`signature`.
        given: arguments by name; those without an annotation are not checked.

    Raises:
        ArgumentError: a value has another type, is not finite, or is out of range.
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
    """The arguments of a class or function, with resolved annotations.

    An annotation whose name exists only for type checkers stays a text. A network without its own
    ``__init__`` has no arguments, as torch's accepts anything.

    Raises:
        Exception: any error of a third-party metaclass; builtins have no signature.
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
    """The names that annotations of a class or function may use."""
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
    except Exception:  # noqa: BLE001 - its name exists only for type checkers
        return annotation


def _plainly(kind: Any, value: Any) -> bool:
    """Whether a value fits without pydantic, which is slow to import."""
    if kind is inspect.Parameter.empty:
        return True
    if kind is float and type(value) in (int, float):
        return abs(value) <= sys.float_info.max  # NaN is not
    if kind is Path:
        return isinstance(value, Path)
    return kind is Any or (kind in (str, int, bool) and type(value) is kind)


def _checked(place: str, kind: Any, value: Any) -> Any:
    """A valid value, or the conversion of its form in JSON or TOML."""
    from pydantic import ValidationError

    try:
        try:
            adapter = _adapter(kind)
        except TypeError:  # its metadata have no hash
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
    except Exception:  # noqa: BLE001 - a type that pydantic does not know
        return value
    what, fix = _in_words(fault, value)
    raise ArgumentError(f"{place}{what}", fix)


def _became_another(made: object, value: object) -> bool:
    """Whether a table was converted to an object, or a list to a named tuple."""
    if isinstance(value, Mapping):
        return not isinstance(made, Mapping)
    return isinstance(value, list) and isinstance(made, tuple)


def _json(value: object) -> str:
    """A list of the value as JSON; empty if JSON cannot represent it."""
    try:
        return json.dumps([value]) if _is_json(value) else ""
    except (RecursionError, ValueError):  # it contains itself; an infinite number
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
    """For a list of one item, as pydantic takes no strictness for a dataclass itself."""
    from pydantic import ConfigDict, TypeAdapter

    one: Any = types.GenericAlias(list, (_exact(kind),))
    return TypeAdapter(
        one,
        config=ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False),
    )


def _exact(kind: Any) -> Any:
    """The type with a ``Literal[1]`` that rejects True and 1.0, which Python considers equal."""
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
    """The key of a fault in a value, and the valid values."""
    found = error.errors(include_url=False)
    places = [_place(one, value) for one in found]
    deepest = max(places, key=lambda place: place.count("["))
    chosen = [one for one, place in zip(found, places, strict=True) if place == deepest]
    wishes = dict.fromkeys(_wanted(one) for one in chosen)
    given: Any = chosen[0]["input"]
    fix = f"It should {' or '.join(wishes).replace(' or be ', ' or ')}"
    if isinstance(given, str):
        names = [name for one in wishes for name in re.findall(r"'([^']*)'", one)]
        near = get_close_matches(given, names, n=1, cutoff=0.6)
        fix += "".join(f". Did you mean {name!r}?" for name in near)
    text = repr(given)
    return f"{deepest} is {text if len(text) < 100 else f'{text[:90]}...'}", fix


def _place(fault: ErrorDetails, value: Any) -> str:
    """The keys and indices of a fault; other items name a branch of a union."""
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
    """The requirement in pydantic's message, after "should"."""
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
