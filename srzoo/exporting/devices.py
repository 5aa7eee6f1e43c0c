"""What models can run on: names of devices, and what can be known without importing torch."""

from __future__ import annotations

import os
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from ..common import memory
from ..errors import DeviceError, did_you_mean
from ..plugins import kinds
from . import engine as engines
from . import exports
from .runner import ExportRunner

KINDS = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
CARDS = Path("/proc/driver/nvidia/gpus")
"""Where NVIDIA's driver for Linux lists the cards."""
_NAME = re.compile(r"([a-z]+)(?::(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True)
class Device:
    """Something that models can run on.

    Attributes:
        name: as ``--device`` takes it.
        title: what its maker calls it; "" where that is told elsewhere.
        memory: bytes it has.
        free: bytes of them that are free now.
        precisions: those it computes in, fp32 first.
    """

    name: str
    title: str
    memory: int
    free: int
    precisions: tuple[str, ...]


def cpu() -> Device:
    """The processor; memory is what this process may have."""
    there = psutil.virtual_memory()
    return Device("cpu", "", there.total, min(there.available, memory.free()), PRECISIONS[1:])


def named(device: object) -> str:
    """A device's name as engines take it: auto, cpu, cuda, cuda:N or mps.

    Args:
        device: the name, or a ``torch.device``.

    Raises:
        DeviceError: it is none.
    """
    name = str(device).strip().lower()
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in KINDS:
        kind = name.partition(":")[0]
        raise DeviceError(f"{name!r} is no device", f"{did_you_mean(kind, KINDS)} A card: cuda:1")
    kind, index = match[1], match[2]
    if index is None or kind == "cuda":
        return kind if index is None else f"cuda:{int(index)}"
    if int(index) or kind == "auto":
        raise DeviceError(f"{name!r} is no device", f"Use --device {kind}")
    return kind  # there is one of these, which torch calls cpu:0 as well


def check(engine: str, device: str, precision: str) -> None:
    """Refuse what is known not to be possible here; imports no engine that needs torch.

    Args:
        engine: a registered engine, or auto.
        device: as :func:`named` gives it.
        precision: one of ``PRECISIONS``.

    Raises:
        PluginError: there is no such engine.
        DeviceError: there is no such device, the engine does not run on it, or is not installed.
    """
    if engine == "auto":
        engine = os.environ.get(engines.VARIABLE) or "auto"
    if engine != "auto":
        _check_engine(engine, device, precision)
    kind, _, index = device.partition(":")
    if kind == "mps" and not (sys.platform == "darwin" and platform.machine() == "arm64"):
        raise DeviceError("there is no mps device here: that is a Mac's", "Use --device cpu")
    if kind == "cuda":
        count = cards()
        if not count:
            raise DeviceError(f"there is no {device} device here", "Use --device cpu")
        if index and int(index) >= count:
            last = f"cuda:0 to cuda:{int(count) - 1}" if count > 1 else "cuda:0"
            raise DeviceError(f"there is no {device} device here", f"Use --device {last}")


def _check_engine(engine: str, device: str, precision: str) -> None:
    kinds.engines.find(engine)
    if engine.startswith(engines.TORCH):
        return  # importing it takes seconds
    kind = kinds.engines.get(engine)
    if not (isinstance(kind, type) and issubclass(kind, ExportRunner)):
        return  # whatever it is, it says itself what it cannot do
    if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
        raise DeviceError(
            f"{engine} runs on cpu in fp32, not on {device} in {precision}",
            f"Use --engine {engines.TORCH}",
        )
    exports.need(kind.format)


def cards() -> float:
    """How many cards torch may find: none, a number, or infinity where that is not told."""
    if sys.platform == "darwin" or not engines.has_gpu():
        return 0
    try:
        return sum(1 for _ in CARDS.iterdir()) or float("inf")
    except OSError:
        return float("inf")
