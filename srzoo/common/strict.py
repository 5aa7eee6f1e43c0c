"""Plain values of TOML and JSON, parsed strictly into frozen dataclasses.

Standard library only.
"""

from __future__ import annotations

import dataclasses
import types
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from ..errors import SrzooError, did_you_mean

T = TypeVar("T")


def parse(kind: type[T], value: object, where: str) -> T:
    """Convert a plain value to a ``kind``.

    Args:
        kind: a dataclass, or a class with a classmethod ``of`` that reads plain values; if it also
            reads lists, it has ``of_list``, which gets the key.
        value: from TOML or JSON.
        where: the beginning of errors, such as a file's name.

    Raises:
        SrzooError: a key is unknown or missing, or a value has another type; the message says
            where.
    """
    return cast("T", _parse(kind, value, where))


def _parse(kind: Any, value: object, where: str) -> object:
    if hasattr(kind, "of_list") and _is_list(value):
        return kind.of_list(value, where)
    if hasattr(kind, "of"):
        if not isinstance(value, str | Mapping):
            raise SrzooError(f"{where} is {value!r}", "Give a name, or a table with a name")
        with _prefix_errors(where):
            return kind.of(value)
    if dataclasses.is_dataclass(kind):
        return _dataclass(kind, value, where)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        if value not in arguments:
            raise SrzooError(f"{where} is {value!r}", did_you_mean(str(value), map(str, arguments)))
        return value
    if origin in (Union, types.UnionType):  # here X | None, or a number | a table
        if value is None and type(None) in arguments:
            return None
        inner, *tables = [argument for argument in arguments if argument is not type(None)]
        return _parse(tables[0] if tables and _is_table(value) else inner, value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise SrzooError(f"{where} is {value!r}", "Give a list")
        items = cast("list[object]", value)
        return tuple(
            _parse(arguments[0], item, f"{where}[{number}]") for number, item in enumerate(items)
        )
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    wanted = origin or kind
    if not isinstance(value, wanted) or (isinstance(value, bool) and wanted is not bool):
        raise SrzooError(f"{where} is {value!r}", f"Give a {wanted.__name__}")
    return value


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _is_table(value: object) -> bool:
    return isinstance(value, Mapping)


def _dataclass(kind: Any, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise SrzooError(f"{where} is {value!r}", "Give a table of keys and values")
    values = cast("Mapping[str, object]", value)
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    for key in values:
        if key not in fields:
            raise SrzooError(f"{where} has an unknown key {key!r}", did_you_mean(key, fields))
    for name, field in fields.items():
        optional = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        if name not in values and not optional:
            raise SrzooError(f"{where} has no {name!r}", "Add it")
    found = {key: _parse(hints[key], item, f"{where}: {key}") for key, item in values.items()}
    with _prefix_errors(where):
        return kind(**found)


@contextmanager
def _prefix_errors(where: str) -> Generator[None]:
    """Add the key to errors of classes that read or check themselves."""
    try:
        yield
    except SrzooError as error:
        raise type(error)(f"{where}: {error.what}", error.fix) from error


def plain(value: object) -> Any:
    """The opposite of :func:`parse`: dictionaries, lists, strings and numbers; None is left out."""
    if known := getattr(value, "plain", None):
        return known()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        given = (field.name for field in dataclasses.fields(value) if field.init)
        pairs = ((name, getattr(value, name)) for name in given)
        return {name: plain(item) for name, item in pairs if item is not None}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in cast("Mapping[str, object]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in cast("list[object]", value)]
    return value
