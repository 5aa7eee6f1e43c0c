"""A network as something an Upscaler can run: numpy in, numpy out.

On a CPU the network and its pictures lie channels-last: faster, and then every output value is
the same whatever the size of the tile it was computed in.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.autograd.profiler import profile

if TYPE_CHECKING:
    from ..contracts import F32

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
    """Bytes that a network takes at its peak on a small picture, its result included.

    Every allocation counts, also those inside an operation that Python never sees: bicubic's
    convolutions take three times what their results do.
    """
    if device.type == "cuda":
        return _on_cuda(model, scale, device, dtype)
    if device.type != "cpu":  # other devices do not tell; the CPU does the same work
        model, device = copy.deepcopy(model).to("cpu"), torch.device("cpu")
    x = torch.zeros(1, 3, PROBE, PROBE, device=device, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    model(x, scale)  # what is made once, at the first call, is no working memory
    with _quiet(), profile(profile_memory=True) as profiler:
        result: Tensor = model(x, scale).float()
    events = [e for e in cast("Any", profiler).kineto_results.events() if e.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: int(e.start_ns())):
        live += int(event.nbytes())
        peak = max(peak, live)
    return max(peak, result.nbytes) + x.nbytes


@contextmanager
def _quiet() -> Generator[None]:
    """The profiler tells on stderr that it starts, unless it is asked not to."""
    before = os.environ.get("KINETO_LOG_LEVEL")
    os.environ["KINETO_LOG_LEVEL"] = before or "99"
    try:
        yield
    finally:
        if before is None:
            del os.environ["KINETO_LOG_LEVEL"]


def _on_cuda(model: nn.Module, scale: int, device: torch.device, dtype: torch.dtype) -> int:
    x = torch.zeros(1, 3, PROBE, PROBE, device=device, dtype=dtype)
    model(x, scale)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    model(x.contiguous(memory_format=torch.channels_last), scale).float()
    return torch.cuda.max_memory_allocated(device) - before + x.nbytes
