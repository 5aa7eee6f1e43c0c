"""Contracts for running models: engines, and the file formats that some of them run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ._facts import fact

if TYPE_CHECKING:
    from pathlib import Path

    from . import F32


class Runner(Protocol):
    """A model that an engine has prepared; its inputs and outputs are numpy arrays.

    Attributes:
        reach: as in :class:`srzoo.contracts.Generator`.
        multiple: likewise. An older runner without it has multiple 1.
        model: the ``nn.Module`` that runs, or None if the engine has none.
        parameters: number of parameters of the trained network; None if the engine does not know
            it.

    Two more attributes are optional: ``device``, the name of the device it runs on ("cpu" by
    default), and ``batches``, True if a call takes B pictures, B x 3 x H x W, and returns
    B x 3 x sH x sW (False by default). A batch gives the same results as its pictures one by one.
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

        The caller owns the result and may overwrite it. Threads may call it at the same time; it
        leaves no threads running.
        """
        ...

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory, in bytes, that each LR pixel of a call needs at its peak."""
        ...

    def bytes_aside(self, scale: int) -> int:
        """Working memory, in bytes, that a call needs in addition, for any size."""
        ...

    def free_memory(self) -> int | None:
        """Free bytes on its device; None if that is the host."""
        ...


class Session(Protocol):
    """An opened export."""

    def __call__(self, x: F32) -> F32:
        """Float32 1 x 3 x H x W to 1 x 3 x sH x sW, any size on its grid from its smallest.

        It is called by one thread at a time. The result may be in the engine's memory, and is valid
        until the next call.
        """
        ...


class ExportFormat(Protocol):
    """A file format for networks that other programs run; built without arguments.

    Attributes:
        suffix: the file's suffix, such as ".onnx".
        beside: suffixes of the files written beside it, with the same stem; most formats: ``()``.
        packages: distributions that it needs besides onnx and onnxscript, each with the module
            that it provides.
        extra: the extra of srzoo, or of the plugin's own package, that installs them.
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
        """Write ``path``, and the files beside it, from an ONNX file; ``about`` is metadata.

        Raises:
            ModelError: the converter does not support the network; this is remembered for a week.
            UnfinishedError: (of ``srzoo.engines``) it failed for another reason, such as a killed
                program.
        """
        ...

    def about(self, path: Path) -> str:
        """The line that :meth:`write` put into the file; it does not import torch."""
        ...

    def open(self, path: Path, threads: int) -> Session:
        """Prepare the file to run on a CPU, in float32; it imports no torch and writes no files.

        It needs only the file and those ``beside`` it, in any folder.
        """
        ...


class Engine(Runner, Protocol):
    """A way to run models on some hardware: a class that states its facts and builds a Runner.

    ``Engine(folder=PATH, device=..., precision=...)`` prepares the model folder; ``device`` is
    auto, cpu, cuda, cuda:N, mps, gpu or gpu:N (a GPU of any maker, by DirectML or OpenVINO), and
    ``precision`` is auto, fp32, bf16 or fp16. It raises a DeviceError for one that it does not
    state. It changes neither the folder nor torch's global settings (threads, gradients, default
    types).

    Attributes:
        devices: kinds of device that it computes on: cpu, cuda, mps, gpu.
        precisions: fp32, bf16, fp16; the first is what "auto" means.
        speed: speed relative to plain torch (float32, eager, NCHW) on the same device: a table
            such as ``{"cpu": 3.2, "cuda": 1.0}``, or one number for the CPU, or for the card if the
            CPU is not among ``devices``. The ``auto`` engine chooses the fastest; never one that is
            slower there than the engine of ``srzoo.defaults``, or that states 0 (not measured).

    Further facts are optional, all of them class attributes: ``first_use``, extra seconds of the
    first use (0); ``export_format``, the registered export format that it runs
    (""); ``packages``, the distributions that it needs, each with the module it provides ({});
    ``extra``, the extra of its own package that installs them (""); ``generators``, the only ones
    whose models it runs (() for all); ``built_for``, the devices that only some builds of its
    package support, and a file that identifies those builds (()). An installed engine states the
    same in the file ``engines.toml`` in its package, which is read without an import; ``auto``
    ignores engines without that file. :class:`srzoo.engines.ExportRunner` is an optional base class
    for engines that run exports.
    """

    @fact
    def devices(self) -> tuple[str, ...]: ...
    @fact
    def precisions(self) -> tuple[str, ...]: ...
    @fact
    def speed(self) -> float | Mapping[str, float]: ...
