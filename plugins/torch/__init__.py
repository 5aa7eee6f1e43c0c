"""The torch engine: runs a model folder with PyTorch on a CPU, a CUDA GPU or Apple's MPS.

``srzoo.engines.ModuleRunner`` does the work. Half precision, and any device but the CPU, is
compared on one tile with float32 on the CPU before it is used.
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
"""Side of the test tile, in LR pixels."""
OFF = {torch.float32: 1 / 255, torch.bfloat16: 8 / 255, torch.float16: 2 / 255}
"""The largest accepted difference from float32 on a CPU: one 8-bit level, or the rounding of the
type (the steps of bfloat16 are half a level)."""
CARDS: Mapping[str, str] = {
    "device": "cuda",
    "file": "torch/version.py",
    "has": r"^(cuda|hip)\b.*= *'",
    "install": "the one for your card, https://pytorch.org/get-started/locally",
}
"""Identifies the CPU-only build of torch."""
COMPILERS = "c++", "g++", "clang++", "cl"


class Engine(ModuleRunner):
    """Runs models with PyTorch, on a CPU, a CUDA GPU or Apple's MPS.

    If the requested device or precision gives other values than float32 on the CPU, it falls back
    to float32, or to the CPU, with a FallbackWarning.

    Args:
        folder: the model folder.
        device: auto (cuda, else mps, else cpu), cpu, cuda, cuda:N or mps.
        precision: fp32, bf16, fp16, or auto, which is fp32.

    Raises:
        DeviceError: the device does not exist.
    """

    devices = ("cpu", "cuda", "mps")
    precisions = tuple(DTYPES)
    # On GPUs it counts as plain torch, until it is measured there.
    speed: ClassVar[Mapping[str, float]] = {"cpu": 3.2, "cuda": 1.0, "mps": 1.0}
    packages: ClassVar[Mapping[str, str]] = {"torch": "torch"}
    extra = "torch"
    built_for = (CARDS,)

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        network = building.network(folder)
        parameters = sum(each.numel() for each in network.parameters())
        model = for_inference(network)  # folding changes the number of parameters
        super().__init__(model, *_first_correct(model, find_device(device), _dtype(precision)))
        self.parameters = parameters


class CompiledEngine(Engine):
    """The torch engine with ``torch.compile``: a minute to compile, then faster for some networks.

    Args:
        folder: the model folder.
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
                "torch.compile needs a C++ compiler, but none is installed", 'Use engine="torch"'
            )
        super().__init__(folder=folder, device=device, precision=precision)
        self.compile()


def _first_correct(
    model: Generator, device: torch.device, dtype: torch.dtype
) -> tuple[torch.device, torch.dtype]:
    """The first correct way of: as requested, float32 on the same device, float32 on the CPU."""
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
    return cpu, single  # the reference


def _fault(runner: ModuleRunner, reference: ModuleRunner, allowed: float) -> str | None:
    """The error of a runner's values on one tile, or None."""
    x = trial_picture(TILE, TILE)
    for scale in reference.model.scales:
        try:
            y = runner(x, scale)
        except RuntimeError as error:  # an operation that the device or the type does not support
            return str(error).splitlines()[0]
        if not np.isfinite(y).all():
            return "it gives values that are not finite"
        # Values outside 0..1 are clipped in pictures.
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
