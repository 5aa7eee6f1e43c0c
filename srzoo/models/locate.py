"""Where models are: in folders, among the released ones, and on the Hub."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

from ..errors import HubError, ModelError, PluginConflictError, did_you_mean
from ..plugins import kinds
from ..plugins.registry import ALLOW_VARIABLE
from . import hub
from .folder import CONFIG, RECIPE, ModelFolder, read_folder


def package_files(name: str) -> list[Path]:
    """The files called ``name`` in the folders of all installed card packages, sorted.

    Packages that cannot be imported are passed over: ``srzoo plugin check`` names them.
    """
    found: list[Path] = []
    for _, package in kinds.cards.loaded():
        if isinstance(package, ModuleType):
            for root in package.__path__:
                found += sorted(Path(root).glob(f"*/{name}"))
    return found


def released() -> dict[str, Path]:
    """The model folders that installed card packages bring, by name.

    Raises:
        PluginConflictError: two packages bring a model of one name.
    """
    found: dict[str, Path] = {}
    for folder in (path.parent for path in package_files(CONFIG)):
        if folder.name in found:
            raise PluginConflictError(
                f"model {folder.name!r} is in {found[folder.name].parent} and in {folder.parent}",
                f"Uninstall one, or leave its distribution out of {ALLOW_VARIABLE}",
            )
        found[folder.name] = folder
    return found


def list_models(pattern: str = "*") -> list[str]:
    """The names of the released models that match a shell pattern, sorted.

    >>> list_models("bicubic*")
    ['bicubic-x2', 'bicubic-x3', 'bicubic-x4']
    """
    return sorted(name for name in released() if fnmatchcase(name, pattern))


def find(ref: str | Path) -> ModelFolder:
    """The model folder for a reference: a folder, a released name, or a model on the Hub.

    A folder that exists wins. One that happens to be called like a released model
    counts as soon as it has a config.json. ``org/repo`` and ``org/repo@revision`` come from
    the Hub's cache, or are fetched; ``hf://org/repo`` does so even if there is such a folder.

    Raises:
        ModelError: nothing is called that, or the folder is wrong.
        HubError: the Hub has no such model, or cannot be asked.
    """
    path = Path(ref)
    if isinstance(ref, str) and ref.startswith(hub.FORCE_VARIABLE):
        return read_folder(hub.pull(ref))
    if isinstance(ref, Path) or (path / CONFIG).is_file():
        return read_folder(path)
    models = released()
    if ref in models:
        return read_folder(models[ref])
    if path.is_dir():
        return read_folder(path)  # says what is missing in it
    if hub.parse(ref):
        try:
            return read_folder(hub.pull(ref))
        except HubError as error:
            # What was meant may well have been a folder.
            raise HubError(f"there is no folder {ref}, and {error.what}", error.fix) from error
    if ref in {path.parent.name for path in package_files(RECIPE)}:
        raise ModelError(
            f"{ref} is a plan: it has a recipe, and no weights yet",
            f"Train it with: srzoo train {ref}, and name its folder, runs/{ref}",
        )
    raise ModelError(f"no model is called {ref!r}", did_you_mean(ref, models))
