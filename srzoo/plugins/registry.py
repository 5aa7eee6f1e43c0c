"""Finds plugins by entry point and loads one when it is asked for.

Nothing is imported to list plugins: names, targets and distributions come from
the metadata that pip wrote. Standard library only.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from ..errors import (
    ArgumentError,
    BrokenPluginError,
    MissingPluginError,
    PluginConflictError,
    PluginError,
    did_you_mean,
)
from . import packages

PLUGIN_API = 1
"""The version of the contracts. A plugin that sets ``plugin_api`` to more is refused."""

OWN_DIST = "srzoo"
LOCAL_DIST = "(this process)"
ALLOW_VARIABLE = "SRZOO_PLUGINS"

T = TypeVar("T")


@dataclass(frozen=True)
class Plugin:
    """What the metadata of its distribution says about a plugin."""

    kind: str
    name: str
    target: str
    dist: str
    version: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name} ({self.dist} {self.version})".replace(" )", ")")

    @property
    def full_name(self) -> str:
        """What finds it even if others have its name: ``distribution:name``."""
        return self.name if self.dist == LOCAL_DIST else f"{self.dist}:{self.name}"


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


@cache
def _scan() -> Any:
    # Reads the metadata of every distribution: once is enough. Python 3.11 gives
    # SelectableGroups back and 3.12 EntryPoints; both select.
    return entry_points()


def installed(group: str) -> Iterable[EntryPoint]:
    """The entry points of one group, from the metadata of what is installed."""
    return _scan().select(group=group)


@cache
def _name_and_version(dist: Distribution) -> tuple[str, str]:
    return packages.named(dist)  # which parses the metadata anew


class Registry(Generic[T]):
    """All plugins of one kind, by name.

    Args:
        kind: what one plugin is called, as in "generator".
        group: the entry point group.
        found: gives the group's entry points; tests pass their own.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        found: Callable[[str], Iterable[EntryPoint]] = installed,
    ) -> None:
        self.kind = kind
        self.group = group
        self._found = found
        self._metadata: list[tuple[Plugin, EntryPoint]] | None = None
        self._local: dict[str, tuple[Plugin, Any]] = {}

    def __repr__(self) -> str:
        return f"<Registry of {self.kind} plugins, group {self.group}>"

    def __iter__(self) -> Iterator[Plugin]:
        """Every plugin that may be used, by name and distribution. Imports nothing."""
        plugins = [plugin for plugin, _ in self._entries() if _is_allowed(plugin)]
        plugins += [plugin for plugin, _ in self._local.values()]
        return iter(sorted(plugins, key=lambda plugin: (plugin.name, plugin.dist)))

    def __contains__(self, name: object) -> bool:
        return any(name in (plugin.name, f"{plugin.dist}:{plugin.name}") for plugin in self)

    def names(self) -> list[str]:
        """The names of all plugins, sorted, each once."""
        return sorted({plugin.name for plugin in self})

    def find(self, name: str) -> Plugin:
        """The plugin called ``name`` or ``distribution:name``. Imports nothing.

        Raises:
            MissingPluginError: nothing is called that.
            PluginConflictError: several distributions claim the name.
        """
        dist, _, short = name.rpartition(":")
        hits = [p for p in self if p.name == short and dist in ("", p.dist)]
        if len(hits) > 1:
            owners = " and ".join(f"{p.dist} {p.version} ({p.target})" for p in hits)
            raise PluginConflictError(
                f"{self.kind} {short!r} is claimed by {owners}",
                f"Say which one: {' or '.join(f'{p.dist}:{p.name}' for p in hits)},"
                " or uninstall one of them",
            )
        if not hits:
            raise MissingPluginError(*self._missing(name, short))
        return hits[0]

    def get(self, name: str) -> Callable[..., T]:
        """Import one plugin and give its class or function back.

        Raises:
            MissingPluginError: nothing is called that.
            PluginConflictError: several distributions claim the name.
            BrokenPluginError: its import fails, or it needs a newer srzoo.
        """
        plugin = self.find(name)
        if plugin.dist == LOCAL_DIST:
            target = self._local[plugin.name][1]
        else:
            target = _import(next(entry for p, entry in self._entries() if p == plugin), plugin)
        needs: object = getattr(target, "plugin_api", PLUGIN_API)
        if not isinstance(needs, int) or needs > PLUGIN_API:
            raise BrokenPluginError(
                f"{plugin} needs plugin API {needs}, this srzoo has {PLUGIN_API}",
                "Upgrade srzoo: pip install --upgrade srzoo",
            )
        return cast("Callable[..., T]", target)

    def loaded(self) -> Iterator[tuple[Plugin, Callable[..., T] | PluginError]]:
        """Import one plugin after the other; of one that cannot be had, its error.

        This is the way to go over plugins, any of which may be broken.
        """
        for plugin in self:
            try:
                yield plugin, self.get(plugin.full_name)
            except PluginError as error:
                yield plugin, error

    def signature(self, name: str) -> inspect.Signature:
        """The arguments of one plugin: they are its schema.

        Raises:
            PluginError: it cannot be had, or does not tell its arguments.
        """
        target = self.get(name)
        try:
            return inspect.signature(target)
        except (TypeError, ValueError) as error:
            raise BrokenPluginError(
                f"{self.find(name)} does not tell its arguments: {error}",
                "Make it a class or a function of Python",
            ) from error

    def create(self, name: str, **arguments: Any) -> T:
        """Build a plugin by name: ``generators.create("edsr", scale=4)``.

        Raises:
            ArgumentError: an argument is unknown or missing.
        """
        return self.build(Use(name, arguments))

    def build(self, use: str | Mapping[str, Any] | Use, **context: Any) -> T:
        """Build what ``use`` says, with arguments from the program beside its own.

        The signature is bound before anything is called, so a wrong argument is
        reported as such and never as a TypeError from inside the plugin.

        Raises:
            ArgumentError: an argument is unknown, missing, or given twice.
        """
        use = Use.of(use)
        if twice := set(use.args) & set(context):
            raise ArgumentError(
                f"{self.kind} {use.name!r}: {', '.join(sorted(twice))} is set by the program",
                "Leave it out",
            )
        arguments = {**use.args, **context}
        self.check_use(Use(use.name, arguments))
        return self.get(use.name)(**arguments)

    def check_use(self, use: Use) -> None:
        """Hold a use against the plugin's signature, without building anything.

        Raises:
            PluginError: the plugin is missing or broken, or an argument unknown or missing.
        """
        title = f"{self.kind} {use.name!r}"
        parameters = self.signature(use.name).parameters
        for name in use.args:
            if name not in parameters:
                raise ArgumentError(
                    f"{title} has no argument {name!r}", did_you_mean(name, parameters)
                )
        missing = [
            name
            for name, parameter in parameters.items()
            if parameter.default is parameter.empty and name not in use.args
        ]
        if missing:
            raise ArgumentError(
                f"{title} needs {', '.join(missing)}",
                f"See: srzoo plugin show {self.kind} {use.name}",
            )

    def register(self, name: str, factory: Callable[..., T] | T) -> None:
        """Add a plugin to this process alone, for notebooks and tests.

        The same name may be registered again (a notebook cell run twice); the
        name of an installed plugin may not.

        Raises:
            PluginError: the name holds a colon, or an installed plugin has it.
        """
        if ":" in name:
            raise PluginError(f"the name {name!r} holds a colon", "Choose one without")
        if any(plugin.name == name for plugin, _ in self._entries()):
            raise PluginError(
                f"an installed {self.kind} is called {name!r} already", "Choose another name"
            )
        home: str = getattr(factory, "__module__", None) or getattr(factory, "__name__", "?")
        target = f"{home}:{getattr(factory, '__qualname__', '')}".rstrip(":")
        self._local[name] = (Plugin(self.kind, name, target, LOCAL_DIST, ""), factory)

    def unregister(self, name: str) -> None:
        """Take back a :meth:`register`; a name that is not registered is no error."""
        self._local.pop(name, None)

    def check(self) -> list[Problem]:
        """Import every plugin, and say what is wrong with each."""
        problems: list[Problem] = []
        for plugin, target in self.loaded():
            if sum(other.name == plugin.name for other in self) > 1:
                problems.append(Problem(plugin, f"another distribution claims {plugin.name} too"))
            if isinstance(target, PluginError):
                problems.append(Problem(plugin, str(target)))
            else:
                problems += [Problem(plugin, what) for what in _broken_rules(target)]
        return problems

    def _entries(self) -> list[tuple[Plugin, EntryPoint]]:
        if self._metadata is None:
            self._metadata = [(self._describe(entry), entry) for entry in self._found(self.group)]
        return self._metadata

    def _describe(self, entry: EntryPoint) -> Plugin:
        name, version = _name_and_version(entry.dist) if entry.dist else ("unnamed", "")
        return Plugin(self.kind, entry.name, entry.value, name, version)

    def _missing(self, name: str, short: str) -> tuple[str, str]:
        what = f"no {self.kind} is called {name!r}"
        hidden = [p for p, _ in self._entries() if p.name == short and not _is_allowed(p)]
        if hidden:
            return what, (
                f"{hidden[0].dist} has it, but {ALLOW_VARIABLE} or --no-plugins leaves it out"
            )
        return what, did_you_mean(short, self.names())


def _import(entry: EntryPoint, plugin: Plugin) -> Any:
    try:
        return entry.load()
    except (Exception, SystemExit) as error:  # a third party's module may raise anything at all
        raise BrokenPluginError(
            f"{plugin} cannot be imported from {plugin.target}: {type(error).__name__}: {error}",
            f"Upgrade or uninstall {plugin.dist}",
        ) from error


def _is_allowed(plugin: Plugin) -> bool:
    """Whether the allow-list (comma-separated distributions; unset: all) lets a plugin in."""
    allow = os.environ.get(ALLOW_VARIABLE)
    if allow is None or plugin.dist == OWN_DIST:
        return True
    return plugin.dist in [name.strip() for name in allow.split(",")]


def _broken_rules(target: object) -> list[str]:
    """What the rules for every plugin find wrong with a class or function."""
    if not (inspect.isclass(target) or inspect.isfunction(target)):
        return []  # a package of model folders, a click command
    faults: list[str] = []
    if not inspect.getdoc(target):
        faults.append("has no docstring")
    try:
        parameters = inspect.signature(target).parameters.values()
    except (TypeError, ValueError) as error:
        return [*faults, f"does not tell its arguments: {error}"]
    for parameter in parameters:
        if parameter.kind is parameter.VAR_KEYWORD:
            faults.append(f"takes **{parameter.name}: name every argument")
        elif parameter.kind is not parameter.KEYWORD_ONLY:
            faults.append(f"argument {parameter.name} is not keyword-only")
    return faults
