"""Makes an engine's export: from one in the model's folder, or from its network.

The first way needs no torch.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import carried, exports

if TYPE_CHECKING:
    from ..models.folder import ModelFolder
    from .exports import Export


def make_kept(
    model: ModelFolder, scale: int, export_format: str, place: Path | None = None
) -> Export:
    """The cached export, or a new one.

    Args:
        model: the model.
        scale: one of its scales.
        export_format: a registered export format.
        place: the folder with the exports, if it is not the cache.

    Raises:
        DeviceError: a package for running or making it is missing.
        UnfinishedError: it cannot be made now: the cache cannot be written, or the export in the
            model's folder is missing or damaged.
        ModelError: the network cannot be built.
    """
    exports.require_format(export_format)
    if found := exports.find(model, scale, export_format, sure=True, place=place):
        return found
    if export := model.carried(scale):
        return carried.make_kept(model, scale, export, export_format, place)
    exports.require_making(model.name)
    from . import convert

    return convert.make_kept(model, scale, export_format, place)


def can_make(model: ModelFolder) -> bool:
    """Whether exports of a model can be made here."""
    return model.carries_exports or not exports.missing_to_make()
