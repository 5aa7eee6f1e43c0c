"""One measurement, in a process of its own: ``python -m srzoo.benching.once TASK``.

TASK is a :class:`MeasurementTask` as JSON, and so is what is printed: a :class:`Measurement`, or
the :class:`MeasurementError` that came between.
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
"""Of which the faster one counts: some engines prepare something for each size."""
PRODUCTS, SIDE = 8, 2048
"""How often matrices are multiplied, and how large they are."""


@dataclass(frozen=True)
class MeasurementTask:
    """What is measured.

    Attributes:
        kind: ENGINE (what a user gets), PLAIN (the bare network in torch), FILE (an export, run
            without tiles) or PRODUCT (a product of matrices).
        name: of the engine, or of the file's format.
        model: the model's folder.
        scale: one of its scales.
        size: width and height of the picture, in LR pixels.
        file: the export.
        memory: bytes that an ENGINE's process may take; 0 for what a user gets.
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
    """What came out.

    Attributes:
        seconds: of the fastest run.
        memory: bytes at the peak, beside those of a Python with numpy that has done nothing.
    """

    seconds: float
    memory: int


@dataclass(frozen=True)
class MeasurementError:
    """Why nothing came out, as :class:`~srzoo.errors.SrzooError` has it."""

    what: str
    fix: str


def main() -> None:
    """Do what the command line says."""
    own = descriptors.take_stdout_as_text()  # engines print to stdout, some of them at the very end
    bare = memory.peak()
    task = strict.parse(MeasurementTask, json.loads(sys.argv[1]), "the task")
    try:
        seconds = _product() if task.kind == PRODUCT else _timed(task)
        found: Measurement | MeasurementError = Measurement(seconds, memory.peak() - bare)
    except SrzooError as error:
        found = MeasurementError(error.what, error.fix)
    own.write(json.dumps(asdict(found)) + "\n")


def _product() -> float:
    """Seconds that the fastest of several products of two matrices takes, in float32."""
    a = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    b, times = a.T.copy(), list[float]()
    for _ in range(PRODUCTS):
        start = time.perf_counter()
        np.matmul(a, b)
        times.append(time.perf_counter() - start)
    return min(times)


def _timed(task: MeasurementTask) -> float:
    """Seconds from an array to an array; what is loaded once does not count."""
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
    """With the tiles that a user gets."""
    from ..upscaling import loading

    upscaler = loading.load(task.model, engine=task.name, device="cpu", memory=task.memory or None)
    return lambda picture: upscaler.array(picture, task.scale)


def _plain(task: MeasurementTask) -> Run:
    """As anyone would write it: the whole picture through the network that was trained."""
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
