"""One measurement in a new process: ``python -m srzoo.benching.once TASK``.

TASK is a :class:`MeasurementTask` as JSON; the output is a :class:`Measurement`, or a
:class:`MeasurementError`, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common import descriptors, memory, strict
from ..errors import SrzooError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..contracts import F32, U8

    Run = Callable[[U8], U8]

ENGINE, PLAIN, FILE, PRODUCT = "engine", "plain", "file", "product"
RUNS = 2
"""The number of runs, of which the fastest counts: some engines prepare something per size."""
PRODUCTS, SIDE = 8, 2048
"""The number of matrix products, and their size."""


@dataclass(frozen=True)
class MeasurementTask:
    """The task of a measurement.

    Attributes:
        kind: ENGINE (as a user runs it), PLAIN (the bare network in torch), FILE (an export, run
            without tiles) or PRODUCT (a matrix product).
        name: of the engine, or of the file's format.
        model: the model's folder.
        scale: one of its scales.
        size: width and height of the picture, in LR pixels.
        file: the export.
        memory: a limit in bytes for an ENGINE's process; 0 for the default.
    """

    kind: str
    name: str = ""
    model: str = ""
    scale: int = 1
    size: tuple[int, int] = (1, 1)
    file: str = ""
    memory: int = 0


@dataclass(frozen=True)
class Measurement:
    """The result of a measurement.

    Attributes:
        seconds: of the fastest run.
        memory: peak bytes, minus those of an idle Python with numpy.
    """

    seconds: float
    memory: int


@dataclass(frozen=True)
class MeasurementError:
    """The error of a measurement, with the fields of :class:`~srzoo.errors.SrzooError`."""

    what: str
    fix: str


def main() -> None:
    """Run the task of the command line."""
    own = descriptors.take_stdout_as_text()  # engines print to stdout, some at exit
    bare = memory.peak()
    task = strict.parse(MeasurementTask, json.loads(sys.argv[1]), "the task")
    try:
        seconds = _product() if task.kind == PRODUCT else _timed(task)
        found: Measurement | MeasurementError = Measurement(seconds, memory.peak() - bare)
    except SrzooError as error:
        found = MeasurementError(error.what, error.fix)
    own.write(json.dumps(asdict(found)) + "\n")


def _product() -> float:
    """Seconds of the fastest of several float32 matrix products."""
    a = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    b, times = a.T.copy(), list[float]()
    for _ in range(PRODUCTS):
        start = time.perf_counter()
        np.matmul(a, b)
        times.append(time.perf_counter() - start)
    return min(times)


def _timed(task: MeasurementTask) -> float:
    """Seconds from an array to an array, without loading."""
    run = {ENGINE: _engine, PLAIN: _plain, FILE: _file}[task.kind](task)
    width, height = task.size
    picture: U8 = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    times: list[float] = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run(picture)
        times.append(time.perf_counter() - start)
    return min(times)


def _engine(task: MeasurementTask) -> Run:
    """The engine with the usual tiles."""
    from ..upscaling import loading

    upscaler = loading.load(task.model, engine=task.name, device="cpu", memory=task.memory or None)
    return lambda picture: upscaler.array(picture, task.scale)


def _plain(task: MeasurementTask) -> Run:
    """A direct use of torch: the whole picture through the trained network."""
    import torch

    from ..models.folder import read_folder
    from ..networks import folders
    from ..networks.grid import any_size

    generator: Any = any_size(folders.build(read_folder(Path(task.model))))

    @torch.inference_mode()
    def run(picture: U8) -> U8:
        x = torch.as_tensor(picture).permute(2, 0, 1)[None].contiguous().float() / 255
        y = generator(x, task.scale)[0].clamp(0, 1)
        return (y * 255).round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy()

    return run


def _file(task: MeasurementTask) -> Run:
    """The whole picture through an exported file."""
    from ..plugins import kinds

    session = kinds.export_formats.create(task.name).open(Path(task.file), memory.cores())

    def run(picture: U8) -> U8:
        x: F32 = np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)
        x /= 255
        y: NDArray[Any] = np.rint(np.clip(session(x)[0], 0, 1) * 255).astype(np.uint8)
        return np.ascontiguousarray(y.transpose(1, 2, 0))

    return run


if __name__ == "__main__":
    main()
