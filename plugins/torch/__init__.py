"""The torch engine: runs a model folder with PyTorch on a CPU, a CUDA card or Apple's MPS.

The work itself is done by ``srzoo.networks``. Half precision, and any device but the CPU, is tried
on one tile against float32 on the CPU before it is used.
"""

from __future__ import annotations

import copy
import shutil
import warnings
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from srzoo.errors import DeviceError, FallbackWarning
from srzoo.exporting.trial import drawn
from srzoo.models.folder import read_folder
from srzoo.networks import devices, folders
from srzoo.networks.lean import Lean, lean
from srzoo.networks.runner import ModuleRunner, count

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
TILE = 48
"""Side of the tile that is tried, in LR pixels."""
OFF = {torch.float32: 1 / 255, torch.bfloat16: 8 / 255, torch.float16: 2 / 255}
"""The largest difference to float32 on a CPU that is no fault: a level of 8 bits, or what the
rounding of the type comes to (bfloat16 has steps of half a level to begin with)."""
COMPILERS = "c++", "g++", "clang++", "cl"


def prepare(*, folder: Path, device: str = "auto", precision: str = "auto") -> ModuleRunner:
    """Build the network, load its weights, and move it to a device.

    Args:
        folder: the model's.
        device: auto (cuda, else mps, else cpu), cpu, cuda, cuda:N or mps.
        precision: fp32, bf16, fp16, or auto, which is fp32.

    Returns:
        The runner; in float32, or on the CPU, with a FallbackWarning where what was asked for
        gave other values than float32 on the CPU.

    Raises:
        DeviceError: the device is not there.
    """
    network = folders.build(read_folder(folder))
    parameters = count(network)  # before some are folded into others
    runner = _checked(lean(network), devices.find(device), _dtype(precision))
    runner.parameters = parameters
    return runner


def compiled(*, folder: Path, device: str = "auto", precision: str = "auto") -> ModuleRunner:
    """The same through ``torch.compile``: a minute to begin with, then faster for some networks.

    Raises:
        DeviceError: the device is not there, or there is no C++ compiler.
    """
    where = devices.find(device)
    if where.type == "cpu" and not any(map(shutil.which, COMPILERS)):
        raise DeviceError(
            "torch.compile needs a C++ compiler, and there is none", "Use --engine torch"
        )
    runner = prepare(folder=folder, device=device, precision=precision)
    model = runner.model
    if isinstance(model, Lean):  # its tail runs in blocks, whose shapes are too many
        model.generator.features = _compile(cast("Any", model.generator).features)
    else:
        model.forward = _compile(model.forward)
    return runner


def _compile(function: Any) -> Any:
    return cast("Any", torch.compile)(function, dynamic=True)


def _checked(model: nn.Module, device: torch.device, dtype: torch.dtype) -> ModuleRunner:
    """The first of: as asked for, in float32 there, in float32 on the CPU, that is right."""
    cpu, single = torch.device("cpu"), torch.float32
    asked = device, dtype
    for where, kind in dict.fromkeys([asked, (device, single), (cpu, single)]):
        if (where, kind) == (cpu, single):
            runner = ModuleRunner(model)
        else:
            runner = ModuleRunner(copy.deepcopy(model), where, kind)
            if fault := _fault(runner, ModuleRunner(copy.deepcopy(model)), OFF[kind]):
                name = f"{str(kind).removeprefix('torch.')} on {where}"
                warnings.warn(f"{name} is not used: {fault}", FallbackWarning, stacklevel=3)
                continue
        return runner
    raise AssertionError  # the last one is not checked


def _fault(runner: ModuleRunner, reference: ModuleRunner, allowed: float) -> str | None:
    """What is wrong with a runner's values on one tile, if anything."""
    x = drawn(TILE, TILE)
    for scale in cast("tuple[int, ...]", reference.model.scales):
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
            f"there is no precision {precision!r}", f"Use one of {', '.join(DTYPES)}, auto"
        )
    return DTYPES[precision]
