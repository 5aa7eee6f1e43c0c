"""The origin of a part: objects built by a registry record their plugin and arguments.

The mark lies in the part's own ``__dict__``, so that copies have it too, such as the averaged
weights. What cannot be marked (a class with slots, a built-in function) has no origin.
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
"""The plugins of the part that is being built, and of those that it is made of."""


@contextmanager
def recorded(plugin: Plugin) -> Generator[list[Plugin]]:
    """A plugin and all others that are built in here, for those around it, too."""
    around, used = _BUILDING.get(), [plugin]
    token = _BUILDING.set(used)
    try:
        yield used
    finally:
        _BUILDING.reset(token)
        if around is not None:
            around += used


def mark(part: T, used: Iterable[Plugin], use: Use | None = None) -> T:
    """Have a part remember the plugin that built it, and those that it was made of then.

    Args:
        part: what was built.
        used: the plugins.
        use: what it was built by. Kept if JSON can hold it; parts that were given are not.
    """
    facts = _facts(part)
    if facts is not None:
        facts[MARK] = tuple(dict.fromkeys(used))
        facts[USE] = _plain(use) if use else None
    return part


def _plain(use: Use) -> Use | None:
    """A copy that nobody else changes; None where an argument is not a value of JSON."""
    try:
        return Use(use.name, json.loads(json.dumps(dict(use.args), default=_table)))
    except (TypeError, ValueError, RecursionError):
        return None


def _table(value: object) -> object:
    if isinstance(value, Use):
        return value.plain()
    raise TypeError


def use_of(part: object) -> Use | None:
    """The name and the arguments that a registry built a part by; None where they are not known."""
    found: object = (_facts(part) or {}).get(USE)
    return found if isinstance(found, Use) else None


def origin(part: object) -> Plugin | None:
    """The plugin that built a part; None where no registry did."""
    return next(iter(made_of(part)), None)


def made_of(part: object) -> tuple[Plugin, ...]:
    """The same, and the plugins of what was built for it, such as a generator's blocks."""
    found: object = (_facts(part) or {}).get(MARK)
    return cast("tuple[Plugin, ...]", found) if isinstance(found, tuple) else ()


def _facts(part: object) -> dict[str, Any] | None:
    try:
        facts: object = object.__getattribute__(part, "__dict__")
    except (AttributeError, TypeError):
        return None
    # A class has another kind.
    return cast("dict[str, Any]", facts) if type(facts) is dict else None


def requirements(plugins: Iterable[Plugin], modules: Iterable[str] = ()) -> tuple[str, ...]:
    """The packages, besides srzoo and what it needs, of plugins and of classes.

    Args:
        plugins: that something is made of.
        modules: where the classes were defined that it is made of.

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
