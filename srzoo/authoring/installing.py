"""Installs and removes packages of plugins in this environment by pip."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import SrzooError, did_you_mean
from ..plugins import kinds, known, packages
from ..plugins.plugin import LOCAL_DIST, OWN_DIST

WORD = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
REQUIREMENT = re.compile(rf"{WORD}(?:\[{WORD}(?:,{WORD})*\])?(?:==[A-Za-z0-9][A-Za-z0-9.!+_-]*)?")
"""A distribution with extras and one version: neither an option of pip nor an address."""
WARNING = "Installing runs the code of a package's author, with your rights on this machine"


def install_command(names: Sequence[str], editable: Sequence[Path] = ()) -> list[str]:
    """The command that installs packages by name, and local projects from their folders.

    Raises:
        SrzooError: a name is invalid, a folder is not a project, or pip is missing.
    """
    if not names and not editable:
        raise SrzooError("no package is named", "Give a NAME, or -e PATH")
    for name in names:
        _check_name(name)
    for path in editable:
        if not any((path / file).is_file() for file in ("pyproject.toml", "setup.py")):
            raise SrzooError(
                f"{path} is not a project: it has no pyproject.toml",
                "Make a new one: srzoo plugin new KIND NAME",
            )
    places = [word for path in editable for word in ("-e", str(path.resolve()))]
    return _pip("install", *names, *places)


def uninstall_command(name: str) -> list[str]:
    """The command that removes a package of plugins.

    Raises:
        SrzooError: it is srzoo itself, provides no plugin, or is not installed; or pip is missing.
    """
    wanted = packages.normal(name)
    if wanted == OWN_DIST:
        raise SrzooError("srzoo itself is not a plugin package", "Use pip to remove it")
    dists = {plugin.dist for plugin in kinds.plugins()} - {OWN_DIST, LOCAL_DIST}
    if found := [dist for dist in dists if packages.normal(dist) == wanted]:
        return _pip("uninstall", found[0])
    if parts := [p for p in kinds.plugins() if p.name == name and p.dist in dists]:
        raise SrzooError(
            f"{name} is a {parts[0].kind} of the package {parts[0].dist}",
            f"Remove the whole package: srzoo plugin uninstall {parts[0].dist}",
        )
    why = "provides no plugin" if packages.version(name) else "is not installed"
    raise SrzooError(f"{name} {why}", did_you_mean(name, dists))


def run(command: Sequence[str]) -> int:
    """Run pip with its output on standard error; return its exit code."""
    return subprocess.run(command, stdout=2).returncode


def parts() -> set[str]:
    """The kind, name and package of each plugin that is currently installed."""
    found = packages.entries({registry.group: kind for kind, registry in kinds.KINDS.items()})
    return {f"{kind} {name} ({package})" for kind, name, package in found}


def _check_name(name: str) -> None:
    if not REQUIREMENT.fullmatch(name):
        raise SrzooError(
            f"{name!r} is not a package name",
            "Write NAME or NAME==VERSION; a project of your own is -e PATH",
        )
    bare = packages.normal(re.split(r"[\[=]", name)[0])
    for part in known.listed():
        if part.source and packages.normal(part.package) == bare:
            raise SrzooError(f"{part.package} is not on PyPI", f"Install it: {part.command}")


def _pip(*words: str) -> list[str]:
    # Found by its metadata: finding the module makes setuptools remove its patch of distutils.
    if packages.version("pip") is None:
        raise SrzooError(
            f"pip is missing from the environment of {sys.executable}",
            f"Use the program that created it, such as: uv pip {shlex.join(words)}",
        )
    quiet = ["--yes"] if words[0] == "uninstall" else []
    return [sys.executable, "-m", "pip", words[0], *quiet, *words[1:]]
