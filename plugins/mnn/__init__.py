"""MNN: export format and engine. The fastest on CPUs with AVX2, due to its Winograd kernels.

https://github.com/alibaba/MNN

The converter is called as a library. The ``mnnconvert`` command of the same package is not used,
as it installs packages and sends data about the machine and the model to its makers.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
import threading
from collections.abc import Generator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from srzoo.engines import INPUT, OUTPUT, USE_ANOTHER, ExportRunner
from srzoo.errors import ModelError

if TYPE_CHECKING:
    from srzoo.contracts import F32

_stdout = threading.Lock()


class MNN:
    """A file with the suffix .mnn, in float32."""

    suffix = ".mnn"
    beside = ()
    packages: ClassVar[Mapping[str, str]] = {
        "MNN": "MNN",
    }
    extra = "mnn"

    def write(self, onnx: Path, path: Path, about: str) -> None:
        """Convert; ``about`` is stored in the file's ``bizCode``."""
        with _stdout_silenced():
            import_module("_tools").mnnconvert(
                ["mnnconvert", "-f", "ONNX", "--modelFile", str(onnx), "--MNNModel", str(path),
                 "--bizCode", about]
            )  # fmt: skip
        if not path.exists():
            raise ModelError("MNN cannot convert this network", USE_ANOTHER)

    def about(self, path: Path) -> str:
        """The ``bizCode``."""
        return str(_Session(path, 1).module.get_info()["bizCode"])

    def open(self, path: Path, threads: int) -> _Session:
        """Load on the CPU."""
        return _Session(path, threads)


class _Session:
    def __init__(self, path: Path, threads: int) -> None:
        with _stdout_silenced():
            nn: Any = import_module("MNN.nn")
            self._expr: Any = import_module("MNN.expr")
            # Keep it, as the module uses its threads.
            self._runtime: Any = nn.create_runtime_manager(
                ({"backend": 0, "precision": "high", "memory": "normal",
                  "numThread": threads},)
            )  # fmt: skip
            self.module: Any = nn.load_module_from_file(
                str(path), [INPUT], [OUTPUT], runtime_manager=self._runtime,
                shape_mutable=False, rearrange=False,
            )  # fmt: skip

    def __call__(self, x: F32) -> F32:
        expr = self._expr
        y = self.module.forward(expr.const(x, list(x.shape), expr.NCHW))
        if y.data_format == expr.NC4HW4:
            y = expr.convert(y, expr.NCHW)
        return np.array(y.read())  # copied, as the next call overwrites the memory


class Engine(ExportRunner):
    """Runs models with MNN, on the CPU in float32."""

    export_format = "mnn"
    speed = 4.8
    packages = MNN.packages
    extra = MNN.extra


@contextlib.contextmanager
def _stdout_silenced() -> Generator[None]:
    """Redirect stdout: MNN prints to it from C, and a pipe may carry a picture."""
    with _stdout:
        _flush()
        try:
            kept = os.dup(1)
        except OSError:  # stdout is closed
            yield
            return
        nowhere = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, 1)
            yield
        finally:
            _flush()  # or C would write its buffer when the program ends
            os.dup2(kept, 1)
            os.close(kept)
            os.close(nowhere)


def _flush() -> None:
    """Flush the buffers of Python's and C's stdout."""
    with contextlib.suppress(OSError, ValueError, AttributeError):  # closed or missing
        sys.stdout.flush()
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("ucrtbase" if sys.platform == "win32" else None)
        library.fflush(None)
