"""Names of devices, and facts that are known without importing torch."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ..errors import DeviceError, did_you_mean

KINDS = ("auto", "cpu", "cuda", "mps", "gpu")
"""What ``--device`` takes; gpu is a graphics card by way of the system (DirectML) or of Intel."""
Precision = Literal["auto", "fp32", "bf16", "fp16"]
"""In which numbers an engine computes."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
INDEXED = ("cuda", "gpu")
"""Those of which there may be several: cuda:1."""
NVIDIA_GPUS = Path("/proc/driver/nvidia/gpus")
"""Where NVIDIA's driver for Linux lists the GPUs."""
RENDERERS = Path("/sys/class/drm")
"""Where Linux lists what can draw."""
NVIDIA = "0x10de"
"""A maker's number, whose cards are cuda's."""
_NAME = re.compile(r"([a-z]+)(?::(\d{1,3}))?", re.ASCII)


@dataclass(frozen=True)
class Device:
    """Something that models can run on.

    Attributes:
        name: as ``--device`` takes it.
        title: what its maker calls it; "" for the CPU.
        memory: bytes it has; 0 where that is not known.
        free: bytes of them that are free now; likewise.
        precisions: those it computes in, fp32 first.
    """

    name: str
    title: str
    memory: int
    free: int
    precisions: tuple[str, ...]


def cpu() -> Device:
    """The processor; memory is what this process may have."""
    import psutil

    from . import memory

    there = psutil.virtual_memory()
    return Device("cpu", "", there.total, min(there.available, memory.free()), PRECISIONS[1:])


def parse_name(device: object) -> str:
    """A device's name as engines take it: auto, cpu, cuda, cuda:N, mps, gpu or gpu:N.

    Args:
        device: the name, or a ``torch.device``.

    Raises:
        DeviceError: it is none.
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
    return kind  # there is one of these, which torch calls cpu:0 as well


def gpu_kinds() -> list[str]:
    """The kinds of GPU that there may be, found without an import; ``auto`` tries them in turn."""
    if sys.platform == "darwin":
        return ["mps"] if has_gpu() else []
    return ["cuda"] * has_gpu() + ["gpu"] * _has_renderer()


def nvidia_cards() -> list[Device]:
    """The cards that NVIDIA's driver for Linux lists; what memory they have it does not tell."""
    try:
        titles = [_model(each / "information") for each in sorted(NVIDIA_GPUS.iterdir())]
    except OSError:
        return []
    return [
        Device(f"cuda:{index}", title, 0, 0, PRECISIONS[1:2]) for index, title in enumerate(titles)
    ]


def _model(information: Path) -> str:
    """What a card is called in the driver's file about it; "" where that does not tell."""
    try:
        lines = information.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    found = (line.partition(":")[2].strip() for line in lines if line.startswith("Model:"))
    return next(found, "")


def _has_renderer() -> bool:
    """Whether there may be a GPU for DirectML or for OpenVINO."""
    if sys.platform == "win32" or Path("/dev/dxg").exists():  # the second is Windows' own Linux
        return True
    for vendor in RENDERERS.glob("renderD*/device/vendor"):
        try:
            if vendor.read_text(encoding="ascii").strip() != NVIDIA:
                return True
        except (OSError, ValueError):
            continue
    return False


def gpu_count() -> float:
    """How many GPUs torch may find; infinity where there is one and the number is unknown."""
    if sys.platform == "darwin" or not has_gpu():
        return 0
    try:
        return sum(1 for _ in NVIDIA_GPUS.iterdir()) or float("inf")
    except OSError:
        return float("inf")


def has_gpu() -> bool:
    """Whether there may be a device that torch can use, found without importing torch."""
    if sys.platform == "darwin":
        return os.uname().machine == "arm64"
    if sys.platform == "win32":
        return (Path(os.environ.get("SYSTEMROOT", "C:/Windows")) / "System32/nvcuda.dll").exists()
    return Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()
