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
"""A version, but for epochs, which a shell would read as its own."""
EXTRA = re.compile(r"extra\s*==\s*[\"']([\w.-]+)[\"']")
"""The extra in a requirement's marker."""
BROKEN = ImportError, OSError, KeyError, ValueError, TypeError, AttributeError
"""What metadata raises that is missing in part or as a whole, or that is not text."""


def version(package: str) -> str | None:
    """The version of a distribution, or None where it is not installed."""
    try:
        found: str | None = metadata.version(package)
    except BROKEN:
        return None
    return found


def version_of(module: str, package: str) -> str | None:
    """The version of what brings a module: a distribution, or another build of another name."""
    others = sorted(_modules().get(module.partition(".")[0], ())) if not version(package) else ()
    return next(filter(None, map(version, (package, *others))), None)


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The versions of those of the distributions that are installed."""
    found = {name: version(name) for name in packages}
    return {name: known for name, known in found.items() if known}


def named(distribution: metadata.Distribution) -> tuple[str, str]:
    """Name and version of a distribution; "unnamed" where its metadata does not tell."""
    try:
        name: str | None = distribution.name
        found: str | None = distribution.version
    except BROKEN:
        return UNNAMED, ""
    return name or UNNAMED, found or ""


def entry_points() -> Iterator[metadata.EntryPoint]:
    """All entry points of what is installed.

    Of two versions of a distribution the first one on the path counts. One whose list cannot be
    read is passed over with a warning.
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
    """What there is in some groups now, also since the start of the process.

    Args:
        groups: what each group is called.

    Returns:
        That, the entry's name, and its distribution with the version, for each.
    """
    invalidate_caches()
    return [
        (groups[entry.group], entry.name, " ".join(named(distribution)))
        for distribution in metadata.distributions()
        for entry in _entries_of(distribution)
        if entry.group in groups
    ]


def needs(package: str, *, extras: bool = True) -> list[str]:
    """The names of what a distribution needs, its extras' too but for the extra "dev"."""
    try:
        found = metadata.requires(package) or []
    except BROKEN:
        return []
    unwanted = "dev" if extras else "extra"
    wanted = [need for need in found if unwanted not in need.partition(";")[2]]
    return [_name_in(need) for need in wanted]


def _name_in(requirement: str) -> str:
    """The distribution that a requirement is for."""
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0]


def to_install(package: str, module: str) -> str | None:
    """How to install a module that a distribution asks for; None if it asks for none of that name.

    Args:
        package: the distribution.
        module: what cannot be imported. Its distribution is taken to have the same name.

    Returns:
        ``pip install`` with the extra that brings it, the one of its own name before others.
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
    """The modules that a distribution says it brings; entry points tell of others."""
    try:
        return (metadata.distribution(package).read_text("top_level.txt") or "").split()
    except BROKEN:
        return []


def normal(name: str) -> str:
    """A distribution's name as such are compared (PEP 503): ``My_Pkg`` is ``my-pkg``."""
    return re.sub(r"[-_.]+", "-", name).lower()


def folders(target: str) -> list[list[Path]]:
    """Where the module of a target ``package.module:Name`` lies; nothing is imported.

    Returns:
        For each place that its package has (a namespace has several), the folder of the package and
        of each part below it, whether there is such a folder or not. Empty where nothing is found.
    """
    top, *inner = target.partition(":")[0].split(".")
    try:
        spec = util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return []  # broken: whoever imports it will say so
    places = (spec and spec.submodule_search_locations) or ()
    return [
        [Path(place).joinpath(*inner[:depth]) for depth in range(len(inner) + 1)]
        for place in places
    ]


@cache
def bringing(module: str) -> tuple[str, ...]:
    """The distributions that bring a top-level module, but for srzoo and what it needs.

    Empty for a module that is of none: of Python, of a notebook, of a file that lies somewhere.
    """
    if module in sys.stdlib_module_names:
        return ()
    usual = _needed_by_us()
    return tuple(sorted(name for name in _modules().get(module, ()) if normal(name) not in usual))


@cache
def _modules() -> dict[str, set[str]]:
    """The distributions of every top-level module; those that are editable by entry points."""
    found: dict[str, set[str]] = {}
    try:
        for module, names in metadata.packages_distributions().items():
            found[module] = {name for name in names if isinstance(name, str)}  # pyright: ignore[reportUnnecessaryIsInstance]
    except BROKEN:
        found.clear()  # one is installed by half
    for distribution in metadata.distributions():
        for entry in _entries_of(distribution):
            if entry.group.startswith(f"{OWN}."):
                top = entry.value.partition(":")[0].partition(".")[0]
                found.setdefault(top, set()).add(named(distribution)[0])
    return found


@cache
def _needed_by_us() -> frozenset[str]:
    """srzoo and all that may be installed with it, as names are compared."""
    found, open_ = set[str](), [OWN]
    while open_:
        name = normal(open_.pop())
        if name not in found:
            found.add(name)
            open_ += needs(name, extras=name == OWN)  # torch comes by an extra
    return frozenset(found)


def pinned(package: str, version: str) -> str:
    """What a record of what was built calls a distribution: ``package==version``.

    Without a version that is none; empty for a name that is none.
    """
    if not NAME.fullmatch(package):
        return ""
    return f"{package}=={version}" if VERSION.fullmatch(version) else package


def unpinned(requirement: str) -> str:
    """The distribution that a record names; older records have no version."""
    return requirement.partition("==")[0]


def unusual(requirements: Iterable[str]) -> str | None:
    """The first of some records that is not a name, or no ``name==version``; None if all are.

    What is printed as a command is a package's name, and nothing else.
    """
    for requirement in requirements:
        name, pin, version = requirement.partition("==")
        if not NAME.fullmatch(name) or (pin and not VERSION.fullmatch(version)):
            return requirement
    return None


def install(requirements: Iterable[str]) -> str:
    """How to install some packages, as a sentence, and what that means."""
    return (
        f"Install what you trust: pip install {' '.join(requirements)}; installing runs code of"
        " its author"
    )
