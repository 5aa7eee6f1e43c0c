"""Plugins of a recipe that are classes in files: written with their full paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..errors import SrzooError
from ..models.folder import CONFIG
from ..plugins import references
from .changes import apply_overrides


def found_from(path: Path, values: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """The values of a recipe's file, changed by ``--set``, with full paths of classes in files.

    Relative names in the file are relative to its folder, those in a change to the working
    directory. In a model folder they are full paths already.

    Raises:
        SrzooError: the recipe is in a model folder and names code there or elsewhere; or the path
            of a change does not exist.
    """
    folder = path.parent
    if (folder / CONFIG).is_file() and (name := references.strange(values, folder)):
        raise SrzooError(
            f"{path} names code in a file: {name}",
            "A model folder contains no code: put the recipe and the file elsewhere",
        )
    values = references.anchored(values, folder)
    apply_overrides(values, overrides)
    return found_here(values)


def found_here(values: dict[str, Any]) -> dict[str, Any]:
    """The values with full paths of classes in files, relative to the working directory."""
    return references.anchored(values, Path.cwd())
