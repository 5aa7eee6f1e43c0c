"""Cached exports: one folder for each model, scale, format and version.

CACHE/exports/edsr-x4-x4-mnn-0123456789abcdef/
  export.json       what was found when it was made: differences, memory; or why not
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
"""Goes up when exports of the same model come out different."""
MAKING = {"torch": "torch", "onnx": "onnx", "onnxscript": "onnxscript"}
"""What it takes to make an export of a network: distributions, and the module each one brings."""
MAKING_EXTRA = "torch"
"""The extra of srzoo that brings them."""
USE_ANOTHER = f'Use another format, or engine="{ENGINE}"'
"""What mends an export that cannot be made."""
RECORD = "export.json"
STEM = "model"
NAME = re.compile(r"(?P<model>.+)-x(?P<scale>\d+)-(?P<format>.+)-[0-9a-f]{16}")
"""Of a kept export's folder."""
EXPORTING = 8.0
"""Seconds that it takes, at least, to export even a small network, check it and measure it."""
RETRY_AFTER = 7 * 24 * 3600.0
"""Seconds after which a network that a format could not express is tried again."""
FACTS = {"suffix": str, "beside": tuple[str, ...], "packages": Mapping[str, str], "extra": str}
"""What a format states."""
SPARE_BYTES = 16 << 20
"""Bytes that a disk has to have free for an export, besides several times those of the weights."""
TIMES = 6


class UnfinishedError(ModelError):
    """An export could not be made this time. It says nothing of the model, and is forgotten."""


class UnwritableError(UnfinishedError):
    """The cache cannot be written, or is full."""


class DiffersError(ModelError):
    """An export gives other values than torch: measured, and so remembered."""


@dataclass(frozen=True)
class ExportRecord:
    """What was found when an export was made.

    Attributes:
        refused: why engines do not use it; None if they do.
        off: largest difference to torch, in levels of 8 bits.
        differing: share of the 8-bit values that differ at all.
        bytes_per_pixel: working memory for each LR pixel, measured.
        bytes_aside: and besides.
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
    """One that is kept: where its file is, and what was found.

    Attributes:
        path: of its file, or of the one that names the others.
        record: what was found.
        model: the folder of the model that it was made of.
        parts: the files, as they were written.
    """

    path: Path
    record: ExportRecord
    model: str = field(default="", compare=False)
    parts: tuple[FileRecord, ...] = field(default=(), compare=False)


def format_called(export_format: str) -> ExportFormat:
    """A format, whether its packages are installed or not.

    Raises:
        PluginError: there is none of that name, or what it states is of a wrong type.
    """
    found = kinds.export_formats.create(export_format)
    for name, kind in FACTS.items():
        optional.read(found, name, ..., kind)
    return found


def missing(export_format: str) -> str | None:
    """How to install what running a format's files needs, or None if it is all there."""
    found = format_called(export_format)
    dist = kinds.export_formats.find(export_format).dist
    return engine_facts.to_install(found.packages, found.extra, dist)


def missing_to_make() -> str | None:
    """How to install what turns a network into an export, or None if it is all there."""
    return engine_facts.to_install(MAKING, MAKING_EXTRA, OWN_DIST)


def require_format(export_format: str) -> ExportFormat:
    """A format whose packages are installed.

    Raises:
        DeviceError: one is missing; says how to install it.
    """
    if command := missing(export_format):
        raise DeviceError(f"{export_format} is not installed", f"Install it: {command}")
    return format_called(export_format)


def require_making(model: str) -> None:
    """Refuse to make an export where that cannot be done.

    Args:
        model: its name, for the message.

    Raises:
        DeviceError: a package is missing; says how to install it.
    """
    if command := missing_to_make():
        raise DeviceError(
            f"{model} has to be exported, and what does that is not installed",
            f"Install it: {command}",
        )


def root() -> Path:
    """The folder with all exports that are kept."""
    return files.cache() / "exports"


def folder_of(
    model: ModelFolder, scale: int, export_format: str, place: Path | None = None
) -> Path:
    """Where the export is kept: the name changes with whatever could change the file.

    Raises:
        PluginError: the model's generator is not installed.
        ModelError: a package that the model was made with is not.
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
    """The export that is kept, if there is one; no torch is needed for it.

    Args:
        model: the model.
        scale: one of its scales.
        export_format: a registered export format.
        sure: compare every byte with what was written, and not the sizes alone.
        place: the folder with the exports, if it is not the cache's.
    """
    return read(folder_of(model, scale, export_format, place), export_format, sure=sure)


def read(folder: Path, export_format: str, *, sure: bool = False) -> Export | None:
    """The export in a folder; None if it is not there, damaged or out of date: it is made anew."""
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
    """Make an export and keep it, whole or not at all; several processes may try.

    Those of the same model, scale and format that nothing needs any more go.

    Args:
        model: the model.
        scale: one of its scales.
        export_format: a registered export format.
        make: writes the file it is given, and says what it found.
        place: the folder with the exports, if it is not the cache's.

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
            f"cannot keep an export in {folder.parent}: {error.strerror or error}",
            f"Set SRZOO_CACHE to a folder that can be written, or use {another}",
        ) from error
    _remove_unneeded(folder)
    return found


def _move_into_place(new: Path, folder: Path, export_format: str) -> Export:
    """Give a complete folder its name, or give back what a faster process has put there."""
    if found := read(folder, export_format, sure=True):
        return found
    kept_folders.sync(new)
    try:
        new.rename(folder)  # which takes no name that somebody else has
    except OSError:
        if found := read(folder, export_format, sure=True):
            return found
        kept_folders.move_into_place(new, folder)  # in the place of a damaged one
    for wait in (0, 0.1, 1):  # others may be about to replace the damaged one, too
        time.sleep(wait)
        if found := read(folder, export_format):
            return found
    raise OSError("it vanished while it was made")


def disk_space_needed(model: ModelFolder) -> int:
    """Bytes that making an export of a model may take on the disk, files between included."""
    weights = model.config.weights
    with contextlib.suppress(OSError):
        if weights:
            return SPARE_BYTES + TIMES * (model.path / weights.file).stat().st_size
    return SPARE_BYTES


def why_unwritable(model: ModelFolder) -> str | None:
    """Why no export can be kept, or None; asked before seconds are spent on one."""
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
    """Whether a kept export would be used: its model is there, and would find it."""
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
    """Take away other exports of the same model, scale and format that nothing needs."""
    mine = NAME.fullmatch(folder.name)
    for other in list(folder.parent.glob("*")) if mine else []:
        theirs = NAME.fullmatch(other.name)
        same = mine and theirs and theirs.groups() == mine.groups() and other != folder
        if same and not needed(other):
            shutil.rmtree(other, ignore_errors=True)


def mark_used(made: Export) -> None:
    """Note that an export is used, for whoever asks which ones still are."""
    with contextlib.suppress(OSError):
        os.utime(made.path.with_name(RECORD))
