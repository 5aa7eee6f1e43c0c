"""The torch engine: runs a model folder with PyTorch on a CPU, a CUDA card or Apple's MPS.

On a CPU the network and its pictures lie channels-last: faster, and then every output
value is the same whatever the size of the tile it was computed in.
"""

from __future__ import annotations

import copy
import weakref
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from srzoo import card, zoo
from srzoo.errors import DeviceError

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PROBE = 16
"""Side of the picture on which the working memory is measured."""


def prepare(*, folder: Path, device: str = "auto", precision: str = "auto") -> TorchRunner:
    """Build the network, load its weights, and move it to a device.

    Args:
        folder: the model's.
        device: auto (cuda, else mps, else cpu), cpu, cuda or mps.
        precision: fp32, bf16, fp16, or auto, which is fp32.

    Raises:
        DeviceError: the device is not there.
    """
    return TorchRunner(zoo.build(card.read(folder)), _device(device), _dtype(precision))


class TorchRunner:
    """A network on a device; float32 arrays 1 x 3 x H x W in, 1 x 3 x sH x sW out."""

    def __init__(self, model: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
        self.model = model.to(device, dtype).to(memory_format=torch.channels_last).eval()
        self.reach: int | None = model.reach  # type: ignore[assignment]
        self._device = device
        self._dtype = dtype

    @torch.inference_mode()
    def __call__(self, x: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
        """Run one picture or tile."""
        picture = torch.from_numpy(x).to(self._device, self._dtype)
        y: Tensor = self.model(picture.contiguous(memory_format=torch.channels_last), scale)
        return y.float().cpu().numpy()

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory for each LR pixel, measured on a small picture."""
        return working_memory(self.model, scale, self._device, self._dtype) // PROBE**2

    def free_memory(self) -> int | None:
        """Bytes free on a CUDA card; None elsewhere, where memory is shared with the host."""
        return torch.cuda.mem_get_info()[0] if self._device.type == "cuda" else None


@torch.inference_mode()
def working_memory(model: nn.Module, scale: int, device: torch.device, dtype: torch.dtype) -> int:
    """Bytes that the results of a network's layers take at their peak, on a small picture.

    Each layer's output is counted from when it is made until Python lets go of it.
    """
    live = peak = 0

    def made(_module: nn.Module, inputs: tuple[Tensor, ...], output: object) -> None:
        nonlocal live, peak
        if isinstance(output, Tensor):
            live += output.nbytes
            peak = max(peak, live)
            weakref.finalize(output, freed, output.nbytes)

    def freed(count: int) -> None:
        nonlocal live
        live -= count

    probe = copy.deepcopy(model)  # hooks on a copy: the model itself stays as it is
    for module in probe.modules():
        if not any(module.children()):
            module.register_forward_hook(made)
    y = probe(torch.zeros(1, 3, PROBE, PROBE, device=device, dtype=dtype), scale)
    # The picture in and out in float32, twice, and a fifth for what the layers allot inside.
    return int(1.2 * peak) + 2 * 4 * (y.numel() + 3 * PROBE**2)


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
