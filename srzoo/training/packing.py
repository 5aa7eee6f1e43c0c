"""A run as a model folder for publication: smaller weights, a shorter log, no checkpoints."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean, harmonic_mean
from typing import Any

from ..common import files, kept_folders
from ..errors import ModelError
from ..exporting import exports
from ..models.folder import ModelFolder, read_folder, refuse_local_parts
from ..networks import folders
from ..recipes.recipe import RECIPE
from . import checkpoint, run_log

LOG_BYTES = 200_000
"""The largest size of a published log, in bytes."""


def pack(
    source: ModelFolder, path: Path, dtype: str = "float16", *, with_exports: bool = False
) -> ModelFolder:
    """Write a model's config, weights, recipe, log and curves to a folder.

    Other files in that folder, including its card, are kept. Weights and config.json match at every
    moment.

    Args:
        source: a run's folder, or any model with weights.
        path: the folder; it is created if needed, and a model in it is replaced.
        dtype: of the weights in the file: float16, bfloat16 or float32.
        with_exports: also make exports for engines without torch.

    Raises:
        ModelError: the source has no weights, or ``path`` is the source or not a folder.
        WeightsError: the weights are damaged.
        DeviceError: a package that an export needs is not installed.
    """
    if with_exports:
        exports.require_making(source.name)
    if source.config.weights is None:
        raise ModelError(f"{source.path} has no weights", "Name the folder of a run")
    if path.resolve() == source.path.resolve():
        raise ModelError(f"{path} is the model itself", "Name another folder")
    if path.exists() and not path.is_dir():
        raise ModelError(f"{path} is not a folder", "Name another one")
    refuse_local_parts(source)
    module, config = folders.build(source), source.config
    path.mkdir(parents=True, exist_ok=True)
    with kept_folders.new_folder(path) as place:
        small = folders.save(
            module, place / path.name, generator=config.generator, args=dict(config.args),
            summary=config.summary, purpose=config.purpose, dtype=dtype,
        )  # fmt: skip
        checkpoint.publish(small.path, path)
    checkpoint.rename_weights(path)
    if (recipe := source.path / RECIPE).is_file():
        _write(path / RECIPE, recipe.read_bytes())
    if (log := source.path / run_log.LOG).is_file():
        lines = thin_log(run_log.read(log))
        _write(path / run_log.LOG, _text(lines))
        run_log.draw_curves(lines, path / run_log.CURVES)
    if with_exports:
        from ..exporting import carrying  # imports onnx

        carrying.add_exports(read_folder(path))
    return read_folder(path)


def thin_log(lines: list[dict[str, Any]], most: int = LOG_BYTES) -> list[dict[str, Any]]:
    """Shorten a log's lines to at most this many bytes, by replacing neighbours by their means.

    Metrics and warnings are kept. The total time in the log does not change.
    """
    found, together = lines, 1
    while len(_text(found)) > most and together < len(lines):
        together += 1
        found = list(_merged(lines, together))
    return found


def _merged(lines: list[dict[str, Any]], together: int) -> Iterator[dict[str, Any]]:
    group: list[dict[str, Any]] = []
    for line in lines:
        if "losses" not in line:
            yield from _mean(group)
            group = []
            yield line
            continue
        if group and (len(group) == together or line["losses"].keys() != group[0]["losses"].keys()):
            yield from _mean(group)
            group = []
        group.append(line)
    yield from _mean(group)


def _mean(group: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The mean of a group as one line, at its last step."""
    if not group:
        return
    merged = dict(group[-1])
    for name in ("losses", "facts"):
        keys = dict.fromkeys(key for line in group for key in line.get(name, {}))
        merged[name] = {
            key: float(f"{fmean(line[name][key] for line in group if key in line[name]):.5g}")
            for key in keys
        }
    merged["steps_per_second"] = round(harmonic_mean(x["steps_per_second"] for x in group), 4)
    merged["waiting"] = round(fmean(line["waiting"] for line in group), 5)
    yield merged


def _text(lines: list[dict[str, Any]]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def _write(path: Path, content: bytes) -> None:
    with files.atomic_write(path) as file:
        file.write(content)
