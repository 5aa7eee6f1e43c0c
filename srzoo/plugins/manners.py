"""The rules for every plugin, whatever its kind."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING

from ..errors import BrokenPluginError
from . import importing

if TYPE_CHECKING:
    from .registry import Plugin

PLUGIN_API = 1
"""The version of the contracts. A plugin that sets ``plugin_api`` to more is refused."""


def check_api(target: object, plugin: Plugin) -> None:
    """Refuse what was made for contracts of another version.

    Raises:
        BrokenPluginError: it says that it needs a newer one, or does not say it with a number.
    """
    try:
        needs: object = getattr(target, "plugin_api", PLUGIN_API)
        text = repr(needs)
    except Exception as error:
        raise BrokenPluginError(
            f"{plugin} cannot be asked for its plugin_api: {importing.described(error)}",
            f"Upgrade or uninstall {plugin.dist}",
        ) from error
    if type(needs) is not int:
        raise BrokenPluginError(
            f"{plugin} has the plugin API {text}, which is no whole number",
            f"Its author writes: plugin_api = {PLUGIN_API}",
        )
    if needs > PLUGIN_API:
        raise BrokenPluginError(
            f"{plugin} needs plugin API {needs}, this srzoo has {PLUGIN_API}",
            "Upgrade srzoo: pip install --upgrade srzoo",
        )


def broken_rules(target: object) -> list[str]:
    """What the rules for every plugin find wrong with a class or function."""
    faults: list[str] = []
    try:
        if not (inspect.isclass(target) or inspect.isfunction(target)):
            return []  # a package of model folders, a click command
        if not inspect.getdoc(target):
            faults.append("has no docstring")
        parameters = inspect.signature(target).parameters.values()
    except Exception as error:  # noqa: BLE001 - a metaclass of somebody else may raise anything
        return [*faults, f"does not tell its arguments: {importing.described(error)}"]
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            faults.append(f"takes **{parameter.name}: name every argument")
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            faults.append(f"argument {parameter.name} is not keyword-only")
    return faults
