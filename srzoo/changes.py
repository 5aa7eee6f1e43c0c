"""What a stage's tables and ``--set a.b=value`` change of a recipe's plain values."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any, cast

from .errors import SrzooError


def changed(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes``; tables without a name are merged, all else is replaced."""
    merged = dict(values)
    for key, new in changes.items():
        old = values.get(key)
        if isinstance(new, Mapping) and isinstance(old, dict) and "name" not in new:
            merged[key] = changed(cast("dict[str, Any]", old), cast("Mapping[str, Any]", new))
        else:
            merged[key] = new
    return merged


def set_from(values: dict[str, Any], text: str) -> None:
    """Set one value in place, from ``a.b=value``; a number in the path is a place in a list.

    Raises:
        SrzooError: there is no such place, or no value.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise SrzooError(f"--set {text} has no value", "Write it like --set train.steps=1000")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word is a string
    *path, last = key.strip().split(".")
    place: Any = values
    for part in path:
        if isinstance(place, list):
            place = _item(cast("list[Any]", place), part, text)
        elif isinstance(place, dict):
            place = cast("dict[str, Any]", place).setdefault(part, {})
        if not isinstance(place, list | dict):
            raise SrzooError(f"--set {text}: {part} is {place!r}, no table", "Check the name")
    if isinstance(place, list):
        _item(cast("list[Any]", place), last, text)
        place[int(last)] = parsed
    else:
        place[last] = parsed


def _item(items: list[Any], part: str, text: str) -> Any:
    if not part.isdecimal() or int(part) >= len(items):
        raise SrzooError(
            f"--set {text}: {part} is no place in a list of {len(items)}", "Count from 0"
        )
    return items[int(part)]
