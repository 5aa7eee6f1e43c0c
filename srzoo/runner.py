"""A network as something an Upscaler can run: numpy in, numpy out.

On a CPU the network and its pictures lie channels-last: faster, and then every output value is
the same whatever the size of the tile it was computed in.
"""

from __future__ import annotations

import copy
import weakref
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from .contracts import F32

PROBE = 16
"""Side of the picture on which the working memory is measured."""


class ModuleRunner:
    """A network on a device; float32 arrays 1 x 3 x H x W in, 1 x 3 x sH x sW out."""

    def __init__(
        self,
        model: nn.Module,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._device = device or torch.device("cpu")
        self._dtype = dtype
        self._per_pixel: dict[int, int] = {}
        self.model = model.to(self._device, dtype).to(memory_format=torch.channels_last).eval()
        self.reach = cast("int | None", model.reach)

    @torch.inference_mode()
    def __call__(self, x: F32, scale: int) -> F32:
        """Run one picture or tile."""
        picture = torch.as_tensor(x).to(self._device, self._dtype)
        y: Tensor = self.model(picture.contiguous(memory_format=torch.channels_last), scale)
        return y.float().cpu().numpy()

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory for each LR pixel, measured once on a small picture."""
        if scale not in self._per_pixel:
            found = working_memory(self.model, scale, self._device, self._dtype)
            self._per_pixel[scale] = found // PROBE**2
        return self._per_pixel[scale]

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
