"""Cached exports: one folder for each model, scale, format and version.

CACHE/exports/edsr-x4-x4-mnn-0123456789abcdef/
  export.json       results of the comparison, memory; or the refusal
  model.mnn         the file, or files
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..common import files, kept_folders, strict
from ..common.kept_folders import FileRecord
from ..contracts import optional
from ..defaults import ENGINE
from ..errors import DeviceError, ModelError, SrzooError
from ..models import requirements
from ..models.folder import read_folder
from ..plugins import kinds
from ..plugins.packages import version
from ..plugins.plugin import OWN_DIST, Use
from . import code, engine_facts

if TYPE_CHECKING:
    from ..contracts import ExportFormat
    from ..models.folder import ModelFolder

VERSION = 3
"""To be increased when exports of the same model change."""
MAKING = {"torch": "torch", "onnx": "onnx", "onnxscript": "onnxscript"}
"""The distributions that making an export needs, with their modules."""
MAKING_EXTRA = "torch"
"""The extra of srzoo that installs them."""
USE_ANOTHER = f'Use another format, or engine="{ENGINE}"'
"""The fix for an export that cannot be made."""
RECORD = "export.json"
STEM = "model"
NAME = re.compile(r"(?P<model>.+)-x(?P<scale>\d+)-(?P<format>.+)-[0-9a-f]{16}")
"""The name of a cached export's folder."""
EXPORTING = 8.0
"""The least duration, in seconds, to export a small network, compare and measure it."""
RETRY_AFTER = 7 * 24 * 3600.0
"""Seconds after which a network that a format could not represent is tried again."""
FACTS = {"suffix": str, "beside": tuple[str, ...], "packages": Mapping[str, str], "extra": str}
"""The attributes that a format states."""
SPARE_BYTES = 16 << 20
"""Free disk space that an export needs, in bytes, besides several times that of the weights."""
TIMES = 6


class UnfinishedError(ModelError):
    """An export could not be made this time; not cached, as the model is not the reason."""


class UnwritableError(UnfinishedError):
    """The cache cannot be written, or is full."""


class DiffersError(ModelError):
    """An export gives other values than torch; cached, as it was measured."""


@dataclass(frozen=True)
class ExportRecord:
    """The results of making an export.

    Attributes:
        refused: why engines do not use it; None if they do.
        off: largest difference from torch, in 8-bit levels.
        differing: share of the 8-bit values that differ.
        bytes_per_pixel: measured working memory for each LR pixel.
        bytes_aside: and for a call of any size.
        until: when a refusal that was not measured is tried again, in seconds since 1970; 0 for
            never.
    """

    refused: str | None = None
    off: int = 0
    differing: float = 0.0
    bytes_per_pixel: int = 0
    bytes_aside: int = 0
    until: float = 0.0


@dataclass(frozen=True)
class Export:
    """A cached export: its files, and its record.

    Attributes:
        path: its file, or the one that names the others.
        record: the results of making it.
        model: the folder of its model.
        parts: the records of its files.
    """

    path: Path
    record: ExportRecord
    model: str = field(default="", compare=False)
    parts: tuple[FileRecord, ...] = field(default=(), compare=False)


def format_called(export_format: str) -> ExportFormat:
    """A format, whether its packages are installed or not.

    Raises:
        PluginError: the format does not exist, or states facts of a wrong type.
    """
    found = kinds.export_formats.create(export_format)
    for name, kind in FACTS.items():
        optional.read(found, name, ..., kind)
    return found


def missing(export_format: str) -> str | None:
    """The command that installs what a format needs to run files, or None."""
    found = format_called(export_format)
    dist = kinds.export_formats.find(export_format).dist
    return engine_facts.to_install(found.packages, found.extra, dist)


def missing_to_make() -> str | None:
    """The command that installs what making an export needs, or None."""
    return engine_facts.to_install(MAKING, MAKING_EXTRA, OWN_DIST)


def require_format(export_format: str) -> ExportFormat:
    """A format whose packages are installed.

    Raises:
        DeviceError: a package is missing; the message says how to install it.
    """
    if command := missing(export_format):
        raise DeviceError(f"{export_format} is not installed", f"Install it: {command}")
    return format_called(export_format)


def require_making(model: str) -> None:
    """Refuse to make an export if a package is missing.

    Args:
        model: its name, for the message.

    Raises:
        DeviceError: a package is missing; the message says how to install it.
    """
    if command := missing_to_make():
        raise DeviceError(
            f"{model} must be exported, but a package for that is not installed",
            f"Install it: {command}",
        )


def root() -> Path:
    """The folder with all cached exports."""
    return files.cache() / "exports"


def folder_of(
    model: ModelFolder, scale: int, export_format: str, place: Path | None = None
) -> Path:
    """The folder of an export; its name changes with everything that could change the file.

    Raises:
        PluginError: the model's generator is not installed.
        ModelError: a package that the model needs is not.
    """
    requirements.check_models(model)
    config, packages = model.config, format_called(export_format).packages
    what: dict[str, Any] = {"srzoo": [__version__, VERSION]}
    if carried := model.carried(scale):
        owners = [*packages]
        what["carried"] = asdict(carried)
        what["code"] = code.of_use(kinds.export_formats, Use(export_format))
    else:
        made_by = kinds.generators.find(config.generator).dist
        owners = [made_by, *config.owners, *packages, *MAKING]
        what["network"] = [config.generator, config.args, config.weights and config.weights.sha256]
        what["code"] = code.digest(config, export_format)
    what["versions"] = {name: version(name) or "" for name in owners}
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:16]
    return (place or root()) / f"{model.name}-x{scale}-{export_format}-{digest}"


def find(
    model: ModelFolder,
    scale: int,
    export_format: str,
    *,
    sure: bool = False,
    place: Path | None = None,
) -> Export | None:
    """The cached export, if there is one; needs no torch.

    Args:
        model: the model.
        scale: one of its scales.
        export_format: a registered export format.
        sure: compare every byte with the records, not only the sizes.
        place: the folder with the exports, if it is not the cache.
    """
    return read(folder_of(model, scale, export_format, place), export_format, sure=sure)


def read(folder: Path, export_format: str, *, sure: bool = False) -> Export | None:
    """The export in a folder; None if it is missing, damaged or out of date, to be made again."""
    facts = kept_folders.check_seal(folder / RECORD) or {}
    parts = kept_folders.records_from_json(facts.pop("parts", None))
    model = facts.pop("model", None)
    if parts is None or not isinstance(model, str):
        return None
    try:
        record = strict.parse(ExportRecord, facts, str(folder / RECORD))
    except SrzooError:
        return None
    if record.until and not 0 <= record.until - time.time() <= RETRY_AFTER:
        return None
    kind = format_called(export_format)
    names = {f"{STEM}{suffix}" for suffix in (kind.suffix, *kind.beside)}
    whole = record.refused or names <= {part.name for part in parts}
    if not whole or not kept_folders.intact(folder, parts, sure=sure):
        return None
    return Export(folder / f"{STEM}{kind.suffix}", record, model, parts)


def keep(
    model: ModelFolder,
    scale: int,
    export_format: str,
    make: Callable[[Path], ExportRecord],
    place: Path | None = None,
) -> Export:
    """Make an export and cache it, atomically; several processes may try.

    Exports of the same model, scale and format that are no longer needed are deleted.

    Args:
        model: the model.
        scale: one of its scales.
        export_format: a registered export format.
        make: writes the file at the given path, and returns the record.
        place: the folder with the exports, if it is not the cache.

    Raises:
        UnwritableError: the cache cannot be written, or is full.
    """
    folder = folder_of(model, scale, export_format, place)
    suffix = format_called(export_format).suffix
    try:
        with kept_folders.new_folder(folder.parent) as made:
            new = made / "new"
            new.mkdir()
            record = make(new / f"{STEM}{suffix}")
            sealed: dict[str, Any] = {
                **asdict(record),
                "model": str(model.path.absolute()),
                "parts": kept_folders.records_to_json(kept_folders.record_files(new)),
            }
            (new / RECORD).write_bytes(kept_folders.seal(sealed))
            found = _move_into_place(new, folder, export_format)
    except OSError as error:
        another = engine_facts.use_another().removeprefix("Use ")
        raise UnwritableError(
            f"cannot write an export to {folder.parent}: {error.strerror or error}",
            f"Set SRZOO_CACHE to a writable folder, or use {another}",
        ) from error
    _remove_unneeded(folder)
    return found


def _move_into_place(new: Path, folder: Path, export_format: str) -> Export:
    """Rename a complete folder, or return the one that a faster process has put there."""
    if found := read(folder, export_format, sure=True):
        return found
    kept_folders.sync(new)
    try:
        new.rename(folder)  # fails if the name is taken
    except OSError:
        if found := read(folder, export_format, sure=True):
            return found
        kept_folders.move_into_place(new, folder)  # replaces a damaged one
    for wait in (0, 0.1, 1):  # other processes may replace the damaged one too
        time.sleep(wait)
        if found := read(folder, export_format):
            return found
    raise OSError("it vanished while it was made")


def disk_space_needed(model: ModelFolder) -> int:
    """Bytes on the disk that making an export may need, including intermediate files."""
    weights = model.config.weights
    with contextlib.suppress(OSError):
        if weights:
            return SPARE_BYTES + TIMES * (model.path / weights.file).stat().st_size
    return SPARE_BYTES


def why_unwritable(model: ModelFolder) -> str | None:
    """Why no export can be cached, or None; checked before seconds are spent on one."""
    place = root()
    try:
        place.mkdir(parents=True, exist_ok=True)
        if not os.access(place, os.W_OK | os.X_OK):
            return f"{place} cannot be written"
        if shutil.disk_usage(place).free < disk_space_needed(model):
            return f"the disk of {place} is full"
    except OSError as error:
        return f"{place} cannot be written: {error.strerror or error}"
    return None


def needed(folder: Path) -> bool:
    """Whether a cached export would be used: its model exists, and leads to this folder."""
    named = NAME.fullmatch(folder.name)
    try:
        made = read(folder, named["format"]) if named else None
        if named is None or made is None or made.record.refused:
            return False
        model = read_folder(Path(made.model))
        return folder_of(model, int(named["scale"]), named["format"], folder.parent) == folder
    except (SrzooError, OSError, ValueError):
        return False


def _remove_unneeded(folder: Path) -> None:
    """Delete other exports of the same model, scale and format that are no longer needed."""
    mine = NAME.fullmatch(folder.name)
    for other in list(folder.parent.glob("*")) if mine else []:
        theirs = NAME.fullmatch(other.name)
        same = mine and theirs and theirs.groups() == mine.groups() and other != folder
        if same and not needed(other):
            shutil.rmtree(other, ignore_errors=True)


def mark_used(made: Export) -> None:
    """Record that an export is used, for the list of cached exports."""
    with contextlib.suppress(OSError):
        os.utime(made.path.with_name(RECORD))
