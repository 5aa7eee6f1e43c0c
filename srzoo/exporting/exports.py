"""Exports that engines keep: one folder for each model, scale, format and version.

CACHE/exports/edsr-x4-x4-mnn-0123456789abcdef/
  export.json       what was found when it was made: differences, memory; or why not
  model.mnn         the file, or files
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files, kinds, strict
from .._version import __version__
from ..errors import DeviceError, ModelError, SrzooError
from ..registry import LOCAL_DIST

if TYPE_CHECKING:
    from ..card import ModelFolder
    from ..contracts import Format

VERSION = 1
"""Goes up when exports of the same model come out different."""
WRITING = {"onnx": "onnx", "onnxscript": "onnxscript"}
"""What torch needs to write ONNX: distributions, and the module each one brings."""
INSTEAD = "Use another format, or --engine torch"
"""What mends an export that cannot be made."""
RECORD = "export.json"
STEM = "model"


@dataclass(frozen=True)
class Record:
    """What was found when an export was made.

    Attributes:
        refused: why engines do not use it; None if they do.
        off: largest difference to torch, in levels of 8 bits.
        differing: share of the 8-bit values that differ at all.
        bytes_per_pixel: working memory for each LR pixel, measured.
        bytes_aside: and besides.
    """

    refused: str | None = None
    off: int = 0
    differing: float = 0.0
    bytes_per_pixel: int = 0
    bytes_aside: int = 0


@dataclass(frozen=True)
class Export:
    """One that is kept: where its file is, and what was found."""

    path: Path
    record: Record


def missing(format: str) -> str | None:
    """How to install what a format needs, or None if it is all there."""
    found = kinds.formats.create(format)
    modules = [*found.packages.values(), *WRITING.values()]
    if all(util.find_spec(module) for module in modules):
        return None
    dist = kinds.formats.find(format).dist
    if dist == LOCAL_DIST:
        return f"pip install {' '.join([*found.packages, *WRITING])}"
    return f'pip install "{dist}[{found.extra}]"'


def need(format: str) -> Format:
    """A format whose packages are installed.

    Raises:
        DeviceError: one is missing; says how to install it.
    """
    if command := missing(format):
        raise DeviceError(f"{format} is not installed", f"Install it: {command}")
    return kinds.formats.create(format)


def folder_of(model: ModelFolder, scale: int, format: str) -> Path:
    """Where the export is kept: the name changes with whatever could change the file."""
    config, packages = model.config, kinds.formats.create(format).packages
    owners = [kinds.generators.find(config.generator).dist, *config.requires, *packages, *WRITING]
    what = {
        "network": [config.generator, config.args, config.weights and config.weights.sha256],
        "versions": {name: _version(name) for name in owners},
        "srzoo": [__version__, VERSION],
    }
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    return files.cache() / "exports" / f"{model.name}-x{scale}-{format}-{digest}"


def find(model: ModelFolder, scale: int, format: str) -> Export | None:
    """The export that is kept, if there is one; no torch is needed for it."""
    folder = folder_of(model, scale, format)
    try:
        text = (folder / RECORD).read_text(encoding="utf-8")
        record = strict.parse(Record, json.loads(text), str(folder / RECORD))
    except (OSError, ValueError, SrzooError):
        return None  # not there, or damaged: it is made anew
    kind = kinds.formats.create(format)
    files = [folder / f"{STEM}{suffix}" for suffix in (kind.suffix, *kind.beside)]
    whole = record.refused or all(file.exists() for file in files)
    return Export(files[0], record) if whole else None


def keep(model: ModelFolder, scale: int, format: str, make: Callable[[Path], Record]) -> Export:
    """Make an export and keep it, whole or not at all; several processes may try.

    Args:
        model: the model.
        scale: one of its scales.
        format: a registered format.
        make: writes the file it is given, and says what it found.

    Raises:
        ModelError: the cache cannot be written.
    """
    folder = folder_of(model, scale, format)
    suffix = kinds.formats.create(format).suffix
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=files.TEMPORARY) as made:
            new = Path(made) / "new"
            new.mkdir()
            record = make(new / f"{STEM}{suffix}")
            (new / RECORD).write_text(json.dumps(asdict(record)), encoding="utf-8")
            return _place(new, folder, lambda: find(model, scale, format)) or Export(
                folder / f"{STEM}{suffix}", record
            )
    except OSError as error:
        raise ModelError(
            f"cannot keep an export in {folder.parent}: {error.strerror or error}",
            "Set SRZOO_CACHE to a folder that can be written, or use --engine torch",
        ) from error


def _place(new: Path, folder: Path, find: Callable[[], Export | None]) -> Export | None:
    """Give a complete folder its name, or give back what a faster process has put there."""
    if found := find():
        return found
    shutil.rmtree(folder, ignore_errors=True)  # damaged
    try:
        os.rename(new, folder)
    except OSError:
        if found := find():
            return found
        raise
    return None


def _version(package: str) -> str:
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    return ""
