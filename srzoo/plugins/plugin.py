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
    """What the metadata of its distribution says about a plugin."""

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
        """What finds it even if others have its name: ``distribution:name``."""
        return self.name if self.dist == LOCAL_DIST else f"{self.dist}:{self.name}"

    @property
    def is_foreign(self) -> bool:
        """Whether another package than srzoo brings it."""
        return self.dist not in (OWN_DIST, LOCAL_DIST)


class IncompleteError(BrokenPluginError):
    """A plugin was built, and lacks what every one of its kind has.

    Attributes:
        made: what was built.
    """

    def __init__(self, plugin: Plugin, name: str, made: object) -> None:
        super().__init__(
            f"{plugin} has no {name}, and every {plugin.kind} needs one",
            f"Upgrade or uninstall {plugin.dist}" if plugin.is_foreign else "Add it",
        )
        self.made = made


@dataclass(frozen=True)
class Problem:
    """Something that ``Registry.check`` found wrong with one plugin."""

    plugin: Plugin
    what: str


@dataclass(frozen=True)
class Use:
    """A plugin's name and the arguments to build it with, as config.json and recipes say it.

    ``"rcab"`` and ``{"name": "rcab", "reduction": 8}`` are both read by :meth:`of`.
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
