"""Changes to the plain values of a recipe by a stage's tables and ``--set a.b=value``.

A ``--set`` changes every stage: where a stage repeats the key, it replaces the stage's own value. A
change of one stage, ``--set stages.2.a.b=value``, changes only that stage. ``train.steps`` is the
length of the whole run: the stages share it in the proportion of their steps in the recipe.
"""

from __future__ import annotations

import copy
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

from ..errors import SrzooError

STAGES = "stages"
OPTIONAL = ("adversarial", "task")
"""Tables whose presence has a meaning: a change of one affects the stages that have it."""
MAY_LACK = ("losses", "train")
"""Keys of lists whose items a stage may leave out: losses and metrics."""
SHARED = ("lr", "weight", "weight_decay")
"""Keys that every optimizer, or every loss, has, whatever its name is."""


def merge(values: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` with ``changes``; tables without a name are merged, other values are replaced."""
    merged = dict(values)
    for key, new in changes.items():
        old = values.get(key)
        if isinstance(new, Mapping) and isinstance(old, dict) and "name" not in new:
            merged[key] = merge(cast("dict[str, Any]", old), cast("Mapping[str, Any]", new))
        else:
            merged[key] = new
    return merged


@dataclass(frozen=True)
class _Override:
    """One ``--set``: its text, its path, and the value."""

    text: str
    path: list[str]
    value: Any


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> None:
    """Set values in place, each from ``a.b=value``; a number in a path is an index of a list.

    Changes without a stage are applied to all stages first, then those with a stage, in any order.

    Raises:
        SrzooError: the path or the value is missing, or it is ambiguous what a stage takes.
    """
    sets = [_read(text) for text in overrides]
    if any(each.path == [STAGES] for each in sets):
        values.pop(STAGES, None)
    for each in sets:
        if each.path[0] != STAGES:
            _apply(values, each)
    for each in sorted((e for e in sets if e.path[0] == STAGES), key=lambda e: len(e.path) > 1):
        _put(values, each, each.path)


def _read(text: str) -> _Override:
    key, equals, value = text.partition("=")
    if not equals:
        raise SrzooError(f"--set {text} has no value", "Write it like --set train.steps=1000")
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        parsed = value  # a bare word is a string
    return _Override(text, key.strip().split("."), parsed)


def _apply(values: dict[str, Any], change: _Override) -> None:
    """Change the recipe's own value, and the value of each stage that repeats it."""
    top, path = change.path[0], change.path
    stages = _stages(values)
    before = {key: copy.deepcopy(value) for key, value in values.items() if key != STAGES}
    lengths = _lengths(before, stages)
    in_some = top in OPTIONAL and top not in values and any(top in stage for stage in stages)
    if not in_some:
        _put(values, change, path)
    reached = [
        _apply_in_stage(
            stage, before, path, change, _Stage(number, str(stage.get("name"))), in_some
        )
        for number, stage in enumerate(stages)
        if top in stage or not in_some
    ]
    if stages and not any(reached):
        raise SrzooError(
            f"--set {change.text} changes nothing: every stage has its own {'.'.join(path[:-1])}",
            f"Name the stage: --set {STAGES}.0.{change.text}",
        )
    steps = _steps(change)
    if stages and lengths and steps is not None:
        for stage, share in zip(stages, _shares(steps, lengths, change.text), strict=True):
            stage.setdefault("train", {})["steps"] = share
    if stages:
        values[STAGES] = stages


def _stages(values: dict[str, Any]) -> list[dict[str, Any]]:
    """The stages as tables; empty if they do not have that form yet."""
    found = values.get(STAGES)
    if not isinstance(found, list):
        return []
    opened = [_decoded_value(stage) for stage in cast("list[object]", found)]
    return opened if all(isinstance(stage, dict) for stage in opened) else []


def _decoded_value(value: Any) -> Any:
    """The table that the bare name of a plugin abbreviates."""
    return {"name": value} if isinstance(value, str) else value


@dataclass(frozen=True)
class _Stage:
    number: int
    name: str


def _apply_in_stage(
    table: dict[str, Any] | list[Any],
    base: Any,
    path: list[str],
    change: _Override,
    stage: _Stage,
    own: bool,
) -> bool:
    """Change a value in a stage's own table; return whether the stage has the new value afterwards.

    ``base``: the recipe's value in this place. ``own``: whether the stage's table replaces the
    recipe's, so that keys that it leaves out do not come from the recipe.
    """
    key, *rest = path
    if isinstance(table, list):
        place = _index_in_base(base, table, key)
        if place is None:
            if change.path[0] in MAY_LACK:
                return False
            raise _unknown_key(table, change, stage, len(path))
        if not rest:
            table[place] = copy.deepcopy(change.value)
            return True
        inner = table[place] = _decoded_value(table[place])
        if not isinstance(inner, dict | list):
            return False
        inner = cast("dict[str, Any] | list[Any]", inner)
        return _apply_in_stage(inner, _decoded_value(base[int(key)]), rest, change, stage, own=True)
    if key not in table:
        if own:
            if not (_same_plugin(base, table) or key in SHARED):
                raise _unknown_key(table, change, stage, len(path))
            _put(table, change, path)
        return True
    if not rest:
        if own:
            table[key] = copy.deepcopy(change.value)
        else:
            del table[key]  # the recipe's value applies
        return True
    inner = table[key] = _decoded_value(table[key])
    if not isinstance(inner, dict | list):
        return True  # invalid; the check reports it
    inner = cast("dict[str, Any] | list[Any]", inner)
    under = (
        _decoded_value(cast("dict[str, Any]", base).get(key)) if isinstance(base, dict) else None
    )
    alone = own or isinstance(inner, list) or "name" in inner
    reached = _apply_in_stage(inner, under, rest, change, stage, alone)
    if not inner and not own:
        del table[key]
    return reached


def _index_in_base(base: Any, items: list[Any], key: str) -> int | None:
    """The index in a stage's list of the item at ``key`` of the recipe's list, found by its name.

    Items of the same name are matched in order. Items without a name are matched by index.
    """
    if not isinstance(base, list) or not key.isdecimal():
        return None
    names, others = ([_name(item) for item in side] for side in (cast("list[Any]", base), items))
    number = int(key)
    if number >= len(names):
        return None
    if names[number] is None:
        return number if number < len(items) else None
    places = [place for place, name in enumerate(others) if name == names[number]]
    turn = names[:number].count(names[number])
    return places[turn] if turn < len(places) else None


def _name(item: Any) -> str | None:
    table = _decoded_value(item)
    return cast("dict[str, Any]", table).get("name") if isinstance(table, dict) else None


def _same_plugin(base: Any, table: dict[str, Any]) -> bool:
    """Whether a stage's table takes the same keys as the recipe's table in its place."""
    if "name" not in table:
        return True
    return isinstance(base, dict) and cast("dict[str, Any]", base).get("name") == table["name"]


def _unknown_key(
    table: dict[str, Any] | list[Any], change: _Override, stage: _Stage, left: int
) -> SrzooError:
    place = ".".join(change.path[:-left])
    what = "a list" if isinstance(table, list) else repr(table.get("name"))
    return SrzooError(
        f"--set {change.text}: stage {stage.name!r} has another {place}, {what}",
        f"Set the whole table, --set '{place}={{name=...}}', or each stage's: "
        f"--set {STAGES}.{stage.number}.{place}...",
    )


def _steps(change: _Override) -> int | None:
    """The length of the run that a change sets, if it does."""
    table: Any = {"steps": change.value} if change.path == ["train", "steps"] else change.value
    if change.path not in (["train"], ["train", "steps"]) or not isinstance(table, dict):
        return None
    steps = cast("dict[str, Any]", table).get("steps")
    return steps if isinstance(steps, int) and not isinstance(steps, bool) and steps > 0 else None


def _lengths(base: dict[str, Any], stages: list[dict[str, Any]]) -> list[int]:
    """The steps of each stage; empty if one of them is not a number of steps."""
    tables: list[Any] = [merge(base, stage).get("train") for stage in stages]
    found: list[Any] = [
        cast("dict[str, Any]", table).get("steps") if isinstance(table, dict) else None
        for table in tables
    ]
    whole = all(isinstance(steps, int) and steps > 0 for steps in found)
    return found if whole else []


def _shares(steps: int, lengths: list[int], text: str) -> list[int]:
    """Divide steps in the proportion of the lengths, at least one each; the sum is ``steps``."""
    if steps < len(lengths):
        raise SrzooError(
            f"--set {text}: {len(lengths)} stages cannot share {steps} steps",
            f"Give more, or leave the stages out: --set '{STAGES}=[]'",
        )
    # Round the running sums, so that the parts add up.
    total = sum(lengths)
    ends = [steps * sum(lengths[:place]) // total for place in range(len(lengths) + 1)]
    shares = [end - start for start, end in pairwise(ends)]
    while not all(shares):  # move a step from the longest stage to the shortest
        shares[shares.index(0)] += 1
        shares[shares.index(max(shares))] -= 1
    return shares


def _put(values: dict[str, Any] | list[Any], change: _Override, path: list[str]) -> None:
    """Set one value in place; missing tables are created."""
    *inner, last = path
    place: Any = values
    for part in inner:
        if isinstance(place, list):
            items = cast("list[Any]", place)
            number = _number(items, part, change.text)
            place = items[number] = _decoded_value(items[number])
        elif isinstance(place, dict):
            table = cast("dict[str, Any]", place)
            place = table[part] = _decoded_value(table.get(part) if part in table else {})
        if not isinstance(place, list | dict):
            raise SrzooError(
                f"--set {change.text}: {part} is {place!r}, not a table", "Check the name"
            )
    value = copy.deepcopy(change.value)
    if isinstance(place, list):
        items = cast("list[Any]", place)
        items[_number(items, last, change.text)] = value
    else:
        place[last] = value


def _number(items: list[Any], part: str, text: str) -> int:
    if not part.isdecimal() or int(part) >= len(items):
        raise SrzooError(
            f"--set {text}: {part} is not a place in a list of {len(items)}", "Count from 0"
        )
    return int(part)
