"""Finds plugins by entry point and loads each on request.

Nothing is imported to list plugins: names, targets and distributions come from
the metadata that pip wrote. Standard library only.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import Distribution, EntryPoint
from typing import Any, Generic, TypeVar, cast

from ..common import strangers
from ..errors import (
    ArgumentError,
    BrokenPluginError,
    MissingPluginError,
    NotInstalledError,
    PluginConflictError,
    PluginError,
    SrzooError,
    did_you_mean,
)
from . import importing, known, manners, origin, packages, references, schema, type_words
from .plugin import LOCAL_DIST, OWN_DIST, IncompleteError, Plugin, Problem, Use

ALLOW_VARIABLE = "SRZOO_PLUGINS"

T = TypeVar("T")
R = TypeVar("R")


@cache
def _scan() -> dict[str, list[EntryPoint]]:
    # Reads the metadata of every distribution, so do it once.
    found: dict[str, list[EntryPoint]] = {}
    for entry in packages.entry_points():
        found.setdefault(entry.group, []).append(entry)
    return found


def installed(group: str) -> Iterable[EntryPoint]:
    """The entry points of one group, from the metadata of what is installed."""
    return _scan().get(group, [])


@cache
def _name_and_version(dist: Distribution) -> tuple[str, str]:
    return packages.named(dist)  # parses the metadata again


class Registry(Generic[T]):
    """All plugins of one kind, by name.

    Args:
        kind: the kind's name, such as "generator".
        group: the entry point group.
        found: returns the group's entry points; tests pass their own.
        needs: attributes that every built object must have.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        found: Callable[[str], Iterable[EntryPoint]] = installed,
        needs: Sequence[str] = (),
    ) -> None:
        self.kind = kind
        self.group = group
        self._found = found
        self._needs = needs
        self._metadata: list[tuple[Plugin, EntryPoint]] | None = None
        self._local: dict[str, tuple[Plugin, Any]] = {}

    def __repr__(self) -> str:
        return f"<Registry of {self.kind} plugins, group {self.group}>"

    def __iter__(self) -> Iterator[Plugin]:
        """Every permitted plugin, by name and distribution. Imports nothing.

        Names with a colon are left out, as they cannot be requested; :meth:`check` reports them.
        """
        plugins = [p for p, _ in self._entries() if _is_allowed(p) and ":" not in p.name]
        plugins += [plugin for plugin, _ in self._local.values()]
        return iter(sorted(plugins, key=lambda plugin: (plugin.name, plugin.dist)))

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool(self._called(name))

    def names(self) -> list[str]:
        """The names of all plugins, sorted, without duplicates."""
        return sorted({plugin.name for plugin in self})

    def find(self, name: str) -> Plugin:
        """The plugin called ``name`` or ``distribution:name``, or of a file. Imports nothing.

        srzoo's own plugins have priority; another package's plugin of the same name has its full
        name. So installing a package does not change what a name of srzoo means.

        Raises:
            MissingPluginError: no plugin has that name.
            PluginConflictError: several distributions, srzoo not among them, claim the name.
        """
        if references.is_reference(name):
            return Plugin(self.kind, name, str(references.of(name)), LOCAL_DIST, "")
        hits = self._called(name)
        if own := [plugin for plugin in hits if plugin.dist == OWN_DIST]:
            return own[0]
        short = name.rpartition(":")[2]
        if len(hits) > 1:
            owners = " and ".join(f"{p.dist} {p.version} ({p.target})" for p in hits)
            names = {packages.normal(plugin.dist): plugin.full_name for plugin in hits}
            alone = f"Upgrade or uninstall {hits[0].dist}, which has two with the same name"
            raise PluginConflictError(
                f"{self.kind} {short!r} is claimed by {owners}",
                f"Choose one: {' or '.join(names.values())}, or uninstall one of them"
                if len(names) > 1
                else alone,
            )
        if not hits:
            raise MissingPluginError(*self._missing(name, short))
        return hits[0]

    def name_of(self, plugin: Plugin) -> str:
        """The shortest unambiguous name of a plugin."""
        others = [one for one in self._called(plugin.name) if one != plugin]
        alone = not others or plugin.dist == OWN_DIST
        return plugin.name if alone else plugin.full_name

    def _called(self, name: str) -> list[Plugin]:
        dist, _, short = name.rpartition(":")
        wanted = packages.normal(dist)
        return [
            p for p in self if p.name == short and (not dist or packages.normal(p.dist) == wanted)
        ]

    def get(self, name: str) -> Callable[..., T]:
        """Import one plugin and return its class or function.

        Raises:
            MissingPluginError: no plugin has that name.
            PluginConflictError: several distributions claim the name.
            BrokenPluginError: its import fails, or it needs a newer srzoo.
        """
        return self._got(self.find(name))

    def _got(self, plugin: Plugin) -> Callable[..., T]:
        if references.is_reference(plugin.name):
            target = importing.load(references.of(plugin.name), plugin)
        elif plugin.dist == LOCAL_DIST:
            target = self._local[plugin.name][1]
        else:
            entry = next(entry for p, entry in self._entries() if p == plugin)
            target = importing.load(entry, plugin)
        manners.check_api(target, plugin)
        return cast("Callable[..., T]", target)

    def loaded(self) -> Iterator[tuple[Plugin, Callable[..., T] | PluginError]]:
        """Import one plugin after the other; yield the error of a broken one."""
        for plugin in self:
            try:
                yield plugin, self.get(plugin.full_name)
            except PluginError as error:
                yield plugin, error

    def each(self, read: Callable[[Plugin], R]) -> Iterator[tuple[Plugin, R]]:
        """Yield the result of a function for each plugin.

        Use this to iterate over plugins, any of which may be broken: one that fails is skipped with
            a
        :class:`~srzoo.errors.PluginWarning`, once.
        """
        for plugin in self:
            try:
                found = read(plugin)
            except SrzooError as error:
                importing.warn(str(error))
            except strangers.ERRORS as error:
                importing.warn(f"{plugin} is skipped: {importing.described(error)}")
            else:
                yield plugin, found

    def signature(self, name: str) -> inspect.Signature:
        """The arguments of one plugin with resolved annotations: its schema.

        Raises:
            PluginError: it is missing or broken, or does not reveal its arguments.
        """
        plugin = self.find(name)
        return _signature(plugin, self._got(plugin))

    def create(self, name: str, **arguments: Any) -> T:
        """Build a plugin by name: ``generators.create("edsr", scale=4)``.

        Raises:
            ArgumentError: an argument is unknown or missing.
        """
        return self.build(Use(name, arguments))

    def build(self, use: str | Mapping[str, Any] | Use, **context: Any) -> T:
        """Build a ``use``, with further arguments from the program.

        The signature is bound before anything is called, so a wrong argument is
        reported as such, never as a TypeError from inside the plugin.

        Raises:
            ArgumentError: an argument is unknown, missing, or given twice.
            BrokenPluginError: it fails during construction, or lacks what its kind needs.
        """
        use = Use.of(use)
        if twice := set(use.args) & set(context):
            raise ArgumentError(
                f"{self.kind} {use.name!r}: {', '.join(sorted(twice))} is set by the program",
                "Leave it out",
            )
        whole = Use(use.name, {**use.args, **context})
        plugin, make, fitted = self._fitted(whole)
        with origin.recorded(plugin) as used, importing.blamed(plugin):
            made: object = make(**fitted)
            if made is None or inspect.isclass(made):
                article = "an" if self.kind[0] in "aei" else "a"
                raise importing.gave(plugin, use.name, made, f"{article} {self.kind}")
            for name in self._needs:
                if not _has(made, name):
                    raise IncompleteError(plugin, name, made)
            return origin.mark(cast("T", made), used, whole)

    def check_use(self, use: Use, *, whole: bool = True) -> dict[str, Any]:
        """Check a use against the plugin's signature, without building anything.

        Args:
            use: the plugin and its arguments.
            whole: whether all required arguments must be given.

        Returns:
            The arguments in the types of the annotations: :func:`.schema.fitted`.

        Raises:
            PluginError: the plugin is missing or broken, or an argument unknown, missing or wrong.
        """
        return self._fitted(use, whole=whole)[2]

    def _fitted(
        self, use: Use, *, whole: bool = True
    ) -> tuple[Plugin, Callable[..., T], dict[str, Any]]:
        """The plugin of a use, and its arguments; each module is imported once."""
        title = f"{self.kind} {use.name!r}"
        plugin = self.find(use.name)
        for other in self._called(use.name):
            if other != plugin:
                importing.warn(_hidden(other))
        target = self._got(plugin)
        parameters = schema.named(_signature(plugin, target))
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
        if missing and whole:
            wanted = "; ".join(type_words.of(parameters[name]) for name in missing)
            raise ArgumentError(f"{title} needs {', '.join(missing)}", f"Give {wanted}")
        if unnamed := [one.name for one in parameters.values() if one.kind is one.POSITIONAL_ONLY]:
            raise BrokenPluginError(
                f"{plugin} takes {', '.join(unnamed)} by position only, but srzoo passes names",
                "Its author must write * before the first argument, and no /",
            )
        return plugin, target, schema.fitted(title, parameters, use.args)

    def register(self, name: str, factory: Callable[..., T] | T) -> None:
        """Add a plugin to this process only, for notebooks and tests.

        The same name may be registered again, for example by a notebook cell that runs twice; the
        name of an installed plugin is refused.

        Raises:
            PluginError: the name contains a colon, or an installed plugin has it.
        """
        if ":" in name:
            raise PluginError(f"the name {name!r} contains a colon", "Choose one without")
        if any(plugin.name == name for plugin, _ in self._entries()):
            raise PluginError(
                f"an installed {self.kind} is already called {name!r}", "Choose another name"
            )
        home: str = getattr(factory, "__module__", None) or getattr(factory, "__name__", "?")
        target = f"{home}:{getattr(factory, '__qualname__', '')}".rstrip(":")
        self._local[name] = (Plugin(self.kind, name, target, LOCAL_DIST, ""), factory)

    def unregister(self, name: str) -> None:
        """Undo :meth:`register`; a name that is not registered is ignored."""
        self._local.pop(name, None)

    def check(self) -> list[Problem]:
        """Import every plugin, and list the faults of each."""
        return self.misnamed() + [
            Problem(plugin, what) for plugin in self for what in self.faults(plugin)
        ]

    def misnamed(self) -> list[Problem]:
        """Plugins that cannot be found because of their names."""
        return [
            Problem(plugin, f"its name contains a colon: {plugin.name!r} cannot be found")
            for plugin, _ in self._entries()
            if ":" in plugin.name
        ]

    def faults(self, plugin: Plugin) -> list[str]:
        """Import one plugin, and list the faults of its name, its import, and the rules."""
        others = [one for one in self._called(plugin.name) if one != plugin]
        found: list[str] = []
        if any(other.dist == OWN_DIST for other in others):
            found.append(_hidden(plugin))
        elif others and plugin.dist != OWN_DIST:
            found.append(f"another distribution claims {plugin.name} too")
        try:
            return found + manners.broken_rules(self.get(plugin.full_name))
        except NotInstalledError:
            return found  # not requested
        except PluginError as error:
            return [*found, str(error)]

    def _entries(self) -> list[tuple[Plugin, EntryPoint]]:
        if self._metadata is None:
            found = {self._describe(entry): entry for entry in self._found(self.group)}
            self._metadata = list(found.items())  # duplicate lines count once
        return self._metadata

    def _describe(self, entry: EntryPoint) -> Plugin:
        name, version = _name_and_version(entry.dist) if entry.dist else (packages.UNNAMED, "")
        return Plugin(self.kind, entry.name, entry.value, name, version)

    def _missing(self, name: str, short: str) -> tuple[str, str]:
        what = f"no {self.kind} is called {name!r}"
        hidden = [p for p, _ in self._entries() if p.name == short and not _is_allowed(p)]
        if hidden:
            return what, (
                f"{hidden[0].dist} has it, but {ALLOW_VARIABLE} or --no-plugins excludes it"
            )
        dist = name.rpartition(":")[0]
        if references.is_reference(f"./{name}"):
            return what, f"Write a file with its folder: ./{name}"
        if name.endswith(".py"):
            return what, f"Write a class of a file as: ./{name.removeprefix('./')}:CLASS"
        if advice := known.advice(self.kind, name):
            return what, advice
        if packages.NAME.fullmatch(dist) and packages.version(dist) is None:
            return what, packages.install([dist])
        return what, did_you_mean(short, self.names())


def _signature(plugin: Plugin, target: Callable[..., Any]) -> inspect.Signature:
    try:
        return schema.signature(target)
    except strangers.ERRORS as error:  # raised by a metaclass or a lazy attribute
        raise BrokenPluginError(
            f"{plugin} does not reveal its arguments: {importing.described(error)}",
            "Make it a Python class or function",
        ) from error


def _has(made: object, name: str) -> bool:
    """Whether an object has an attribute; a property is not evaluated, as it may be slow."""
    try:
        inspect.getattr_static(made, name)
    except AttributeError:
        return hasattr(made, name)
    return True


def _hidden(plugin: Plugin) -> str:
    return f"{plugin} has the name of one of srzoo's, which has priority; use {plugin.full_name}"


def _is_allowed(plugin: Plugin) -> bool:
    """Whether the allow-list (comma-separated distributions; unset: all) permits a plugin."""
    allow = os.environ.get(ALLOW_VARIABLE)
    if allow is None or plugin.dist == OWN_DIST:
        return True
    return packages.normal(plugin.dist) in [
        packages.normal(name.strip()) for name in allow.split(",")
    ]
