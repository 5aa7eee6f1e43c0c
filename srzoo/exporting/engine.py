"""Which engine runs a model: the one that is asked for, or the fastest that is installed."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import kinds
from . import exports
from .runner import ExportRunner

if TYPE_CHECKING:
    from ..card import ModelFolder

TORCH = "torch"
"""The engine that can run every model on every device."""
VARIABLE = "SRZOO_ENGINE"
"""The environment variable that ``auto`` looks at first."""


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
    exported for, or whose export was found to differ, is passed over; torch comes last.

    Raises:
        PluginError: there is no such engine.
    """
    if engine == "auto":
        engine = os.environ.get(VARIABLE) or "auto"
    if engine != "auto":
        return _chosen(folder, engine, "asked for")
    if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
        return Choice(TORCH, f"the only one for {device} and {precision}")
    if device == "auto" and has_gpu():
        return Choice(TORCH, "the one that uses the graphics card")
    passed: list[str] = []
    for name, kind in _by_speed():
        if exports.missing(kind.format):
            continue
        refused = [
            made.record.refused
            for scale in folder.config.scales
            if (made := exports.find(folder, scale, kind.format)) and made.record.refused
        ]
        if not refused:
            return _chosen(folder, name, "the fastest that is installed")
        passed.append(f"{name} is passed over: {refused[0]}")
    return Choice(TORCH, "; ".join(passed) or "no faster one is installed: pip install srzoo[fast]")


def _chosen(folder: ModelFolder, name: str, why: str) -> Choice:
    if name.startswith(TORCH):
        return Choice(name, why)
    kind = kinds.engines.get(name)
    if not (isinstance(kind, type) and issubclass(kind, ExportRunner)):
        return Choice(name, why)
    there = all(exports.find(folder, scale, kind.format) for scale in folder.config.scales)
    return Choice(name, why, prepares=not there)


def _by_speed() -> list[tuple[str, type[ExportRunner]]]:
    found: list[tuple[str, type[ExportRunner]]] = []
    for plugin in kinds.engines:
        if plugin.name.startswith(TORCH):
            continue  # importing these takes seconds
        kind = kinds.engines.get(plugin.name)
        if isinstance(kind, type) and issubclass(kind, ExportRunner):
            found.append((plugin.name, kind))
    return sorted(found, key=lambda pair: -pair[1].speed)


def has_gpu() -> bool:
    """Whether there may be a device that torch can use, found without importing torch."""
    if sys.platform == "darwin":
        return os.uname().machine == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()
