"""Facts of a plugin before it is imported, and the notation of its use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import ArgumentError, BrokenPluginError
from . import references
from .packages import OWN as OWN_DIST

LOCAL_DIST = "(this process)"


@dataclass(frozen=True)
class Plugin:
    """A plugin, as the metadata of its distribution describe it."""

    kind: str
    name: str
    target: str
    dist: str
    version: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.package.strip('()')})"

    @property
    def package(self) -> str:
        """The distribution and its version."""
        if references.is_reference(self.name):
            return "a file"
        return f"{self.dist} {self.version}".rstrip()

    @property
    def full_name(self) -> str:
        """The name that finds it even if others have the same name: ``distribution:name``."""
        return self.name if self.dist == LOCAL_DIST else f"{self.dist}:{self.name}"

    @property
    def is_foreign(self) -> bool:
        """Whether a package other than srzoo provides it."""
        return self.dist not in (OWN_DIST, LOCAL_DIST)


class IncompleteError(BrokenPluginError):
    """A plugin was built, but lacks an attribute that its kind requires.

    Attributes:
        made: the object that was built.
    """

    def __init__(self, plugin: Plugin, name: str, made: object) -> None:
        super().__init__(
            f"{plugin} has no {name}, but every {plugin.kind} needs one",
            f"Upgrade or uninstall {plugin.dist}" if plugin.is_foreign else "Add it",
        )
        self.made = made


@dataclass(frozen=True)
class Problem:
    """A fault of one plugin that ``Registry.check`` found."""

    plugin: Plugin
    what: str


@dataclass(frozen=True)
class Use:
    """A plugin's name and the arguments to build it with, as in config.json and recipes.

    Both ``"rcab"`` and ``{"name": "rcab", "reduction": 8}`` are read by :meth:`of`.
    """

    name: str
    args: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(cls, value: str | Mapping[str, Any] | Use) -> Use:
        """Read a name, or a mapping with ``name`` and the arguments beside it.

        Raises:
            ArgumentError: a mapping without a name.
        """
        if isinstance(value, Use):
            return value
        if isinstance(value, str):
            return cls(value)
        if not isinstance(value.get("name"), str):
            raise ArgumentError(
                f"no plugin name in {dict(value)!r}", 'Write "NAME", or {"name": "NAME", ...}'
            )
        return cls(value["name"], {key: item for key, item in value.items() if key != "name"})

    def plain(self) -> dict[str, Any]:
        """The mapping that :meth:`of` reads."""
        return {"name": self.name, **self.args}
