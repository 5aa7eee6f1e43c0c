"""ONNX: the format that nearly everything reads, and ONNX Runtime as an engine.

https://onnx.ai, https://onnxruntime.ai
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from srzoo.engines import INPUT, USE_ANOTHER, ExportRunner
from srzoo.errors import ModelError

if TYPE_CHECKING:
    from srzoo.contracts import F32


SILENT = "ORT_DISABLE_TELEMETRY"


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
    def __init__(self, path: Path, threads: int) -> None:
        onnxruntime = _onnxruntime()
        options: Any = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.enable_cpu_mem_arena = False  # memory is given back after each call
        options.enable_mem_pattern = False  # plans would be kept for each size
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except _failures() as error:
            raise ModelError(f"ONNX Runtime cannot load {path.name}", USE_ANOTHER) from error
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
    names = "Fail", "InvalidArgument", "InvalidGraph", "InvalidProtobuf", "NotImplemented"
    return tuple(getattr(state, name) for name in (*names, "RuntimeException"))


class Engine(ExportRunner):
    """Runs models with ONNX Runtime, on the CPU in float32."""

    export_format = "onnx"
    speed = 2.7
    packages = ONNX.packages
    extra = ONNX.extra
