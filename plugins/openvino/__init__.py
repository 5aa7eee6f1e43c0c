"""OpenVINO: export format and engine, mainly for Intel CPUs and GPUs.

https://docs.openvino.ai
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from xml.etree import ElementTree

from srzoo.engines import USE_ANOTHER, DeviceRunner
from srzoo.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from srzoo.contracts import F32


TELEMETRY = "openvino_telemetry"
CPU, GPU = "CPU", "GPU"
"""OpenVINO's names of devices; of several GPUs: GPU.0, GPU.1."""
_importing = threading.RLock()


class OpenVINO:
    """Two files, .xml and .bin, in float32; the first names the pair."""

    suffix = ".xml"
    beside = (".bin",)
    packages: ClassVar[Mapping[str, str]] = {
        "openvino": "openvino",
    }
    extra = "openvino"

    def write(self, onnx: Path, path: Path, about: str) -> None:
        """Convert; ``about`` is stored in the file's ``rt_info``."""
        openvino = _openvino()
        try:
            model: Any = _core().read_model(str(onnx))
        except RuntimeError as error:
            raise ModelError("OpenVINO cannot convert this network", USE_ANOTHER) from error
        model.set_rt_info(about, ["srzoo"])
        openvino.save_model(model, str(path), compress_to_fp16=False)

    def about(self, path: Path) -> str:
        """The ``rt_info``."""
        found = ElementTree.parse(path).find("rt_info/srzoo")
        return found.attrib["value"] if found is not None else ""

    def open(self, path: Path, threads: int) -> _Session:
        """Compile for the CPU."""
        return _Session(path, threads)


def _openvino() -> Any:
    """OpenVINO without its telemetry, which sends an event to its makers at the import.

    A module that is None counts as not installed, and OpenVINO works without it.
    """
    with _importing:
        modules: dict[str, Any] = sys.modules
        hidden = TELEMETRY not in modules
        if hidden:
            modules[TELEMETRY] = None
        try:
            return import_module("openvino")
        finally:
            if hidden:
                del modules[TELEMETRY]


def _core() -> Any:
    """The Core that all sessions share, whichever thread creates it."""
    with _importing:
        return _kept_core()


@functools.cache
def _kept_core() -> Any:
    """A Core that is never deleted.

    A Core sets an alternate stack for signals when it compiles for the CPU. If two Cores are
    deleted in the order of their creation, the second restores the first one's stack, which has
    been unmapped: the next signal that Python handles, such as Ctrl-C, ends the process with a
    segmentation fault.
    """
    return _openvino().Core()


class _Session:
    def __init__(self, path: Path, threads: int, device: str = CPU) -> None:
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }
        if device == CPU:
            options |= {
                "INFERENCE_NUM_THREADS": threads,
                "ENABLE_CPU_PINNING": False,
                "CPU_RUNTIME_CACHE_CAPACITY": 0,  # otherwise it stores data for each size
            }
        # No CACHE_DIR: it saves a tenth of a second, and accepts damaged files.
        compiled: Any = _core().compile_model(str(path), device, options)
        self._request: Any = compiled.create_infer_request()

    def __call__(self, x: F32) -> F32:
        return self._request.infer([x], share_inputs=True, share_outputs=False)[0]


class Engine(DeviceRunner):
    """Runs models with OpenVINO in float32, on the CPU or on an Intel GPU (gpu)."""

    export_format = "openvino"
    devices = ("cpu", "gpu")
    speed = 4.6  # on the CPU
    packages = OpenVINO.packages
    extra = OpenVINO.extra

    def open_on(self, path: Path, device: str, threads: int) -> _Session:
        """Compile for a GPU, counted in OpenVINO's order."""
        there = [name for name in _core().available_devices if name.partition(".")[0] == GPU]
        index = int(device.partition(":")[2] or 0)
        if index >= len(there):
            counted = f"{len(there)} GPUs" if len(there) > 1 else "one GPU" if there else "no GPU"
            raise DeviceError(f"OpenVINO finds {counted} here, not {device}", 'Use device="cpu"')
        try:
            return _Session(path, threads, there[index])
        except RuntimeError as error:
            first = (str(error).splitlines() or [""])[0]
            what = f"OpenVINO cannot use {device}: {first}"
            raise DeviceError(what, 'Use device="cpu"') from error
