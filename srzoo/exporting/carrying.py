"""Writes exports into a model's folder: see :mod:`srzoo.exporting.carried`."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace
from pathlib import Path

from ..common import files, kept_folders
from ..defaults import CARRIED
from ..errors import ModelError, SrzooError
from ..models.folder import CONFIG, CarriedExport, ModelFolder, read_folder
from ..plugins import importing, kinds
from . import about, convert, exports, measure

TRIES = 3
"""How often the memory is measured; the maximum counts, as a peak while loading may hide it."""
FOLDER = "onnx"
"""The folder in which other models on the Hub have theirs."""
THREADS = 16
"""The number of threads for measuring memory: few machines have more, and it grows little."""


def add_exports(model: ModelFolder) -> ModelFolder:
    """Write an export for each scale into a model's folder, and list them in its config.json.

    Each is compared with torch (within one 8-bit level), and its working memory is measured in each
    installed export format. Earlier exports are replaced.

    Args:
        model: the model; its folder is written to.

    Returns:
        The model, read again.

    Raises:
        DeviceError: a package that an export needs is not installed.
        ModelError: the network cannot be exported, an export gives other values, or the folder
            cannot be written.
    """
    try:
        return _add(model, model.config.scales)
    except OSError as error:
        raise ModelError(
            f"cannot write to {model.path}: {error.strerror or error}",
            "Name a writable folder",
        ) from error


def _add(model: ModelFolder, scales: tuple[int, ...]) -> ModelFolder:
    with kept_folders.new_folder(model.path) as place:
        made: list[tuple[Path, CarriedExport]] = []
        for scale in scales:
            name = f"model-x{scale}.onnx" if len(scales) > 1 else "model.onnx"
            path = place / name
            convert.write(model, scale, CARRIED, path, half=True)
            made.append((path, _entry(model, scale, path, place)))
        (model.path / FOLDER).mkdir(exist_ok=True)
        for path, one in made:
            os.replace(path, model.path / one.file)
    config = replace(model.config, exports=tuple(one for _, one in made))
    with files.atomic_write(model.path / CONFIG) as file:
        file.write(config.to_json().encode())
    return read_folder(model.path)


def _entry(model: ModelFolder, scale: int, path: Path, place: Path) -> CarriedExport:
    metadata = exports.require_format(CARRIED).about(path)
    facts = about.parse(metadata, str(path))
    weights = model.config.weights
    return CarriedExport(
        file=f"{FOLDER}/{path.name}",
        scale=scale,
        sha256=kept_folders.sha256(path),
        weights=weights.sha256 if weights else "",
        reach=facts.reach,
        smallest=facts.smallest,
        multiple=facts.multiple,
        memory=_memory(path, metadata, place),
    )


def _memory(onnx: Path, metadata: str, place: Path) -> dict[str, list[int]]:
    """The memory in each installed format, without those that cannot represent the network."""
    found: dict[str, list[int]] = {}
    for plugin in kinds.export_formats:
        name = plugin.full_name
        with tempfile.TemporaryDirectory(dir=place) as folder:
            try:
                if exports.missing(name):
                    continue
                target = kinds.export_formats.create(name)
                path = Path(folder) / f"model{target.suffix}"
                with importing.blamed(target, (OSError, RuntimeError)):
                    target.write(onnx, path, metadata)
                tries = [measure.in_own_process(name, path, THREADS) for _ in range(TRIES)]
                found[plugin.name] = [max(each) for each in zip(*tries, strict=True)]
            except (SrzooError, OSError, RuntimeError):
                continue
    return found
