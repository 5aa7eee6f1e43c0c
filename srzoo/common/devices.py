"""Names of devices, and facts about them that need no import of torch."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ..errors import DeviceError, did_you_mean

KINDS = ("auto", "cpu", "cuda", "mps", "gpu")
"""Values of ``--device``; gpu is a graphics card by DirectML, or Intel's by OpenVINO."""
Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""The number formats in which an engine computes."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
INDEXED = ("cuda", "gpu")
"""Kinds that may have several devices: cuda:1."""
NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")
"""The folder in which NVIDIA's driver for Linux lists the GPUs."""
RENDERERS = Path("/sys/class/drm")
"""The folder in which Linux lists renderers."""
NVIDIA = "0x10de"
"""The PCI number of NVIDIA, whose GPUs are of the kind cuda."""
_NAME = re.compile(r"([a-z]+)(?::(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True)
class Device:
    """A device that models can run on.

    Attributes:
        name: a value of ``--device``.
        title: the maker's name of it; "" for the CPU.
        memory: its size in bytes; 0 if unknown.
        free: its free bytes; 0 if unknown.
        precisions: the ones it supports, fp32 first.
    """

    name: str
    title: str
    memory: int
    free: int
    precisions: tuple[str, ...]


def cpu() -> Device:
    """The CPU; its memory is what this process may use."""
    import psutil

    from . import memory

    there = psutil.virtual_memory()
    return Device("cpu", "", there.total, min(there.available, memory.free()), PRECISIONS[1:])


def parse_name(device: object) -> str:
    """A device's name in the form of engines: auto, cpu, cuda, cuda:N, mps, gpu or gpu:N.

    Args:
        device: the name, or a ``torch.device``.

    Raises:
        DeviceError: it is not a device.
    """
    name = str(device).strip().lower()
    match = _NAME.fullmatch(name)
    if match is None or match[1] not in KINDS:
        kind = name.partition(":")[0]
        given = device if isinstance(device, str | None) else str(device)
        raise DeviceError(
            f"{given!r} is not a device", f"{did_you_mean(kind, KINDS).rstrip('.')}; a card: cuda:1"
        )
    kind, index = match[1], match[2]
    if index is None or kind in INDEXED:
        return kind if index is None else f"{kind}:{int(index)}"
    if int(index) or kind == "auto":
        raise DeviceError(f"{name!r} is not a device", f'Use device="{kind}"')
    return kind  # a single device, which torch also calls cpu:0


def gpu_kinds() -> list[str]:
    """The possible kinds of GPU, found without an import; ``auto`` tries them in turn."""
    if sys.platform == "darwin":
        return ["mps"] if has_gpu() else []
    return ["cuda"] * has_gpu() + ["gpu"] * _has_renderer()


def nvidia_cards() -> list[Device]:
    """The GPUs that NVIDIA's driver for Linux lists; it does not list their memory."""
    try:
        titles = [_model(each / "information") for each in sorted(NVIDIA_GPUS.iterdir())]
    except OSError:
        return []
    return [
        Device(f"cuda:{index}", title, 0, 0, PRECISIONS[1:2]) for index, title in enumerate(titles)
    ]


def _model(information: Path) -> str:
    """The model in a driver's file about a GPU; "" if missing."""
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("Model:"))
    return next(found, "")


def _has_renderer() -> bool:
    """Whether DirectML or OpenVINO may find a GPU."""
    if sys.platform == "win32" or Path("/dev/dxg").exists():  # the second is WSL
        return True
    for vendor in RENDERERS.glob("renderD*/device/vendor"):
        try:
            if vendor.read_text(encoding="ascii").strip() != NVIDIA:
                return True
        except (OSError, ValueError):
            continue
    return False


def gpu_count() -> float:
    """The number of GPUs that torch may find; infinity if there are some, but unknown how many."""
    if sys.platform == "darwin" or not has_gpu():
        return 0
    try:
        return sum(1 for _ in NVIDIA_GPUS.iterdir()) or float("inf")
    except OSError:
        return float("inf")


def has_gpu() -> bool:
    """Whether torch may find a GPU; found without importing torch."""
    if sys.platform == "darwin":
        return os.uname().machine == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()
