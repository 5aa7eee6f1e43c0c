"""Full names of foreign plugins in files that srzoo writes: ``distribution:name``.

A short name would change its meaning as soon as srzoo, or a third package, adds the same name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast, get_origin

from ..errors import PluginError
from . import kinds
from .plugin import OWN_DIST, Plugin, Use
from .registry import Registry

ASIDE = "optimizer", "schedule"
"""Keys of tables whose names are not plugins."""
NOT_IN_ARGUMENTS = "card", "command", "engine", "export-format", "importer"
"""Kinds that arguments never name."""


def spelled(registry: Registry[Any], use: Use, found: list[Plugin] | None = None) -> Use:
    """A use with full names of foreign plugins, including those in its arguments.

    A plugin that is not installed or claimed twice is not changed, nor is a value that may be
    something other than a plugin's name.

    Args:
        registry: of its kind.
        use: the use.
        found: every named plugin is appended to it.
    """
    plugin = _find(registry, use.name)
    if plugin is None:
        return use
    if found is not None:
        found.append(plugin)
    args = {key: _value(registry, use.name, key, item, found) for key, item in use.args.items()}
    return Use(plugin.full_name if plugin.is_foreign else use.name, args)


def alike(name: str) -> str:
    """A name normalised for comparison: srzoo's own plugins without the distribution."""
    return name.removeprefix(f"{OWN_DIST}:")


def _find(registry: Registry[Any], name: str) -> Plugin | None:
    try:
        return registry.find(name)
    except PluginError:
        return None


def _value(
    registry: Registry[Any], owner: str, key: str, value: Any, found: list[Plugin] | None
) -> Any:
    """An argument; if it names a plugin, with the full name."""
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
    """Check the uses in a use's arguments, such as a generator's block, against their signatures.

    Arguments may be missing, as the plugin that builds them may add them.

    Raises:
        PluginError: an argument is unknown or wrong, or the plugin does not exist.
    """
    for key, value in use.args.items():
        items = cast("list[Any]", value) if isinstance(value, list | tuple) else [value]
        for item in items:
            if hit := _named(key, item):
                inner, _, found = hit
                if inner.kind == "loss":  # the table in a recipe also has its weight
                    rest = {name: each for name, each in found.args.items() if name != "weight"}
                    found = Use(found.name, rest)
                inner.check_use(found, whole=False)
                check(inner, found)
            elif isinstance(item, str | Mapping) and _takes_uses(registry, use.name, key):
                for inner in _meant(key)[:1]:
                    inner.find(Use.of(cast("str | Mapping[str, Any]", item)).name)


def _named(key: str, value: Any) -> tuple[Registry[Any], Plugin, Use] | None:
    """The plugin that an argument names, if it names exactly one."""
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
    """The kinds that an argument's name ends in."""
    last = key.rpartition("_")[2]
    return [r for r in _able() if r.kind.rpartition("-")[2] in (last, last.removesuffix("s"))]


def _takes_uses(registry: Registry[Any], owner: str, key: str) -> bool:
    """Whether an argument takes a use, by its annotation or its name."""
    try:
        parameter = registry.signature(owner).parameters.get(key)
    except PluginError:
        return False
    hint: object = parameter and parameter.annotation
    if "Mapping" in str(hint) or ".Use" in str(hint):
        return True
    return get_origin(hint) is not Literal and key.replace("_", "-") in kinds.KINDS
