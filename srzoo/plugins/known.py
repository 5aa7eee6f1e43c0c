"""Known third-party plugins, from a list in srzoo: which package provides a name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from . import packages

FILE = Path(__file__).with_name("known.toml")
RUNS = "installing runs its author's code"


@dataclass(frozen=True)
class Known:
    """A plugin or model of a package that need not be installed.

    Attributes:
        kind, name: of the plugin; "model" is the kind of a model of its cards.
        package: the distribution that provides it.
        source: its folder in srzoo's repository if it is not on PyPI; else empty.
    """

    kind: str
    name: str
    package: str
    source: str = ""

    @property
    def command(self) -> str:
        """The command that installs the package."""
        if self.source:
            return f"srzoo plugin install -e {self.source}, in a clone of srzoo"
        return f"srzoo plugin install {self.package}"


@cache
def listed() -> tuple[Known, ...]:
    """All known plugins, by kind and name."""
    import tomllib  # every command imports this module

    found = [
        Known(kind, name, package["name"], package.get("source", ""))
        for package in tomllib.loads(FILE.read_text(encoding="utf-8"))["package"]
        for kind, names in package["parts"].items()
        for name in names
    ]
    return tuple(sorted(found, key=lambda part: (part.kind, part.name, part.package)))


def advice(kind: str, name: str) -> str:
    """How to install a plugin or model, if a known package provides it; else an empty text.

    Args:
        kind: of the plugin; empty for any kind, and then the name may be a package's.
        name: of the plugin, or ``distribution:name``.
    """
    dist, _, short = name.rpartition(":")
    hits = {
        part.package: part.command
        for part in listed()
        if (part.name == short and kind in ("", part.kind) and _same(dist or part.package, part))
        or (not kind and _same(name, part))
    }
    has = [f"{package} provides one: {command}" for package, command in hits.items()]
    return f"{', or '.join(has)} ({RUNS})" if has else ""


def _same(package: str, part: Known) -> bool:
    return packages.normal(package) == packages.normal(part.package)
