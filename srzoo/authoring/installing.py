"""Packages of plugins, installed into and removed from this environment by pip."""

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
"""A distribution, its extras, one version: neither an option of pip nor an address."""
WARNING = "Installing runs the code of a package's author, with your rights on this machine"


def install_command(names: Sequence[str], editable: Sequence[Path] = ()) -> list[str]:
    """What installs packages by name, and projects of one's own from their folders.

    Raises:
        SrzooError: one is not a name of a package or no project, or there is no pip.
    """
    if not names and not editable:
        raise SrzooError("nothing is given to install", "Give a NAME, or -e PATH")
    for name in names:
        _check_name(name)
    for path in editable:
        if not any((path / file).is_file() for file in ("pyproject.toml", "setup.py")):
            raise SrzooError(
                f"{path} is not a project: it has no pyproject.toml",
                "A new one is made by: srzoo plugin new KIND NAME",
            )
    places = [word for path in editable for word in ("-e", str(path.resolve()))]
    return _pip("install", *names, *places)


def uninstall_command(name: str) -> list[str]:
    """What removes a package of plugins.

    Raises:
        SrzooError: it is srzoo itself, brings no plugin, or is not installed; or there is no pip.
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
            f"Remove all of that: srzoo plugin uninstall {parts[0].dist}",
        )
    why = "brings no plugin" if packages.version(name) else "is not installed"
    raise SrzooError(f"{name} {why}", did_you_mean(name, dists))


def run(command: Sequence[str]) -> int:
    """Run pip, its words on standard error; its exit code."""
    return subprocess.run(command, stdout=2).returncode


def parts() -> set[str]:
    """The kind, name and package of each plugin that is installed now."""
    found = packages.entries({registry.group: kind for kind, registry in kinds.KINDS.items()})
    return {f"{kind} {name} ({package})" for kind, name, package in found}


def _check_name(name: str) -> None:
    if not REQUIREMENT.fullmatch(name):
        raise SrzooError(
            f"{name!r} is not a name of a package",
            "Write NAME or NAME==VERSION; a project of your own is -e PATH",
        )
    bare = packages.normal(re.split(r"[\[=]", name)[0])
    for part in known.listed():
        if part.source and packages.normal(part.package) == bare:
            raise SrzooError(f"{part.package} is not on PyPI", f"Get it by: {part.command}")


def _pip(*words: str) -> list[str]:
    # Its metadata is asked: to look for the module has setuptools take its hands off distutils.
    if packages.version("pip") is None:
        raise SrzooError(
            f"pip is missing from the environment of {sys.executable}",
            f"Use the program that made it, such as: uv pip {shlex.join(words)}",
        )
    quiet = ["--yes"] if words[0] == "uninstall" else []
    return [sys.executable, "-m", "pip", words[0], *quiet, *words[1:]]
