"""ONNX: the format that nearly everything reads, and ONNX Runtime as an engine, on GPUs too.

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
            "use_tf32": "0",  # it has 10 bits
            "arena_extend_strategy": "kSameAsRequested",  # or each block were twice the last
            "cudnn_conv_algo_search": "HEURISTIC",  # or all are tried for every size of a tile
            "cudnn_conv_use_max_workspace": "0",
        },
    ),
    "mps": (
        "CoreMLExecutionProvider",
        # The Neural Engine computes in float16 alone, and the older format too on a GPU.
        {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},
    ),
    "gpu": ("DmlExecutionProvider", {}),
}
"""The execution provider of each kind of device, and its options."""
INDEXED = "cuda", "gpu"
ON_CPU = 'Use device="cpu"'


class ONNX:
    """One file with the ending .onnx, weights inside, in float32."""

    suffix = ".onnx"
    beside = ()
    packages: ClassVar[Mapping[str, str]] = {
        "onnxruntime": "onnxruntime",
    }
    extra = "onnx"

    def write(self, onnx: Path, path: Path, about: str) -> None:
        """It is there already, with ``about`` in its metadata under "srzoo"."""
        del about
        shutil.copyfile(onnx, path)

    def about(self, path: Path) -> str:
        """The metadata's entry "srzoo"."""
        return _Session(path, 1).about

    def open(self, path: Path, threads: int) -> _Session:
        """Load into ONNX Runtime, on the CPU."""
        return _Session(path, threads)


class _Session:
    def __init__(self, path: Path, threads: int, device: str = "cpu") -> None:
        onnxruntime = _onnxruntime()
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # memory is given back after each call
        options.enable_mem_pattern = False  # plans would be kept for each size; not in DirectML
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL  # DirectML has no other
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        kind, _, index = device.partition(":")
        name, how = PROVIDERS[kind]
        given = {**how, "device_id": index or "0"} if kind in INDEXED else {**how}
        try:
            # Without its own fallback, which prints to stdout, and says nothing to the caller.
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
    """ONNX Runtime without its telemetry, which begins at the import and asks for a host.

    Switched off afterwards alone, it would still send what the import has noted.
    """
    os.environ[SILENT] = "1"  # whoever wants it on imports it first
    onnxruntime = import_module("onnxruntime")
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def _failures() -> tuple[type[Exception], ...]:
    """What ONNX Runtime raises; it has no common base but Exception."""
    state: Any = import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    names = (
        "EPFail", "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented",
        "RuntimeException",
    )  # fmt: skip
    return tuple(getattr(state, name) for name in names)


class Engine(DeviceRunner):
    """Runs models with ONNX Runtime in float32, on what its build has providers for.

    On the CPU; on NVIDIA's cards (cuda) by CUDA, on others (gpu) by DirectML, on a Mac's (mps) by
    CoreML.
    """

    export_format = "onnx"
    devices = ("cpu", "cuda", "mps", "gpu")
    # On cards it counts as plain torch, until somebody has measured it there.
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
        """Load into ONNX Runtime, with the provider for a GPU; what that lacks the CPU does."""
        provider = PROVIDERS[device.partition(":")[0]][0]
        if provider not in _onnxruntime().get_available_providers():
            raise DeviceError(f"the ONNX Runtime that is installed has no {provider}", ON_CPU)
        try:
            session = _Session(path, threads, device)
        except (ModelError, RuntimeError, ValueError) as error:
            first = (str(error.__cause__ or error).splitlines() or [type(error).__name__])[0]
            raise DeviceError(f"ONNX Runtime cannot use {device}: {first}", ON_CPU) from error
        if session.provider != provider:
            what = f"ONNX Runtime cannot use {device}: {provider} does not start"
            raise DeviceError(what, f"Install the libraries and the driver it needs, or: {ON_CPU}")
        return session
