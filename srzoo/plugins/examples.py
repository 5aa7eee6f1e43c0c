"""Arguments that a plugin can be built with: its defaults, or one of the examples it states."""

from __future__ import annotations

from typing import Any

from ..contracts import PluginFacts, stated
from . import kinds, schema
from .plugin import Plugin

CHANNELS = 16
"""Of a block that states no ``examples``."""


def arguments(plugin: Plugin, *, stated_first: bool = False) -> dict[str, Any] | None:
    """None, or the first of a plugin's ``examples`` that has all that it needs.

    Args:
        plugin: which.
        stated_first: an example before the defaults: it is the smaller of both.

    Returns:
        None where it needs some, and has no example with them.

    Raises:
        PluginError: it cannot be imported.
    """
    registry = kinds.kind(plugin.kind)
    parameters = schema.named(registry.signature(plugin.full_name)).values()
    needed = {one.name for one in parameters if one.default is one.empty}
    sets = [*stated(registry.get(plugin.full_name), PluginFacts).examples]
    sets.insert(len(sets) if stated_first else 0, {})
    if plugin.kind == "block":  # a generator gives them to it
        sets.append({"channels": CHANNELS})
    return next((dict(each) for each in sets if needed <= each.keys()), None)
