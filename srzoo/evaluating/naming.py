"""Names of metrics on the command line and in cards."""

from __future__ import annotations

import inspect
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

from ..errors import PluginError, SrzooError
from ..plugins import kinds, references
from ..plugins.plugin import Use
from ..recipes.data_folder import fill_in_data_folder

if TYPE_CHECKING:
    from ..contracts import Metric

WHAT = "metric"
"""The argument that ``WHAT`` in ``NAME/WHAT`` sets."""


def build_metric(name: str, root: Path | None = None) -> Metric:
    """Build a metric from its name on the command line and in cards.

    ``NAME``; ``NAME/WHAT`` for a plugin that provides the metrics of a whole package (built with
    ``metric="WHAT"``); or, with other arguments, ``{"name": NAME, ...}`` as JSON.

    Args:
        name: in one of these forms.
        root: replaces ``{data}`` in arguments; None for ``$SRZOO_DATA``.

    Raises:
        SrzooError: the name has none of these forms.
        PluginError: no metric has that name, or it has no such argument.
    """
    return kinds.metrics.build(fill_in_data_folder(use_of(name), root))


def class_of(name: str) -> object:
    """A metric's class, for its facts; None if no metric has that name."""
    try:
        return kinds.metrics.get(use_of(name).name)
    except PluginError:
        return None


def table_name(name: str) -> str:
    """A metric's name for tables: ``feature_distance (backbone vgg16)``.

    Paths are left out; the protocol describes the metric in full.
    """
    if not name.startswith("{"):
        return name
    use = use_of(name)
    args = [f"{key} {value}" for key, value in use.args.items() if not _is_path(value)]
    return f"{use.name} ({', '.join(args)})" if args else use.name


def local_path_in(name: str) -> str | None:
    """An argument with a path of this machine, which is meaningless elsewhere."""
    values = use_of(name).args.values()
    return next((v for v in values if _is_path(v) and Path(v).is_absolute()), None)


def _is_path(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and ("/" in value or os.sep in value)


def name_of(use: Use) -> str:
    """The name that :func:`use_of` reads."""
    if not use.args:
        return use.name
    what = use.args.get(WHAT)
    if len(use.args) == 1 and isinstance(what, str):
        return f"{use.name}/{what}"
    return json.dumps(use.plain())


def use_of(name: str) -> Use:
    """The plugin and its arguments for a metric's name.

    Raises:
        SrzooError: it begins like JSON, but is not valid JSON.
    """
    if name.startswith("{"):
        try:
            found: object = json.loads(name)
        except json.JSONDecodeError as error:
            raise SrzooError(
                f"the metric {name} is not valid JSON: {error}", 'Write {"name": "NAME", ...}'
            ) from error
        return Use.of(cast("dict[str, Any]", found))
    if references.is_reference(name):
        return Use(name)
    plugin, _, what = name.partition("/")
    return Use(plugin, {WHAT: what} if what else {})


def without_reference() -> list[str]:
    """The names of metrics that never need an HR picture."""
    found = kinds.metrics.each(lambda plugin: kinds.metrics.get(plugin.full_name))
    blind = [
        plugin.name
        for plugin, target in found
        if inspect.getattr_static(target, "reference", True) is False
    ]
    return [name for name in blind if blind.count(name) == 1]
