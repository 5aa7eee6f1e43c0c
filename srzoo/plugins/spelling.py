"""How what srzoo writes calls parts of other packages: ``distribution:name``.

A name alone would come to mean another part as soon as srzoo, or a third package, has one of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast, get_origin

from ..errors import PluginError
from . import kinds
from .plugin import OWN_DIST, Plugin, Use
from .registry import Registry

ASIDE = "optimizer", "schedule"
"""Keys of tables whose names are no plugins'."""
NOT_IN_ARGUMENTS = "card", "command", "engine", "export-format", "importer"
"""Kinds that no arguments name."""


def spelled(registry: Registry[Any], use: Use, found: list[Plugin] | None = None) -> Use:
    """A use in which parts of other packages have full names, those in its arguments too.

    What is not installed, or claimed twice, is left as it is, and so is what may be something else
    than a plugin's name.

    Args:
        registry: of its kind.
        use: what is written.
        found: gets every plugin that is named.
    """
    plugin = _find(registry, use.name)
    if plugin is None:
        return use
    if found is not None:
        found.append(plugin)
    args = {key: _value(registry, use.name, key, item, found) for key, item in use.args.items()}
    return Use(plugin.full_name if plugin.is_foreign else use.name, args)


def alike(name: str) -> str:
    """A name as such are compared: that of a part of ours without its distribution."""
    return name.removeprefix(f"{OWN_DIST}:")


def _find(registry: Registry[Any], name: str) -> Plugin | None:
    try:
        return registry.find(name)
    except PluginError:
        return None


def _value(
    registry: Registry[Any], owner: str, key: str, value: Any, found: list[Plugin] | None
) -> Any:
    """An argument; where it names a plugin, with that one's full name."""
    if isinstance(value, list | tuple):
        return [_value(registry, owner, key, item, found) for item in cast("list[Any]", value)]
    if key in ASIDE or not isinstance(value, str | Mapping):
        return value
    value = cast("str | Mapping[str, Any]", value)
    table = {"name": value} if isinstance(value, str) else value
    name = table.get("name")
    hits = [
        (inner, plugin)
        for inner in _kinds_of(key)
        if isinstance(name, str) and (plugin := _find(inner, name))
    ]
    if len({plugin.full_name for _, plugin in hits}) != 1:
        return value
    if isinstance(value, str) and not (hits[0][1].is_foreign and _takes_uses(registry, owner, key)):
        return value
    use = spelled(hits[0][0], Use.of(table), found)
    return use.name if isinstance(value, str) else use.plain()


def _kinds_of(key: str) -> Iterator[Registry[Any]]:
    """What an argument may name: its last word is a kind's, or it may be of any."""
    last = key.rpartition("_")[2]
    able = [r for kind, r in kinds.KINDS.items() if kind not in NOT_IN_ARGUMENTS]
    meant = [r for r in able if r.kind.rpartition("-")[2] in (last, last.removesuffix("s"))]
    return iter(meant or able)


def _takes_uses(registry: Registry[Any], owner: str, key: str) -> bool:
    """Whether an argument takes a plugin's name: or a table, or it is called like a kind."""
    try:
        parameter = registry.signature(owner).parameters.get(key)
    except PluginError:
        return False
    hint: object = parameter and parameter.annotation
    if "Mapping" in str(hint) or ".Use" in str(hint):
        return True
    return get_origin(hint) is not Literal and key.replace("_", "-") in kinds.KINDS
