"""ncnn: export format and engine; phones and Vulkan programs can use the files too.

https://github.com/Tencent/ncnn; the converter is pnnx, https://github.com/pnnx/pnnx
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module, util
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from srzoo.engines import USE_ANOTHER, ExportRunner, UnfinishedError
from srzoo.errors import ModelError

if TYPE_CHECKING:
    from srzoo.contracts import F32

LONGEST = 255
"""The largest length of a layer's name in ncnn, in characters."""
SHAPES = "inputshape=[1,3,37,43]", "inputshape2=[1,3,52,61]"
"""Two sizes show the converter that height and width are variable."""
HALVES = "fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "int8_inference"


class NCNN:
    """Two files, .param (text) and .bin, in float32; the first names the pair."""

    suffix = ".param"
    beside = (".bin",)
    packages: ClassVar[Mapping[str, str]] = {
        "ncnn": "ncnn",
        "pnnx": "pnnx",
    }
    extra = "ncnn"

    def write(self, onnx: Path, path: Path, about: str) -> None:
        """Convert; ``about`` is stored as the name of a layer without function."""
        if len(about) > LONGEST:
            raise ModelError(f"ncnn stores at most {LONGEST} characters", "Shorten its name")
        with tempfile.TemporaryDirectory(dir=path.parent) as name:
            work = Path(name)
            shutil.copyfile(onnx, work / "net.onnx")
            process = subprocess.run(
                [_converter(), "net.onnx", *SHAPES, "fp16=0", "optlevel=2"],
                cwd=work, capture_output=True, check=False, stdin=subprocess.DEVNULL,
            )  # fmt: skip
            if process.returncode < 0:
                raise UnfinishedError(
                    f"pnnx was stopped by signal {-process.returncode}", USE_ANOTHER
                )
            param = work / "net.ncnn.param"
            text = param.read_text(encoding="ascii") if param.exists() else ""
            magic, counts, *layers = text.split("\n") if text else ("", "0 0")
            # Layers of pnnx that ncnn lacks keep a name with a dot, such as pnnx.Expression.
            if process.returncode or not text or any("." in line.split(" ")[0] for line in layers):
                raise ModelError("pnnx cannot convert this network", USE_ANOTHER)
            count, blobs = map(int, counts.split())
            lines = [magic, f"{count + 1} {blobs}", f"Noop {about} 0 0", *layers]
            path.write_text("\n".join(lines), encoding="ascii")
            shutil.copyfile(work / "net.ncnn.bin", path.with_suffix(".bin"))

    def about(self, path: Path) -> str:
        """The name of the first layer."""
        with path.open(encoding="ascii") as file:
            lines = [next(file, "") for _ in range(3)]
        kind, _, rest = lines[2].partition(" ")
        return rest.rpartition(" 0 0")[0] if kind == "Noop" else ""

    def open(self, path: Path, threads: int) -> _Session:
        """Load on the CPU."""
        return _Session(path, threads)


def _converter() -> str:
    """The program of the package pnnx, found without importing it, as that would import torch."""
    spec = util.find_spec("pnnx")
    if spec is None or not spec.submodule_search_locations:
        raise ModelError("pnnx is not installed", 'Install it: pip install "srzoo[ncnn]"')
    name = "pnnx.exe" if sys.platform == "win32" else "pnnx"
    return str(Path(spec.submodule_search_locations[0]) / name)


class _Session:
    def __init__(self, path: Path, threads: int) -> None:
        ncnn: Any = import_module("ncnn")
        self._ncnn = ncnn
        self._net: Any = ncnn.Net()
        options = self._net.opt
        options.num_threads = threads
        options.use_vulkan_compute = False
        for half in HALVES:
            setattr(options, f"use_{half}", False)
        # Without its own pools it keeps the memory of its largest call.
        self._pools: Any = (ncnn.UnlockedPoolAllocator(), ncnn.PoolAllocator())
        options.blob_allocator, options.workspace_allocator = self._pools
        if self._net.load_param(str(path)) or self._net.load_model(str(path.with_suffix(".bin"))):
            raise ModelError(f"ncnn cannot load {path}", "Export it again")

    def __call__(self, x: F32) -> F32:
        _, channels, height, width = x.shape
        # Not Mat(array): ncnn aligns planes, and would read past those of an array.
        picture = self._ncnn.Mat(width, height, channels)
        np.asarray(picture)[:] = x[0]
        with self._net.create_extractor() as extractor:
            extractor.input("in0", picture)
            code, made = extractor.extract("out0")
            if code:
                raise ModelError(f"ncnn failed with code {code}", 'Use engine="torch"')
            y = np.array(made)[None]
            del made
        for pool in self._pools:
            pool.clear()
        return y


class Engine(ExportRunner):
    """Runs models with ncnn, on the CPU in float32."""

    export_format = "ncnn"
    speed = 2.0
    packages = NCNN.packages
    extra = NCNN.extra
