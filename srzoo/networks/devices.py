"""The devices of torch on this machine, and their names."""

from __future__ import annotations

from dataclasses import replace

import torch

from ..common import devices
from ..common.devices import Device
from ..errors import DeviceError


def list_devices() -> list[Device]:
    """All devices, first the one that ``auto`` chooses."""
    listed: list[Device] = []
    for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        free, whole = torch.cuda.mem_get_info(index)
        # bf16 is emulated, and slow, before Ampere.
        new = torch.version.hip is not None or torch.cuda.get_device_capability(index) >= (8, 0)
        precisions = ("fp32", "fp16", "bf16") if new else ("fp32", "fp16")
        title = torch.cuda.get_device_name(index)
        listed.append(Device(f"cuda:{index}", title, whole, free, precisions))
    if torch.backends.mps.is_available():
        listed.append(replace(devices.cpu(), name="mps"))  # the memory is the same
    return [*listed, devices.cpu()]


def find_device(device: object) -> torch.device:
    """The device of a name; ``auto`` is the first GPU, else mps, else the CPU.

    Raises:
        DeviceError: no device has that name.
    """
    name = devices.parse_name(device)
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    there = ["cuda"] * bool(count) + [f"cuda:{index}" for index in range(count)]
    there += ["mps"] * torch.backends.mps.is_available() + ["cpu"]
    if name == "auto":
        name = there[0]
    if name not in there:
        names = " or ".join(f'"{one}"' for one in there)
        raise DeviceError(f"no {name} device is available here", f"Use device={names}")
    return torch.device(name)
