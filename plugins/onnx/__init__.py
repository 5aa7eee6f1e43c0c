"""ONNX: the format that most programs read, and ONNX Runtime as an engine, also on GPUs.

https://onnx.ai, https://onnxruntime.ai
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from srzoo.engines import INPUT, USE_ANOTHER, DeviceRunner
from srzoo.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from srzoo.contracts import F32


SILENT = "ORT_DISABLE_TELEMETRY"
CPU = "CPUExecutionProvider"
PROVIDERS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "cpu": (CPU, {}),
    "cuda": (
        "CUDAExecutionProvider",
        {
            "use_tf32": "0",  # it has a mantissa of 10 bits
            "arena_extend_strategy": "kSameAsRequested",  # otherwise each block is twice the last
            "cudnn_conv_algo_search": "HEURISTIC",  # otherwise all are timed for every tile size
            "cudnn_conv_use_max_workspace": "0",
        },
    ),
    "mps": (
        "CoreMLExecutionProvider",
        # The Neural Engine computes only in float16; so does the older format on a GPU.
        {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},
    ),
    "gpu": ("DmlExecutionProvider", {}),
}
"""The execution provider of each kind of device, and its options."""
INDEXED = "cuda", "gpu"
ON_CPU = 'Use device="cpu"'


class ONNX:
    """One file with the suffix .onnx, with weights inside, in float32."""

    suffix = ".onnx"
    beside = ()
    packages: ClassVar[Mapping[str, str]] = {
        "onnxruntime": "onnxruntime",
    }
    extra = "onnx"

    def write(self, onnx: Path, path: Path, about: str) -> None:
        """Nothing to write: the ONNX file exists, with ``about`` in its metadata under "srzoo"."""
        del about
        shutil.copyfile(onnx, path)

    def about(self, path: Path) -> str:
        """The metadata entry "srzoo"."""
        return _Session(path, 1).about

    def open(self, path: Path, threads: int) -> _Session:
        """Load into ONNX Runtime, on the CPU."""
        return _Session(path, threads)


class _Session:
    def __init__(self, path: Path, threads: int, device: str = "cpu") -> None:
        onnxruntime = _onnxruntime()
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # memory is released after each call
        options.enable_mem_pattern = False  # it stores a plan per size; not in DirectML
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL  # for DirectML
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        kind, _, index = device.partition(":")
        name, how = PROVIDERS[kind]
        given = {**how, "device_id": index or "0"} if kind in INDEXED else {**how}
        try:
            # Without its own fallback, which prints to stdout and does not report to the caller.
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=list({name: 0, CPU: 0}),
                provider_options=[given, {}][: 1 + (name != CPU)], enable_fallback=0,
            )  # fmt: skip
        except _failures() as error:
            raise ModelError(f"ONNX Runtime cannot load {path.name}", USE_ANOTHER) from error
        self.provider = str(self._session.get_providers()[0])
        self.about = str(self._session.get_modelmeta().custom_metadata_map.get("srzoo", ""))

    def __call__(self, x: F32) -> F32:
        try:
            return self._session.run(None, {INPUT: x})[0]
        except _failures() as error:
            raise ModelError("ONNX Runtime fails on a picture", USE_ANOTHER) from error


def _onnxruntime() -> Any:
    """ONNX Runtime without its telemetry, which begins at the import and looks up a host.

    If it were only switched off afterwards, it would still send the events of the import.
    """
    os.environ[SILENT] = "1"  # to keep it on, import onnxruntime first
    onnxruntime = import_module("onnxruntime")
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _failures() -> tuple[type[Exception], ...]:
    """The errors that ONNX Runtime raises; their only common base is Exception."""
    state: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    names = (
        "EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented",
        "RuntimeException",
    )  # fmt: skip
    return tuple(getattr(state, name) for name in names)


class Engine(DeviceRunner):
    """Runs models with ONNX Runtime in float32, on the devices of its execution providers.

    On the CPU; on NVIDIA GPUs (cuda) by CUDA, on other GPUs (gpu) by DirectML, on Macs (mps) by
    CoreML.
    """

    export_format = "onnx"
    devices = ("cpu", "cuda", "mps", "gpu")
    # On GPUs it counts as plain torch, until it is measured there.
    speed: ClassVar[float | Mapping[str, float]] = {"cpu": 2.7, "cuda": 1.0, "gpu": 1.0}
    packages = ONNX.packages
    extra = ONNX.extra
    built_for = (
        {
            "device": "cuda",
            "file": "onnxruntime/capi/build_and_package_info.py",
            "has": "^package_name = '.*gpu",
            "install": "pip uninstall onnxruntime, then pip install onnxruntime-gpu",
        },
        {
            "device": "gpu",
            "file": "onnxruntime/capi/build_and_package_info.py",
            "has": "^package_name = '.*directml",
            "install": "pip uninstall onnxruntime, then pip install onnxruntime-directml",
        },
    )

    def open_on(self, path: Path, device: str, threads: int) -> _Session:
        """Load into ONNX Runtime with a GPU's provider; the CPU runs what that does not support."""
        provider = PROVIDERS[device.partition(":")[0]][0]
        if provider not in _onnxruntime().get_available_providers():
            raise DeviceError(f"the installed ONNX Runtime has no {provider}", ON_CPU)
        try:
            session = _Session(path, threads, device)
        except (ModelError, RuntimeError, ValueError) as error:
            first = (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]
            raise DeviceError(f"ONNX Runtime cannot use {device}: {first}", ON_CPU) from error
        if session.provider != provider:
            what = f"ONNX Runtime cannot use {device}: {provider} cannot be loaded"
            raise DeviceError(what, f"Install the libraries and the driver it needs, or: {ON_CPU}")
        return session
