"""The rules for plugins of all kinds."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from ..common import strangers
from ..errors import ArgumentError, BrokenPluginError
from . import importing, schema

if TYPE_CHECKING:
    from .plugin import Plugin

PLUGIN_API = 1
"""The version of the contracts. A plugin with a larger ``plugin_api`` is refused."""
OLDEST_API = 1
"""The oldest version that is accepted. A plugin that states none counts as made for version 1."""
DEPRECATED: dict[str, dict[str, str]] = {}
"""Renamed members of the contracts: by kind, the old and the new name."""


def check_api(target: object, plugin: Plugin) -> None:
    """Refuse a plugin for another version of the contracts.

    Raises:
        BrokenPluginError: it needs a newer version, or one that is no longer accepted, or its
            version is not a number.
    """
    try:
        needs: object = getattr(target, "plugin_api", 1)
        text = repr(needs)
    except strangers.ERRORS as error:
        raise BrokenPluginError(
            f"{plugin} does not state its plugin_api: {importing.described(error)}",
            f"Upgrade or uninstall {plugin.dist}",
        ) from error
    if type(needs) is not int:
        raise BrokenPluginError(
            f"{plugin} has the plugin API {text}, which is not a whole number",
            f"Its author writes: plugin_api = {PLUGIN_API}",
        )
    if needs > PLUGIN_API:
        raise BrokenPluginError(
            f"{plugin} needs plugin API {needs}, but this srzoo has {PLUGIN_API}",
            "Upgrade srzoo: pip install --upgrade srzoo",
        )
    if needs < OLDEST_API:
        raise BrokenPluginError(
            f"{plugin} was made for plugin API {needs}, but the oldest that this srzoo accepts is"
            f" {OLDEST_API}",
            f"Upgrade or uninstall {plugin.dist}",
        )
    for old, instead in DEPRECATED.get(plugin.kind, {}).items():
        if old in getattr(target, "__dict__", {}):
            deprecated(plugin, old, instead)


def deprecated(plugin: Plugin, old: str, instead: str) -> None:
    """Warn once that a plugin uses something that the next plugin API removes.

    Args:
        plugin: the plugin.
        old: what it uses, in its author's spelling.
        instead: the replacement.
    """
    importing.warn(
        f"{plugin} has {old}, which works until plugin API {PLUGIN_API + 1}: write {instead}"
    )


def broken_rules(target: object) -> list[str]:
    """Violations of the rules for every plugin by a class or function."""
    faults: list[str] = []
    try:
        if not (inspect.isclass(target) or inspect.isfunction(target)):
            return []  # a package of model folders, a click command
        if not _docstring(target):
            faults.append("has no docstring: describe it and its source")
        found = schema.signature(target)
    except strangers.ERRORS as error:  # raised by a metaclass or a lazy attribute
        return [*faults, f"does not reveal its arguments: {importing.described(error)}"]
    for name, parameter in found.parameters.items():
        if parameter.kind is parameter.VAR_KEYWORD:
            faults.append(f"takes **{name}: name every argument")
        elif parameter.kind is parameter.VAR_POSITIONAL:
            faults.append(f"takes *{name}: name every argument")
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            faults.append(f"argument {name} is not keyword-only: write * before it")
    return faults + _wrong_defaults(schema.named(found))


def _wrong_defaults(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """Defaults that contradict their own annotations: writing them out would be an error."""
    faults: list[str] = []
    for name, one in parameters.items():
        if one.default is not one.empty:
            try:
                schema.fitted("default", parameters, {name: one.default})
            except ArgumentError as error:
                what = error.what.removeprefix("default: ")
                faults.append(f"argument {what} by default. {error.fix}: change one of them")
    return faults


def unannotated(target: Callable[..., object]) -> list[str]:
    """Arguments for recipes and configs that have no annotation."""
    return [
        f"argument {name} has no annotation: write `{name}: {_type(parameter)}`"
        for name, parameter in schema.signature(target).parameters.items()
        if parameter.annotation is parameter.empty
        and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]


def _docstring(target: object) -> str:
    """Its own docstring, or that of a base that is a plugin; not of ``nn.Module`` or a contract."""
    if not inspect.isclass(target):
        return inspect.getdoc(target) or ""
    others = ("builtins", "torch.", "typing", "srzoo.")
    own = [each for each in target.__mro__ if not each.__module__.startswith(others)]
    return next((text for each in own if (text := vars(each).get("__doc__"))), "")


def _type(parameter: inspect.Parameter) -> str:
    """An annotation that fits the default."""
    default: object = parameter.default
    plain = isinstance(default, bool | int | float | str)
    return type(default).__name__ if plain else "int" if parameter.name == "channels" else "..."
