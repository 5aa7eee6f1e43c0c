"""Engines of somebody else: no base class, nothing but what the contract says."""

from __future__ import annotations

import numpy as np

from srzoo.errors import DeviceError


class OwnEngine:
    """Repeats pixels."""

    devices, precisions, speed = ("cpu",), ("fp32",), 1000.0
    reach, multiple, model, parameters = 0, 1, None, None

    def __init__(self, *, folder, device="auto", precision="auto"):
        if device not in ("auto", *self.devices) or precision not in ("auto", *self.precisions):
            raise DeviceError("no")

    def __call__(self, x, scale):
        return x.repeat(scale, 2).repeat(scale, 3).astype(np.float32)

    def bytes_per_pixel(self, scale):
        return 100

    def bytes_aside(self, scale):
        return 0

    def free_memory(self):
        return None


class CardEngine(OwnEngine):
    """Such as TensorRT."""

    devices, precisions = ("cuda",), ("fp16",)
