"""The distributions that plugins come from: names and versions, as pip's metadata has them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from importlib import metadata

BROKEN = ImportError, OSError, KeyError
"""What metadata raises that is missing in part or as a whole."""


def version(package: str) -> str | None:
    """The version of a distribution, or None where it is not installed."""
    try:
        found: str | None = metadata.version(package)
    except BROKEN:
        return None
    return found


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
        return "unnamed", ""
    return name or "unnamed", found or ""


def needs(package: str) -> list[str]:
    """The names of what a distribution needs, its extras' too but for the extra "dev"."""
    try:
        found = metadata.requires(package) or []
    except BROKEN:
        return []
    wanted = [need for need in found if "dev" not in need.partition(";")[2]]
    return [re.split(r"[^\w.-]", need, maxsplit=1)[0] for need in wanted]


def top_level(package: str) -> list[str]:
    """The modules that a distribution says it brings; entry points tell of others."""
    try:
        return (metadata.distribution(package).read_text("top_level.txt") or "").split()
    except BROKEN:
        return []


def pinned(package: str, version: str) -> str:
    """What a record of what was built calls a distribution: ``package==version``."""
    return f"{package}=={version}" if version else package


def unpinned(requirement: str) -> str:
    """The distribution that a record names; older records have no version."""
    return requirement.partition("==")[0]
