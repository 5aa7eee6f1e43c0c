"""Origins of a recipe's plugins: their full names, and their packages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from ..common import strict
from ..plugins import kinds
from ..plugins.plugin import Plugin, Use
from ..plugins.registry import Registry
from ..plugins.spelling import alike, spelled

if TYPE_CHECKING:
    from .recipe import Recipe

PLACES: tuple[tuple[str, Registry[Any]], ...] = (
    ("generator", kinds.generators),
    ("data.train", kinds.datasets),
    ("data.validation", kinds.datasets),
    ("data.degradation", kinds.degradations),
    ("losses", kinds.losses),
    ("train.metrics", kinds.metrics),
    ("adversarial.discriminator", kinds.discriminators),
    ("adversarial.loss", kinds.adversarial_losses),
    ("task", kinds.tasks),
)
"""The keys at which a recipe, or a stage, names plugins."""


def full_names(plain: Mapping[str, Any], found: list[Plugin] | None = None) -> dict[str, Any]:
    """A recipe's plain values, with plugins of other packages as ``distribution:name``.

    Args:
        plain: the values of a recipe, or of a stage's changes.
        found: every named plugin is appended to it.
    """
    written = dict(plain)
    for place, registry in PLACES:
        written = _at(written, place.split("."), registry, found)
    if stages := written.get("stages"):
        tables = cast("list[Any]", stages)
        written["stages"] = [
            full_names(cast("Mapping[str, Any]", stage), found)
            if isinstance(stage, Mapping)
            else stage
            for stage in tables
        ]
    return written


def plugins(recipe: Recipe) -> list[Plugin]:
    """Every plugin that a recipe names, in all stages and in arguments of other plugins."""
    found: list[Plugin] = []
    full_names(strict.plain(recipe), found)
    return found


def comparable(recipe: Recipe) -> dict[str, Any]:
    """A recipe's plain values, equal for different names of the same plugins."""
    return cast("dict[str, Any]", _alike(full_names(strict.plain(recipe))))


def _at(
    table: dict[str, Any], way: list[str], registry: Registry[Any], found: list[Plugin] | None
) -> dict[str, Any]:
    key, *rest = way
    if key not in table:
        return table
    value = table[key]
    if not rest:
        return {**table, key: _uses(value, registry, found)}
    if not isinstance(value, Mapping):
        return table
    return {**table, key: _at(dict(cast("Mapping[str, Any]", value)), rest, registry, found)}


def _uses(value: Any, registry: Registry[Any], found: list[Plugin] | None) -> Any:
    if isinstance(value, list | tuple):
        return [_uses(item, registry, found) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return spelled(registry, Use(value), found).name
    if isinstance(value, Mapping):
        table = cast("Mapping[str, Any]", value)
        named = isinstance(table.get("name"), str)
        return spelled(registry, Use.of(table), found).plain() if named else table
    return value


def _alike(value: Any) -> Any:
    """All texts as they are compared: names of srzoo's plugins get a prefix no other text has."""
    if isinstance(value, str):
        return alike(value)
    if isinstance(value, Mapping):
        return {key: _alike(item) for key, item in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [_alike(item) for item in cast("list[Any]", value)]
    return value
