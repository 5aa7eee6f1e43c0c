"""The numpy engine: bicubic interpolation without a network, and so without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from srzoo.engines import Facts, Interpolation


class Engine(Interpolation):
    """Runs models of the generator ``bicubic``, on the CPU in float32.

    Args:
        folder: the model folder.
        device: auto or cpu.
        precision: auto or fp32.

    Raises:
        DeviceError: the device or precision is not supported.
    """

    devices = ("cpu",)
    precisions = ("fp32",)
    speed = 0.4
    packages: ClassVar[Mapping[str, str]] = {"numpy": "numpy"}
    generators = ("bicubic",)

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        del folder  # the network has no weights, and each call passes the scale
        stated = Facts(self.devices, self.precisions, generators=self.generators)
        stated.need("numpy", device, precision)
