"""Finds models: in folders, among the released ones, and on the Hub."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..common import arguments
from ..errors import BrokenPluginError, HubError, ModelError, PluginConflictError, did_you_mean
from ..plugins import kinds, known, packages
from ..plugins.plugin import LOCAL_DIST, OWN_DIST, Plugin
from . import hub
from .folder import CONFIG, RECIPE, ModelFolder, read_folder


@dataclass(frozen=True)
class Packaged:
    """A model folder of an installed distribution, or of a package of this process."""

    dist: str
    path: Path

    @property
    def full_name(self) -> str:
        """The name that finds it even if others have the same name: ``distribution:name``."""
        return f"{self.dist}:{self.path.name}"


def packaged(file: str) -> list[Packaged]:
    """The folders of all installed card packages that contain a file; srzoo's own first.

    No package is imported. Anything else is skipped with a warning.
    """
    found = [
        Packaged(plugin.name if plugin.dist == LOCAL_DIST else plugin.dist, path.parent)
        for plugin, places in kinds.cards.each(roots)
        for root in places
        for path in sorted(root.glob(f"*/{file}"))
    ]
    return sorted(found, key=lambda one: one.dist != OWN_DIST)


def roots(plugin: Plugin) -> list[Path]:
    """The folders of a card package."""
    if plugin.dist == LOCAL_DIST:
        places = getattr(kinds.cards.get(plugin.name), "__path__", ())
        found = [Path(place) for place in places]
    else:
        found = [way[-1] for way in packages.folders(plugin.target) if way[-1].is_dir()]
    if not found:
        raise BrokenPluginError(
            f"{plugin} is not a package of model folders: {plugin.target}",
            f"Upgrade or uninstall {plugin.dist}",
        )
    return found


def by_name(file: str) -> dict[str, Path]:
    """The same folders by their shortest unambiguous names."""
    found = packaged(file)
    count = Counter(one.path.name for one in found)
    return {
        one.path.name if one.dist == OWN_DIST or count[one.path.name] == 1 else one.full_name:
        one.path
        for one in found
    }  # fmt: skip


def in_packages(ref: str, file: str) -> Path | None:
    """The folder called ``name`` or ``distribution:name`` with a file; None if there is none.

    Raises:
        PluginConflictError: several distributions other than srzoo have a model of that name.
    """
    dist, _, name = ref.rpartition(":")
    wanted = packages.normal(dist)
    hits = [
        one
        for one in packaged(file)
        if one.path.name == name and (not dist or packages.normal(one.dist) == wanted)
    ]
    if len(hits) > 1 and hits[0].dist != OWN_DIST:
        places = " and in ".join(str(one.path.parent) for one in hits)
        raise PluginConflictError(
            f"model {name!r} is in {places}",
            f"Choose one: {' or '.join(one.full_name for one in hits)}",
        )
    return hits[0].path if hits else None


def released() -> dict[str, Path]:
    """The model folders of installed card packages, by their shortest unambiguous names."""
    return by_name(CONFIG)


def list_models(pattern: str = "*") -> list[str]:
    """The names of the released models that match a shell pattern, sorted.

    >>> list_models("bicubic*")
    ['bicubic-x2', 'bicubic-x3', 'bicubic-x4']
    """
    arguments.check_type("pattern", pattern, (str,))
    return sorted(name for name in released() if fnmatchcase(name, pattern))


def find(ref: str | Path) -> ModelFolder:
    """The model folder for a reference: a folder, a released name, or a model on the Hub.

    An existing folder has priority; one with the name of a released model counts only if
    it has a config.json. ``org/repo`` and ``org/repo@revision`` come from the Hub's cache, or are
    downloaded; ``hf://org/repo`` does so even if such a folder exists.

    Raises:
        ModelError: no model has that name, or the folder is wrong.
        HubError: the Hub has no such model, or cannot be reached.
    """
    arguments.check_path("model", ref)
    path = Path(ref)
    if isinstance(ref, str) and ref.startswith(hub.HUB_PREFIX):
        return read_folder(hub.pull(ref))
    if isinstance(ref, Path) or (path / CONFIG).is_file():
        return read_folder(path)
    if folder := in_packages(ref, CONFIG):
        return read_folder(folder)
    if path.is_dir():
        return read_folder(path)  # raises the error for what is missing
    if hub.parse(ref):
        try:
            return read_folder(hub.pull(ref))
        except HubError as error:
            # The user may have meant a folder.
            raise HubError(
                f"the folder {ref} does not exist, and {error.what}", error.fix
            ) from error
    if in_packages(str(ref), RECIPE):
        raise ModelError(
            f"{ref} has a recipe, but no weights yet",
            f"Train it with: srzoo train {ref}, and name its folder, runs/{ref}",
        )
    advice = known.advice("model", str(ref)) or did_you_mean(ref, released())
    raise ModelError(f"no model is called {ref!r}", advice)
