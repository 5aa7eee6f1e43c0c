"""Arguments to build a plugin with: its defaults, or one of its stated examples."""

from __future__ import annotations

from typing import Any

from ..contracts import PluginFacts, stated
from . import kinds, schema
from .plugin import Plugin

CHANNELS = 16
"""For a block without ``examples``."""


def arguments(plugin: Plugin, *, stated_first: bool = False) -> dict[str, Any] | None:
    """The first of a plugin's ``examples`` that has all required arguments, or ``{}``.

    Args:
        plugin: the plugin.
        stated_first: prefer an example to the defaults, as it is smaller.

    Returns:
        None if arguments are required, but no example has them.

    Raises:
        PluginError: it cannot be imported.
    """
    registry = kinds.kind(plugin.kind)
    parameters = schema.named(registry.signature(plugin.full_name)).values()
    needed = {one.name for one in parameters if one.default is one.empty}
    sets = [*stated(registry.get(plugin.full_name), PluginFacts).examples]
    sets.insert(len(sets) if stated_first else 0, {})
    if plugin.kind == "block":  # a generator passes them to it
        sets.append({"channels": CHANNELS})
    return next((dict(each) for each in sets if needed <= each.keys()), None)
