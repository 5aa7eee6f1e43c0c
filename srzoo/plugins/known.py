"""Known plugins of others, from a list that ships with srzoo: which package has a name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import packages

FILE = Path(__file__).with_name("known.toml")
RUNS = "installing runs its author's code"


@dataclass(frozen=True)
class Known:
    """A part of a package that need not be installed.

    Attributes:
        kind, name: of the part; the kind of a model that a card has is "model".
        package: the distribution that has it.
        source: its folder in srzoo's repository, for one that is not on PyPI; else empty.
    """

    kind: str
    name: str
    package: str
    source: str = ""

    @property
    def command(self) -> str:
        """What installs the package."""
        if self.source:
            return f"srzoo plugin install -e {self.source}, in a clone of srzoo"
        return f"srzoo plugin install {self.package}"


@cache
def listed() -> tuple[Known, ...]:
    """All of them, by kind and name."""
    import tomllib  # every command comes by here

    found = [
        Known(kind, name, package["name"], package.get("source", ""))
        for package in tomllib.loads(FILE.read_text(encoding="utf-8"))["package"]
        for kind, names in package["parts"].items()
        for name in names
    ]
    return tuple(sorted(found, key=lambda part: (part.kind, part.name, part.package)))


def advice(kind: str, name: str) -> str:
    """How to get a part, or a model, if a known package has one; else an empty text.

    Args:
        kind: of the part; empty for any, and then the name may be the package's.
        name: of the part, or ``distribution:name``.
    """
    dist, _, short = name.rpartition(":")
    hits = {
        part.package: part.command
        for part in listed()
        if (part.name == short and kind in ("", part.kind) and _same(dist or part.package, part))
        or (not kind and _same(name, part))
    }
    has = [f"{package} has one: {command}" for package, command in hits.items()]
    return f"{', or '.join(has)} ({RUNS})" if has else ""


def _same(package: str, part: Known) -> bool:
    return packages.normal(package) == packages.normal(part.package)
