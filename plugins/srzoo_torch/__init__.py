"""The torch engine: runs a model folder with PyTorch on a CPU, a CUDA card or Apple's MPS.

The work itself is done by ``srzoo.networks.runner``.
"""

from __future__ import annotations

from pathlib import Path

import torch

from srzoo import card, zoo
from srzoo.errors import DeviceError
from srzoo.networks.lean import lean
from srzoo.networks.runner import ModuleRunner

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def prepare(*, folder: Path, device: str = "auto", precision: str = "auto") -> ModuleRunner:
    """Build the network, load its weights, and move it to a device.

    Args:
        folder: the model's.
        device: auto (cuda, else mps, else cpu), cpu, cuda or mps.
        precision: fp32, bf16, fp16, or auto, which is fp32.

    Raises:
        DeviceError: the device is not there.
    """
    return ModuleRunner(lean(zoo.build(card.read(folder))), _device(device), _dtype(precision))


def _device(name: str) -> torch.device:
    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        name = next(known for known, available in there.items() if available)
    if not there.get(name, False):
        raise DeviceError(
            f"there is no {name} device here",
            f"Use --device {' or '.join(known for known, available in there.items() if available)}",
        )
    return torch.device(name)


def _dtype(precision: str) -> torch.dtype:
    if precision == "auto":
        return torch.float32
    if precision not in DTYPES:
        raise DeviceError(
            f"there is no precision {precision!r}", f"Use one of {', '.join(DTYPES)}, auto"
        )
    return DTYPES[precision]
