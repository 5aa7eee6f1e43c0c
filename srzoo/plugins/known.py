"""Known plugins of others, from a list that ships with srzoo: which package has a name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_name("known.toml")
RUNS = "installing runs its author's code"


@dataclass(frozen=True)
class Known:
    """A part of a package that need not be installed.

    Attributes:
        kind, name: of the part.
        package: the distribution that has it.
        source: where that lies, for one that is not on PyPI; else empty.
    """

    kind: str
    name: str
    package: str
    source: str = ""

    @property
    def command(self) -> str:
        """What installs the package."""
        return f"srzoo plugin install {f'-e {self.source}' if self.source else self.package}"


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
    """How to get a part of a name, if a known package has one; else an empty text."""
    hits = [part for part in listed() if (part.kind, part.name) == (kind, name)]
    has = [f"{part.package} has one: {part.command}" for part in hits]
    return f"{', or '.join(has)} ({RUNS})" if has else ""
