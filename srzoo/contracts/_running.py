"""What runs a model: engines, and the formats of the files that some of them run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ._facts import fact

if TYPE_CHECKING:
    from pathlib import Path

    from . import F32


class Runner(Protocol):
    """A model made ready by an engine; numpy at its edges.

    Attributes:
        reach: as in :class:`srzoo.contracts.Generator`.
        multiple: likewise. A runner of before there were grids lacks it; it is 1 then.
        model: the ``nn.Module`` that runs, or None where the engine has none.
        parameters: of the network as it was trained; None where the engine does not show it.

    It may have two more: ``device``, the name of what it runs on ("cpu" where it has none), and
    ``batches``, True where a call takes B pictures, B x 3 x H x W, and gives B x 3 x sH x sW (False
    where it has none). The pictures of a batch come to the same as they do one by one.
    """

    @fact
    def reach(self) -> int | None: ...
    @fact
    def multiple(self) -> int: ...
    @fact
    def model(self) -> Any: ...
    @fact
    def parameters(self) -> int | None: ...

    def __call__(self, x: F32, scale: int) -> F32:
        """Float32 1 x 3 x H x W in 0..1 to 1 x 3 x sH x sW, unclamped; H and W on the grid.

        The result is the caller's, to be written over. Threads may call it at the same time; it
        leaves none behind.
        """
        ...

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory, in bytes, that each LR pixel of a call needs at its peak."""
        ...

    def bytes_aside(self, scale: int) -> int:
        """Working memory, in bytes, that a call needs besides, whatever its size."""
        ...

    def free_memory(self) -> int | None:
        """Bytes free on the device it runs on; None where that is the host."""
        ...


class Session(Protocol):
    """An exported file, opened."""

    def __call__(self, x: F32) -> F32:
        """Float32 1 x 3 x H x W to 1 x 3 x sH x sW, any size on its grid from its smallest.

        There is one call at a time. The result may lie in the engine's memory until the next.
        """
        ...


class ExportFormat(Protocol):
    """A file format that other programs run networks in; built without arguments.

    Attributes:
        suffix: of the file, like ".onnx".
        beside: suffixes of the files that stand beside it, alike in name; most formats: ``()``.
        packages: what has to be installed besides onnx and onnxscript: distributions, and the
            module each one brings.
        extra: the extra of srzoo, or of the plugin's own package, that brings them.
    """

    @fact
    def suffix(self) -> str: ...
    @fact
    def beside(self) -> tuple[str, ...]: ...
    @fact
    def packages(self) -> Mapping[str, str]: ...
    @fact
    def extra(self) -> str: ...

    def write(self, onnx: Path, path: Path, about: str) -> None:
        """Write ``path``, and what stands beside, from an ONNX file; ``about`` goes inside.

        Raises:
            ModelError: the converter does not take the network; this is remembered for a week.
            UnfinishedError: (of ``srzoo.engines``) it failed for another reason, as when its
                program was killed.
        """
        ...

    def about(self, path: Path) -> str:
        """The line that :meth:`write` put into the file; no torch."""
        ...

    def open(self, path: Path, threads: int) -> Session:
        """Make the file ready to run on a CPU, in float32; no torch, and nothing is written.

        All that it needs stands in the file and those ``beside`` it, wherever they lie.
        """
        ...


class Engine(Runner, Protocol):
    """A way to run models on some hardware: a class that states its facts and makes a Runner.

    It is built as ``Engine(folder=PATH, device=..., precision=...)``, which makes the model folder
    ready; ``device`` is auto, cpu, cuda, cuda:N, mps, gpu or gpu:N (which are for GPUs of any
    maker, such as DirectML serves), and ``precision`` is auto, fp32, bf16 or fp16. One that it
    does not state it refuses with a DeviceError. The folder stays as it is, and so does what holds
    for all of torch in the process (threads, gradients, default types).

    Attributes:
        devices: kinds of device that it computes on: cpu, cuda, mps, gpu.
        precisions: fp32, bf16, fp16; the first is what "auto" means.
        speed: how many times as fast as plain torch (float32, eager, NCHW) on the same device: a
            table such as ``{"cpu": 3.2, "cuda": 1.0}``, or a number, which is the CPU's, or a
            card's where the CPU is not among ``devices``. The ``auto`` engine takes the fastest;
            never one that is slower there than the engine of ``srzoo.defaults``, or that states 0
            because nobody has measured it.

    It may state further facts, all of them class attributes: ``first_use``, seconds that the first
    use takes more than others (0); ``export_format``, the registered export format that it runs
    (""); ``packages``, the distributions that it needs and the module each one brings ({});
    ``extra``, the extra of its own package that brings them (""); ``generators``, the only ones
    whose models it runs (() for all); ``built_for``, which of the devices only some builds of its
    package can use, and a file by which those are known (()). An installed engine states the
    same in the file ``engines.toml`` in its package, which is read without an import; ``auto``
    takes none that has no such file. :class:`srzoo.engines.ExportRunner` is a base for those that
    run exports; it is not needed.
    """

    @fact
    def devices(self) -> tuple[str, ...]: ...
    @fact
    def precisions(self) -> tuple[str, ...]: ...
    @fact
    def speed(self) -> float | Mapping[str, float]: ...
