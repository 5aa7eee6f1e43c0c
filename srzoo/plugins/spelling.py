"""Full names of other packages' plugins in files that srzoo writes: ``distribution:name``.

A name alone would come to mean another part as soon as srzoo, or a third package, has one of it.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    hit = _named(key, value)
    if hit is None:
        return value
    inner, plugin, use = hit
    if isinstance(value, str) and not (plugin.is_foreign and _takes_uses(registry, owner, key)):
        return value
    use = spelled(inner, use, found)
    return use.name if isinstance(value, str) else use.plain()


def check(registry: Registry[Any], use: Use) -> None:
    """Hold the uses in a use's arguments, such as a generator's block, against their signatures.

    What they need besides, the plugin that builds them may give.

    Raises:
        PluginError: an argument is unknown or wrong, or names a plugin that there is not.
    """
    for key, value in use.args.items():
        items = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
        for item in items:
            if hit := _named(key, item):
                inner, _, found = hit
                if inner.kind == "loss":  # the table of a recipe's has its weight beside
                    rest = {name: each for name, each in found.args.items() if name != "weight"}
                    found = Use(found.name, rest)
                inner.check_use(found, whole=False)
                check(inner, found)
            elif isinstance(item, str | Mapping) and _takes_uses(registry, use.name, key):
                for inner in _meant(key)[:1]:
                    inner.find(Use.of(cast("str | Mapping[str, Any]", item)).name)


def _named(key: str, value: Any) -> tuple[Registry[Any], Plugin, Use] | None:
    """What an argument names, if that is one plugin."""
    if key in ASIDE or not isinstance(value, str | Mapping):
        return None
    value = cast("str | Mapping[str, Any]", value)
    table = {"name": value} if isinstance(value, str) else value
    name = table.get("name")
    hits = [
        (inner, plugin)
        for inner in _meant(key) or _able()
        if isinstance(name, str) and (plugin := _find(inner, name))
    ]
    if len({plugin.full_name for _, plugin in hits}) != 1:
        return None
    return *hits[0], Use.of(table)


def _able() -> list[Registry[Any]]:
    return [r for kind, r in kinds.KINDS.items() if kind not in NOT_IN_ARGUMENTS]


def _meant(key: str) -> list[Registry[Any]]:
    """The kinds that an argument is called by: its last word is theirs."""
    last = key.rpartition("_")[2]
    return [r for r in _able() if r.kind.rpartition("-")[2] in (last, last.removesuffix("s"))]


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
