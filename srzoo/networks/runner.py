"""Networks as runners for an Upscaler: numpy in, numpy out.

On a CPU the network and its pictures are channels-last, which is faster, and makes every output
value independent of the size of its tile.
"""

from __future__ import annotations

import copy
import os
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor
from torch.autograd.profiler import profile

from .. import contracts
from ..contracts import multiple_of, nn_module, on_grid
from ..plugins import importing
from . import threads
from .inference import BLOCK, InferenceNetwork

if TYPE_CHECKING:
    from ..contracts import F32

PROBE = 32
"""Side of the picture for measuring the working memory; at least one cell of the grid."""
_MEASURING = threading.Lock()
"""One measurement at a time, as an environment variable silences the profiler."""


class ModuleRunner:
    """A network on a device; float32 arrays B x 3 x H x W in, B x 3 x sH x sW out.

    Args:
        model: the network, or the result of :func:`srzoo.networks.inference.for_inference`.
        device: its device; None for the CPU.
        dtype: its number type.
    """

    def __init__(
        self,
        model: contracts.Generator,
        device: torch.device | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        threads.prepare()
        self.parameters = count(model)
        self._device = device or torch.device("cpu")
        self.device = str(self._device)
        self.batches = True
        self._dtype = dtype
        self._needs: dict[int, MemoryNeeds] = {}
        self.model = model.to(self._device, dtype).to(memory_format=torch.channels_last).eval()
        self.reach = model.reach
        self.multiple = multiple_of(model)

    @torch.inference_mode()
    def __call__(self, x: F32, scale: int) -> F32:
        """Run pictures or tiles of one size."""
        threads.prepare()
        picture = torch.as_tensor(x).to(self._device, self._dtype)
        with importing.blamed(self.model):
            picture = picture.contiguous(memory_format=torch.channels_last)
            return enlarged(self.model, picture, scale).float().cpu().numpy()

    def compile(self) -> None:
        """Wrap the network in ``torch.compile``, which compiles at the first calls."""
        self.batches = False  # each new batch size might compile again
        if isinstance(self.model, InferenceNetwork):  # its tail runs in blocks of too many shapes
            inner = self.model.generator
            inner.features = _compiled(inner.features)
        else:
            whole = nn_module(self.model)
            whole.forward = _compiled(whole.forward)

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory for each LR pixel, measured once on a small picture."""
        return self._measured(scale).per_pixel

    def bytes_aside(self, scale: int) -> int:
        """Further working memory: that of a block of the tail."""
        return self._measured(scale).aside

    def _measured(self, scale: int) -> MemoryNeeds:
        threads.prepare()
        with _MEASURING:
            if scale not in self._needs:
                with importing.blamed(self.model):
                    found = measure_memory(self.model, scale, self._device, self._dtype)
                self._needs[scale] = found
            return self._needs[scale]

    def free_memory(self) -> int | None:
        """Free bytes of a CUDA GPU; None for other devices, which share the host's memory."""
        return torch.cuda.mem_get_info(self._device)[0] if self._device.type == "cuda" else None


def _compiled(function: Any) -> Any:
    return torch.compile(function, dynamic=True)  # pyright: ignore[reportUnknownMemberType]


def count(model: contracts.Module) -> int:
    """The number of parameters of a network."""
    return sum(parameter.numel() for parameter in model.parameters())


def enlarged(model: contracts.Generator, x: Tensor, scale: int) -> Tensor:
    """Upscale pictures by a generator.

    Raises:
        BrokenPluginError: the result is not a tensor.
    """
    y = cast("object", model(x, scale))
    if not isinstance(y, Tensor):
        raise importing.gave(model, type(model).__name__, y, "a tensor B x 3 x sH x sW")
    return y


@dataclass(frozen=True)
class MemoryNeeds:
    """Bytes of working memory: for each LR pixel of a call, and for each call in addition."""

    per_pixel: int
    aside: int = 0


@torch.inference_mode()
def measure_memory(
    model: contracts.Generator, scale: int, device: torch.device, dtype: torch.dtype
) -> MemoryNeeds:
    """The peak memory of a network, with its result, measured on a small picture."""
    if device.type not in ("cpu", "cuda"):  # others cannot be measured; the CPU does the same work
        model, device = copy.deepcopy(model).to("cpu"), torch.device("cpu")
    side = on_grid(PROBE, multiple_of(model))
    x = torch.zeros(1, 3, side, side, device=device, dtype=dtype)
    x = x.contiguous(memory_format=torch.channels_last)
    measured = _on_cuda if device.type == "cuda" else _on_cpu
    if not isinstance(model, InferenceNetwork):
        return MemoryNeeds(
            (measured(lambda: enlarged(model, x, scale).float(), device) + x.nbytes) // side**2
        )
    f = model.features(x, scale)
    result = 3 * scale**2 * 4 * (1 if dtype == torch.float32 else 2)  # also in float32, at the end
    body = measured(lambda: model.features(x, scale), device) + x.nbytes
    tail = measured(lambda: model.reconstruct(f, scale), device)
    # While the tail runs, memory contains the features, the result, and one block of the tail.
    standing = f.nbytes + x.nbytes + result * side**2
    return MemoryNeeds(max(body, standing) // side**2, tail * BLOCK**2 // side**2)


def _on_cpu(run: Callable[[], Tensor], _device: torch.device) -> int:
    """Peak bytes, including those inside operations, which Python cannot measure.

    The convolutions of ``bicubic`` need three times the memory of their results.
    """
    run()  # allocations of the first call are not working memory
    profiler = profile(profile_memory=True)
    with _quiet(), profiler:
        result = run()
    found = profiler.kineto_results
    recorded: list[Any] = found.events() if found else []  # torch's types lack ``nbytes``
    events = [event for event in recorded if event.name() == "[memory]"]
    live = peak = 0
    for event in sorted(events, key=lambda e: int(e.start_ns())):
        live += int(event.nbytes())
        peak = max(peak, live)
    return max(peak, result.nbytes)


def _on_cuda(run: Callable[[], Tensor], device: torch.device) -> int:
    run()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    run()
    return torch.cuda.max_memory_allocated(device) - before


@contextmanager
def _quiet() -> Generator[None]:
    """Silence the profiler, which prints its start to stderr."""
    before = os.environ.get("KINETO_LOG_LEVEL")
    os.environ["KINETO_LOG_LEVEL"] = before or "99"
    try:
        yield
    finally:
        if before is None:
            del os.environ["KINETO_LOG_LEVEL"]
