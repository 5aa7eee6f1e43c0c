"""The distributions of plugins: names and versions, from pip's metadata."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import invalidate_caches, metadata, util
from pathlib import Path

from ..common import strangers

OWN = "srzoo"
UNNAMED = "unnamed"
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
"""A distribution's name (PEP 508)."""
VERSION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.+_-]*[A-Za-z0-9])?")
"""A version without an epoch, as a shell would interpret its exclamation mark."""
EXTRA = re.compile(r"extra\s*==\s*[\"']([\w.-]+)[\"']")
"""The extra in a requirement's marker."""
BROKEN = ImportError, OSError, KeyError, ValueError, TypeError, AttributeError
"""Errors of metadata that are incomplete, missing, or not text."""


def version(package: str) -> str | None:
    """The version of a distribution, or None if it is not installed."""
    try:
        found: str | None = metadata.version(package)
    except BROKEN:
        return None
    return found


def version_of(module: str, package: str) -> str | None:
    """The version of a module's distribution, which may be a build with another name."""
    others = sorted(_modules().get(module.partition(".")[0], ())) if not version(package) else ()
    return next(filter(None, map(version, (package, *others))), None)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of the given distributions that are installed."""
    found = {name: version(name) for name in packages}
    return {name: known for name, known in found.items() if known}


def named(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version of a distribution; "unnamed" if its metadata lack a name."""
    try:
        name: str | None = distribution.name
        found: str | None = distribution.version
    except BROKEN:
        return UNNAMED, ""
    return name or UNNAMED, found or ""


def entry_points() -> Iterator[metadata.EntryPoint]:
    """All entry points of installed distributions.

    Of two versions of a distribution the first one on the path counts. A distribution with an
    unreadable list is skipped with a warning.
    """
    seen: set[str] = set()
    for distribution in metadata.distributions():
        found = _entries_of(distribution)
        if any(entry.group.startswith(f"{OWN}.") for entry in found):
            name = normal(named(distribution)[0])
            if name not in seen or name == UNNAMED:
                seen.add(name)
                yield from found


def _entries_of(distribution: metadata.Distribution) -> list[metadata.EntryPoint]:
    try:
        return list(distribution.entry_points)
    except BROKEN as error:
        name, version = named(distribution)
        place = distribution.locate_file("")
        strangers.warn(
            f"the entry points of {name} {version}".rstrip()
            + f" in {place} cannot be read, and none of its plugins loads:"
            f" {strangers.described(error)}. Reinstall or uninstall it: it breaks other tools too"
        )
        return []


def entries(groups: Mapping[str, str]) -> list[tuple[str, str, str]]:
    """The current entry points of some groups, including those added since the process started.

    Args:
        groups: the title of each group.

    Returns:
        For each, the title, the entry's name, and its distribution with the version.
    """
    invalidate_caches()
    return [
        (groups[entry.group], entry.name, " ".join(named(distribution)))
        for distribution in metadata.distributions()
        for entry in _entries_of(distribution)
        if entry.group in groups
    ]


def needs(package: str, *, extras: bool = True) -> list[str]:
    """The names of a distribution's dependencies, including its extras except "dev"."""
    try:
        found = metadata.requires(package) or []
    except BROKEN:
        return []
    unwanted = "dev" if extras else "extra"
    wanted = [need for need in found if unwanted not in need.partition(";")[2]]
    return [_name_in(need) for need in wanted]


def _name_in(requirement: str) -> str:
    """The distribution that a requirement names."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def to_install(package: str, module: str) -> str | None:
    """The command to install a module that a distribution requires; None if it does not require it.

    Args:
        package: the distribution.
        module: the missing module. Its distribution is assumed to have the same name.

    Returns:
        ``pip install`` with the extra that contains it, preferably the one of the same name.
    """
    try:
        found = metadata.requires(package) or []
    except BROKEN:
        return None
    top = module.partition(".")[0]
    asking = [one for one in found if normal(_name_in(one)) == normal(top)]
    extras = [named[1] for one in asking if (named := EXTRA.search(one))]
    if not asking:
        return None
    if not extras:
        return f"pip install {top}"
    return f'pip install "{package}[{top if top in extras else extras[0]}]"'


def top_level(package: str) -> list[str]:
    """The modules in a distribution's metadata; entry points show others."""
    try:
        return (metadata.distribution(package).read_text("top_level.txt") or "").split()
    except BROKEN:
        return []


def normal(name: str) -> str:
    """A distribution's name, normalised for comparison (PEP 503): ``My_Pkg`` is ``my-pkg``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def folders(target: str) -> list[list[Path]]:
    """The folders of the module of a target ``package.module:Name``; nothing is imported.

    Returns:
        For each place of its package (a namespace has several), the folder of the package and of
        each part below it, whether it exists or not. Empty if nothing is found.
    """
    top, *inner = target.partition(":")[0].split(".")
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return []  # broken, which its import reports
    places = (spec and spec.submodule_search_locations) or ()
    return [
        [Path(place).joinpath(*inner[:depth]) for depth in range(len(inner) + 1)]
        for place in places
    ]


@cache
def bringing(module: str) -> tuple[str, ...]:
    """The distributions that provide a top-level module, except srzoo and its dependencies.

    Empty for a module of Python itself, of a notebook, or in a single file.
    """
    if module in sys.stdlib_module_names:
        return ()
    usual = _needed_by_us()
    return tuple(sorted(name for name in _modules().get(module, ()) if normal(name) not in usual))


@cache
def _modules() -> dict[str, set[str]]:
    """The distributions of every top-level module; editable ones by their entry points."""
    found: dict[str, set[str]] = {}
    try:
        for module, names in metadata.packages_distributions().items():
            found[module] = {name for name in names if isinstance(name, str)}  # pyright: ignore[reportUnnecessaryIsInstance]
    except BROKEN:
        found.clear()  # a distribution is partly installed
    for distribution in metadata.distributions():
        for entry in _entries_of(distribution):
            if entry.group.startswith(f"{OWN}."):
                top = entry.value.partition(":")[0].partition(".")[0]
                found.setdefault(top, set()).add(named(distribution)[0])
    return found


@cache
def _needed_by_us() -> frozenset[str]:
    """srzoo and all its dependencies, normalised for comparison."""
    found, open_ = set[str](), [OWN]
    while open_:
        name = normal(open_.pop())
        if name not in found:
            found.add(name)
            open_ += needs(name, extras=name == OWN)  # torch is in an extra
    return frozenset(found)


def pinned(package: str, version: str) -> str:
    """A distribution in the records of a built object: ``package==version``.

    Only the name if the version is unknown; empty for an invalid name.
    """
    if not NAME.fullmatch(package):
        return ""
    return f"{package}=={version}" if VERSION.fullmatch(version) else package


def unpinned(requirement: str) -> str:
    """The distribution in such a record; older records have no version."""
    return requirement.partition("==")[0]


def unusual(requirements: Iterable[str]) -> str | None:
    """The first record that is neither a name nor ``name==version``; None if all are valid.

    Only package names may be printed as part of a command.
    """
    for requirement in requirements:
        name, pin, version = requirement.partition("==")
        if not NAME.fullmatch(name) or (pin and not VERSION.fullmatch(version)):
            return requirement
    return None


def install(requirements: Iterable[str]) -> str:
    """A sentence on how to install some packages, with a warning."""
    return (
        f"Install what you trust: pip install {' '.join(requirements)}; installing runs code of"
        " its author"
    )
