"""Which engine runs a model: the one that is asked for, or the fastest that is installed."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..common import devices, memory
from ..errors import BrokenPluginError, DeviceError
from ..plugins import kinds
from . import exports
from .runner import ExportRunner

if TYPE_CHECKING:
    from ..models.folder import ModelFolder

TORCH = "torch"
"""The engine that can run every model on every device."""
VARIABLE = "SRZOO_ENGINE"
"""The environment variable that ``auto`` looks at first."""
EXPORTING = 8.0
"""Seconds that it takes, at least, to export even a small network, check it and measure it."""
PER_PARAMETER, PER_PIXEL = 0.07e-9, 6e-6
"""Seconds of one core of a CPU, in torch, for an LR pixel: for each parameter, and besides."""
BYTES = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Of a parameter on the disk."""


@dataclass(frozen=True)
class Choice:
    """An engine, and why.

    Attributes:
        name: of the engine plugin.
        why: for ``--verbose``.
        prepares: whether the first use takes some seconds more, to export the model.
    """

    name: str
    why: str
    prepares: bool = False


def choose(
    folder: ModelFolder,
    engine: str = "auto",
    *,
    device: str = "auto",
    precision: str = "auto",
    work: int | None = None,
) -> Choice:
    """The engine for a model: any by name; ``auto`` is the fastest that is installed and can.

    The rule: a GPU, or a precision other than float32, is torch's. On a CPU the engines that are
    installed are taken in the order of their measured ``speed``; one that a model cannot be
    exported for, or whose export was found to differ, is passed over; torch comes last. Where no
    export is kept, and one cannot be, or torch does the work before one would be made, another
    engine takes its place whose export is kept; or torch.

    Args:
        folder: the model's.
        engine: a name, or "auto".
        device: auto, cpu, cuda or mps.
        precision: auto, fp32, bf16 or fp16.
        work: LR pixels that there are to enlarge, over all passes; None if that is unknown.

    Raises:
        PluginError: there is no such engine.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine != "auto":
        return _chosen(folder, engine, "asked for")
    if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
        return Choice(TORCH, f"the only one for {device} and {precision}")
    if device == "auto" and devices.has_gpu():
        return Choice(TORCH, "the one that uses the graphics card")
    passed: list[str] = []
    able: list[Choice] = []
    for name, kind in _by_speed(passed):
        if exports.missing(kind.format):
            continue
        found = [exports.find(folder, scale, kind.format) for scale in folder.config.scales]
        refused = [made.record.refused for made in found if made and made.record.refused]
        if refused:
            passed.append(f"{name} is passed over: {refused[0]}")
        else:
            able.append(Choice(name, "the fastest that is installed", prepares=not all(found)))
    if not able:
        none = "no faster one is installed: pip install srzoo[fast]"
        return Choice(TORCH, "; ".join(passed) or none)
    first = able[0]
    if not first.prepares or not (why := _not_exported(folder, work)):
        return first
    kept = next((choice for choice in able if not choice.prepares), None)
    return Choice(kept.name, f"its export is kept, and {why}") if kept else Choice(TORCH, why)


def _not_exported(folder: ModelFolder, work: int | None) -> str | None:
    """Why no export is made for some work, if it is so."""
    if work is not None and seconds(folder, work) < EXPORTING:
        return f"torch enlarges {work:,} pixels before an export would be made"
    if why := exports.unwritable(folder):
        return f"no export can be kept: {why}"
    return None


def seconds(folder: ModelFolder, work: int) -> float:
    """About how long torch takes on this CPU for so many LR pixels; from sizes, without torch."""
    weights = folder.config.weights
    parameters = 0
    if weights and (folder.path / weights.file).is_file():
        size = (folder.path / weights.file).stat().st_size
        parameters = size // BYTES.get(weights.dtype, 4)
    return work * (PER_PIXEL + PER_PARAMETER * parameters) / memory.cores()


def _chosen(folder: ModelFolder, name: str, why: str) -> Choice:
    if name.startswith(TORCH):
        return Choice(name, why)
    kind = kinds.engines.get(name)
    if not (isinstance(kind, type) and issubclass(kind, ExportRunner)):
        return Choice(name, why)
    there = all(exports.find(folder, scale, kind.format) for scale in folder.config.scales)
    return Choice(name, why, prepares=not there)


def _by_speed(passed: list[str]) -> list[tuple[str, type[ExportRunner]]]:
    """The engines that run exports, the fastest first; ``passed`` is told of broken ones."""
    found: list[tuple[str, type[ExportRunner]]] = []
    for plugin in kinds.engines:
        if plugin.name.startswith(TORCH):
            continue  # importing these takes seconds
        try:
            kind = kinds.engines.get(plugin.name)
        except BrokenPluginError as error:
            passed.append(f"{plugin.name} is passed over: {error.what}")
            continue
        if isinstance(kind, type) and issubclass(kind, ExportRunner):
            found.append((plugin.name, kind))
    return sorted(found, key=lambda pair: -pair[1].speed)


def check(engine: str, device: str, precision: str) -> None:
    """Refuse what is known not to be possible here; imports no engine that needs torch.

    Args:
        engine: a registered engine, or auto.
        device: as :func:`srzoo.common.devices.named` gives it.
        precision: one of ``devices.PRECISIONS``.

    Raises:
        PluginError: there is no such engine.
        DeviceError: there is no such device, the engine does not run on it, or is not installed.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine != "auto":
        _check_engine(engine, device, precision)
    kind, _, index = device.partition(":")
    if kind == "mps" and not (sys.platform == "darwin" and platform.machine() == "arm64"):
        raise DeviceError("there is no mps device here: that is a Mac's", "Use --device cpu")
    if kind == "cuda":
        count = devices.cards()
        if not count:
            raise DeviceError(f"there is no {device} device here", "Use --device cpu")
        if index and int(index) >= count:
            last = f"cuda:0 to cuda:{int(count) - 1}" if count > 1 else "cuda:0"
            raise DeviceError(f"there is no {device} device here", f"Use --device {last}")


def _check_engine(engine: str, device: str, precision: str) -> None:
    kinds.engines.find(engine)
    if engine.startswith(TORCH):
        return  # importing it takes seconds
    kind = kinds.engines.get(engine)
    if not (isinstance(kind, type) and issubclass(kind, ExportRunner)):
        return  # whatever it is, it says itself what it cannot do
    if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
        raise DeviceError(
            f"{engine} runs on cpu in fp32, not on {device} in {precision}",
            f"Use --engine {TORCH}",
        )
    exports.need(kind.format)
