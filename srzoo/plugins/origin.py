"""The origin of plugin objects: objects built by a registry record their plugin and arguments.

The record is in the object's ``__dict__``, so that copies have it too, such as averaged weights. An
object without one (a class with slots, a built-in function) has no origin.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import packages
from .plugin import Use

if TYPE_CHECKING:
    from .plugin import Plugin

T = TypeVar("T")
MARK = "_srzoo_origin"
USE = "_srzoo_use"
_BUILDING: ContextVar[list[Plugin] | None] = ContextVar("_BUILDING", default=None)
"""The plugin that is being built, and those that it contains."""


@contextmanager
def recorded(plugin: Plugin) -> Generator[list[Plugin]]:
    """Record a plugin and all others built inside; outer blocks record them too."""
    around, used = _BUILDING.get(), [plugin]
    token = _BUILDING.set(used)
    try:
        yield used
    finally:
        _BUILDING.reset(token)
        if around is not None:
            around += used


def mark(part: T, used: Iterable[Plugin], use: Use | None = None) -> T:
    """Record in an object the plugin that built it, and those that it contains.

    Args:
        part: the object.
        used: the plugins.
        use: its name and arguments. Recorded if JSON can represent them; objects passed in are not.
    """
    facts = _facts(part)
    if facts is not None:
        facts[MARK] = tuple(dict.fromkeys(used))
        facts[USE] = _plain(use) if use else None
    return part


def _plain(use: Use) -> Use | None:
    """An independent copy; None if an argument is not a JSON value."""
    try:
        return Use(use.name, json.loads(json.dumps(dict(use.args), default=_table)))
    except (TypeError, ValueError, RecursionError):
        return None


def _table(value: object) -> object:
    if isinstance(value, Use):
        return value.plain()
    raise TypeError


def use_of(part: object) -> Use | None:
    """The name and the arguments by which a registry built an object; None if unknown."""
    found: object = (_facts(part) or {}).get(USE)
    return found if isinstance(found, Use) else None


def origin(part: object) -> Plugin | None:
    """The plugin that built an object; None if no registry did."""
    return next(iter(made_of(part)), None)


def made_of(part: object) -> tuple[Plugin, ...]:
    """The same plugin, and those built for it, such as a generator's blocks."""
    found: object = (_facts(part) or {}).get(MARK)
    return cast("tuple[Plugin, ...]", found) if isinstance(found, tuple) else ()


def _facts(part: object) -> dict[str, Any] | None:
    try:
        facts: object = object.__getattribute__(part, "__dict__")
    except (AttributeError, TypeError):
        return None
    # A class has a mappingproxy instead.
    return cast("dict[str, Any]", facts) if type(facts) is dict else None


def requirements(plugins: Iterable[Plugin], modules: Iterable[str] = ()) -> tuple[str, ...]:
    """The packages, besides srzoo and its dependencies, of plugins and classes.

    Args:
        plugins: the plugins in an object.
        modules: the modules that define the classes in the object.

    Returns:
        Each as ``package==version``, sorted.
    """
    found = {plugin.dist: plugin.version for plugin in plugins if plugin.is_foreign}
    known = {packages.normal(dist) for dist in found}
    for module in {module.partition(".")[0] for module in modules}:
        for dist in packages.bringing(module):
            if packages.normal(dist) not in known:
                found[dist] = packages.version(dist) or ""
    pinned = (packages.pinned(dist, version) for dist, version in found.items())
    return tuple(sorted(filter(None, pinned)))
