"""Exports in a model's folder, which engines run without torch.

One ONNX file for each scale, in half the bytes: weights in float16, arithmetic in float32, a linear
tail folded. :mod:`srzoo.exporting.carrying` writes them. At the first use, an engine's format
converts the file to its own, without torch, and the result is cached like any export.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._version import __version__
from ..common import kept_folders
from ..errors import ModelError
from ..plugins import importing
from . import engine_facts, exports, measure
from .about import About
from .exports import ExportRecord, UnfinishedError

if TYPE_CHECKING:
    from ..models.folder import CarriedExport, ModelFolder
    from .exports import Export

GET_AGAIN = "Download the model again, or make its exports again: srzoo model add-exports"


def make_kept(
    model: ModelFolder,
    scale: int,
    carried: CarriedExport,
    export_format: str,
    place: Path | None = None,
) -> Export:
    """The export that an engine uses, made of what a model carries.

    Args:
        model: the model.
        scale: one of its scales.
        carried: what it carries for that scale.
        export_format: a registered export format.
        place: the folder with the exports, if it is not the cache's.

    Raises:
        DeviceError: the format is not installed.
        UnfinishedError: the file is missing or damaged, the format cannot write it, or the cache
            cannot be written.
    """
    source = check_file(model, carried)
    target = exports.require_format(export_format)

    def make(path: Path) -> ExportRecord:
        try:
            with importing.blamed(target, (OSError, RuntimeError)):
                target.write(source, path, about_of(model, carried).to_json())
        except (ModelError, RuntimeError) as error:
            reason = error.what if isinstance(error, ModelError) else str(error)
            raise UnfinishedError(
                f"{export_format} cannot represent {source.name} of {model.name}: {reason}",
                engine_facts.use_another(),
            ) from error
        pair = carried.memory.get(export_format) or measure.in_own_process(export_format, path)
        return ExportRecord(bytes_per_pixel=pair[0], bytes_aside=pair[1])

    return exports.keep(model, scale, export_format, make, place)


def check_file(model: ModelFolder, carried: CarriedExport) -> Path:
    """The file of an export in the model folder, if it is the one that config.json names.

    Raises:
        UnfinishedError: it is missing, or has other bytes.
    """
    path = model.path / carried.file
    try:
        found = kept_folders.sha256(path)
    except OSError as error:
        raise UnfinishedError(
            f"{path} cannot be read: {error.strerror or error}", GET_AGAIN
        ) from error
    if found != carried.sha256:
        raise UnfinishedError(
            f"{path} has the sha256 {found[:12]}..., config.json states {carried.sha256[:12]}...",
            GET_AGAIN,
        )
    return path


def about_of(model: ModelFolder, carried: CarriedExport) -> About:
    """The metadata for the file in an engine's format."""
    return About(
        model.name, carried.scale, (0.0, 1.0), carried.reach, carried.smallest, True, __version__,
        carried.multiple,
    )  # fmt: skip
