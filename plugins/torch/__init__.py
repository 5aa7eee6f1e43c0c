"""The torch engine: runs a model folder with PyTorch on a CPU, a CUDA card or Apple's MPS.

The work itself is done by ``srzoo.engines.ModuleRunner``. Half precision, and any device but the
CPU, is tried on one tile against float32 on the CPU before it is used.
"""

from __future__ import annotations

import copy
import shutil
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from srzoo import building
from srzoo.contracts import Generator
from srzoo.engines import ModuleRunner, find_device, for_inference, trial_picture
from srzoo.errors import DeviceError, FallbackWarning

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TILE = 48
"""Side of the tile that is tried, in LR pixels."""
OFF = {torch.float32: 1 / 255, torch.bfloat16: 8 / 255, torch.float16: 2 / 255}
"""The largest difference to float32 on a CPU that is no fault: a level of 8 bits, or what the
rounding of the type comes to (bfloat16 has steps of half a level to begin with)."""
CARDS: Mapping[str, str] = {
    "device": "cuda",
    "file": "torch/version.py",
    "has": r"^(cuda|hip)\b.*= *'",
    "install": "the one for your card, https://pytorch.org/get-started/locally",
}
"""How torch for CPUs alone is told from another."""
COMPILERS = "c++", "g++", "clang++", "cl"


class Engine(ModuleRunner):
    """Runs models with PyTorch, on a CPU, a CUDA card or Apple's MPS.

    In float32, or on the CPU, with a FallbackWarning if the requested way gave other values than
    float32 on the CPU.

    Args:
        folder: the model's.
        device: auto (cuda, else mps, else cpu), cpu, cuda, cuda:N or mps.
        precision: fp32, bf16, fp16, or auto, which is fp32.

    Raises:
        DeviceError: the device does not exist.
    """

    devices = ("cpu", "cuda", "mps")
    precisions = tuple(DTYPES)
    # On a card and in MPS it counts as plain torch, until somebody has measured it there.
    speed: ClassVar[Mapping[str, float]] = {"cpu": 3.2, "cuda": 1.0, "mps": 1.0}
    packages: ClassVar[Mapping[str, str]] = {"torch": "torch"}
    extra = "torch"
    built_for = (CARDS,)

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        network = building.network(folder)
        parameters = sum(each.numel() for each in network.parameters())
        model = for_inference(network)  # some parameters are folded into others
        super().__init__(model, *_first_correct(model, find_device(device), _dtype(precision)))
        self.parameters = parameters


class CompiledEngine(Engine):
    """The same with ``torch.compile``: a minute of compilation, then faster for some networks.

    Args:
        folder: the model's.
        device: auto (cuda, else mps, else cpu), cpu, cuda, cuda:N or mps.
        precision: fp32, bf16, fp16, or auto, which is fp32.

    Raises:
        DeviceError: the device does not exist, or no C++ compiler is installed.
    """

    speed: ClassVar[Mapping[str, float]] = {}
    first_use = 60.0

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        if find_device(device).type == "cpu" and not any(map(shutil.which, COMPILERS)):
            raise DeviceError(
                "torch.compile needs a C++ compiler, and none is installed", 'Use engine="torch"'
            )
        super().__init__(folder=folder, device=device, precision=precision)
        self.compile()


def _first_correct(
    model: Generator, device: torch.device, dtype: torch.dtype
) -> tuple[torch.device, torch.dtype]:
    """The first of: as asked for, in float32 there, in float32 on the CPU, that is right."""
    cpu, single = torch.device("cpu"), torch.float32
    for where, kind in dict.fromkeys([(device, dtype), (device, single)]):
        if (where, kind) == (cpu, single):
            break
        tried = ModuleRunner(copy.deepcopy(model), where, kind)
        fault = _fault(tried, ModuleRunner(copy.deepcopy(model)), OFF[kind])
        if fault is None:
            return where, kind
        name = f"{str(kind).removeprefix('torch.')} on {where}"
        warnings.warn(f"{name} is not used: {fault}", FallbackWarning, stacklevel=3)
    return cpu, single  # what the others are held against


def _fault(runner: ModuleRunner, reference: ModuleRunner, allowed: float) -> str | None:
    """What is wrong with a runner's values on one tile, if anything."""
    x = trial_picture(TILE, TILE)
    for scale in reference.model.scales:
        try:
            y = runner(x, scale)
        except RuntimeError as error:  # an operation that the device or the type does not have
            return str(error).splitlines()[0]
        if not np.isfinite(y).all():
            return "it gives values that are not finite"
        # Beyond black and white values are cut off.
        off = np.abs(np.clip(y, 0, 1) - np.clip(reference(x, scale), 0, 1)).max()
        if off > allowed:
            return f"it is off by {off * 255:.1f} levels of 255"
    return None


def _dtype(precision: str) -> torch.dtype:
    if precision == "auto":
        return torch.float32
    if precision not in DTYPES:
        raise DeviceError(
            f"the precision {precision!r} does not exist", f"Use one of {', '.join(DTYPES)}, auto"
        )
    return DTYPES[precision]
