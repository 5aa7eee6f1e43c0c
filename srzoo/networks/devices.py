"""What torch can compute on here, and by which name."""

from __future__ import annotations

from dataclasses import dataclass

import psutil
import torch

from .. import devices
from ..errors import DeviceError


@dataclass(frozen=True)
class Device:
    """Something that torch can compute on.

    Attributes:
        name: as ``--device`` takes it.
        title: what its maker calls it; "" where that is not told.
        memory: bytes it has.
        free: bytes of them that are free now.
        precisions: those it computes in, fp32 first.
    """

    name: str
    title: str
    memory: int
    free: int
    precisions: tuple[str, ...]


def found() -> list[Device]:
    """All there are, the one that ``auto`` takes first."""
    listed: list[Device] = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, whole = torch.cuda.mem_get_info(index)
        # bf16 is emulated, and slow, before Ampere.
        new = torch.version.hip is not None or torch.cuda.get_device_capability(index) >= (8, 0)
        precisions = ("fp32", "fp16", "bf16") if new else ("fp32", "fp16")
        title = torch.cuda.get_device_name(index)
        listed.append(Device(f"cuda:{index}", title, whole, free, precisions))
    there = psutil.virtual_memory()
    if torch.backends.mps.is_available():
        kinds = ("fp32", "fp16", "bf16")
        listed.append(Device("mps", "", there.total, there.available, kinds))
    kinds = ("fp32", "bf16", "fp16")
    return [*listed, Device("cpu", "", there.total, there.available, kinds)]


def find(device: object) -> torch.device:
    """The device of a name; ``auto`` is the first card, else mps, else the CPU.

    Raises:
        DeviceError: there is none of that name here.
    """
    name = devices.named(device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cuda"] * bool(count) + [f"cuda:{index}" for index in range(count)]
    there += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name == "auto":
        name = there[0]
    if name not in there:
        raise DeviceError(f"there is no {name} device here", f"Use --device {' or '.join(there)}")
    return torch.device(name)
