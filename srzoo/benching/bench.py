"""Compares engines on one model: in turn, each measurement in a new process."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._version import __version__
from ..common import strict
from ..defaults import ENGINE as DEFAULT
from ..defaults import UNFOLDED_FORMAT
from ..errors import DeviceError, ModelError, PluginError, SrzooError
from ..exporting import engine_facts, exports, making
from ..models import requirements, scales
from ..plugins import kinds
from ..plugins.packages import versions
from ..upscaling import planner
from . import machine
from .machine import Machine
from .once import ENGINE, FILE, PLAIN, PRODUCT, SIDE, Measurement, MeasurementError, MeasurementTask

if TYPE_CHECKING:
    from ..common.progress import Progress
    from ..models.folder import ModelFolder

Size = tuple[int, int]

PLAIN_TORCH = "plain torch (eager, NCHW)"
"""The first baseline: the trained network on the whole picture, in PyTorch."""
UNFOLDED = f"{UNFOLDED_FORMAT}, unfolded"
"""The second baseline: a common fast way on a CPU."""


@dataclass(frozen=True)
class BenchRow:
    """One engine, or baseline, at one size.

    Attributes:
        engine: its name, or that of a baseline.
        size: width and height of the picture, in LR pixels.
        seconds: of the fastest run.
        megapixels: of the result, per second.
        memory: peak bytes of the process, minus those of a bare start.
        share: the plain network's multiply-adds per second, as a share of the machine's speed in
            matrix products; None without torch, which counts them.
    """

    engine: str
    size: Size
    seconds: float
    megapixels: float
    memory: int
    share: float | None


@dataclass(frozen=True)
class LeftOut:
    """An engine that was not measured, and the reason; at all sizes, or at one."""

    engine: str
    size: Size | None
    why: str


@dataclass(frozen=True)
class BenchReport:
    """The measurements, and their conditions.

    Attributes:
        srzoo: the version.
        model: its name.
        scale: the factor.
        machine: the computer.
        versions: of the packages that ran.
        rounds: how often everything was measured; the best counts.
        budget: bytes within which every engine was measured once more, if any.
        gflops: 10^9 operations (a multiply-add is two) per second of a matrix product.
        work: multiply-adds of the plain network per LR pixel; None without torch.
        rows: by size, then in the order of the names.
        left_out: engines that were not measured.
    """

    srzoo: str
    model: str
    scale: int
    machine: Machine
    versions: dict[str, str]
    rounds: int
    budget: int | None
    gflops: float
    work: int | None
    rows: tuple[BenchRow, ...]
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class _Candidate:
    """An engine or a baseline; ``explicit``: requested by name, so that a failure is an error."""

    name: str
    task: MeasurementTask
    packages: tuple[str, ...]
    explicit: bool


class _Bench:
    """Measures the candidates, and keeps the best result of each."""

    def __init__(self, folder: ModelFolder, scale: int, progress: Progress | None) -> None:
        self.folder = folder
        self.scale = scale
        self.progress = progress
        self.done = 0
        self.left_out: list[LeftOut] = []
        self.best: dict[tuple[str, Size], Measurement] = {}

    def tick(self, total: int) -> None:
        """Count one more step."""
        self.done += 1
        if self.progress:
            self.progress(self.done, total)

    def engine(self, name: str, explicit: bool) -> _Candidate | None:
        """Prepare an engine: its export is cached. None if it cannot be prepared."""
        task = MeasurementTask(ENGINE, name, str(self.folder.path), self.scale)
        try:
            stated = engine_facts.find(name)
            stated.need(name, "cpu", "auto")
            stated.need_generator(name, self.folder.config.generator)
            if command := engine_facts.missing(name):
                raise DeviceError(f"{name} is not installed", f"Install it: {command}")
            if stated.export_format:
                made = making.make_kept(self.folder, self.scale, stated.export_format)
                if made.record.refused:
                    raise ModelError(made.record.refused, "Leave this engine out")
        except (DeviceError, ModelError, PluginError) as error:
            self._leave_out(name, None, error, explicit)
            return None
        return _Candidate(name, task, tuple(stated.packages), explicit)

    def plain(self) -> _Candidate | None:
        """The first baseline; None without torch."""
        task = MeasurementTask(PLAIN, DEFAULT, str(self.folder.path), self.scale)
        if command := engine_facts.missing(DEFAULT):
            error = DeviceError(f"{DEFAULT} is not installed", f"Install it: {command}")
            self._leave_out(PLAIN_TORCH, None, error, False)
            return None
        return _Candidate(PLAIN_TORCH, task, tuple(engine_facts.find(DEFAULT).packages), False)

    def unfolded(self, place: Path) -> _Candidate | None:
        """The second baseline, exported to ``place``; None if it cannot be."""
        export_format = kinds.export_formats.create(UNFOLDED_FORMAT)
        path, packages = (
            place / f"model{export_format.suffix}",
            tuple(export_format.packages),
        )
        try:
            exports.require_format(UNFOLDED_FORMAT)
            exports.require_making(self.folder.name)
            from ..exporting import convert

            convert.write(self.folder, self.scale, UNFOLDED_FORMAT, path, fold=False)
        except (DeviceError, ModelError) as error:
            self._leave_out(UNFOLDED, None, error, False)
            return None
        task = MeasurementTask(
            FILE, UNFOLDED_FORMAT, str(self.folder.path), self.scale, file=str(path)
        )
        return _Candidate(UNFOLDED, task, packages, False)

    def measure(self, candidate: _Candidate, size: Size) -> None:
        """Make one measurement, unless the candidate has failed at this size."""
        if any((gone.engine, gone.size) == (candidate.name, size) for gone in self.left_out):
            return
        try:
            found = run_measurement(replace(candidate.task, size=size))
        except SrzooError as error:
            self._leave_out(candidate.name, size, error, candidate.explicit)
            return
        old = self.best.get((candidate.name, size), found)
        self.best[candidate.name, size] = Measurement(
            min(found.seconds, old.seconds), max(found.memory, old.memory)
        )

    def _leave_out(self, name: str, size: Size | None, error: SrzooError, explicit: bool) -> None:
        if explicit:
            raise error
        self.left_out.append(LeftOut(name, size, str(error)))


def bench(
    folder: ModelFolder,
    *,
    scale: int | None = None,
    engines: Sequence[str] | None = None,
    sizes: Sequence[Size] = ((512, 512),),
    rounds: int = 3,
    memory: int | None = None,
    baseline: bool = False,
    progress: Progress | None = None,
) -> BenchReport:
    """Measure engines on the CPU: from an array to an array, with the usual tiles.

    Exports are made before and do not count. Every round measures everything, so that changing
    loads of the machine affect all alike; the best time of each counts, and the highest memory.

    Args:
        folder: the model.
        scale: one of its scales; optional if it has only one.
        engines: their names; None for all installed ones.
        sizes: widths and heights of pictures, in LR pixels.
        rounds: how often everything is measured.
        memory: a limit in bytes; every engine is measured once more with this limit for its
            process.
        baseline: also measure the plain network in torch and, if installed, in OpenVINO.
        progress: called with (steps done, steps in all).

    Raises:
        PluginError: an engine does not exist.
        DeviceError: a requested engine is not installed.
        ModelError: a requested engine cannot run the model.
        PictureError: the model does not have the scale.
    """
    requirements.check_models(folder)
    factor = scales.choose(folder.name, folder.config.scales, scale)
    for name in engines or ():
        kinds.engines.find(name)  # raises before any work
    names = list(dict.fromkeys(engines or _that_run(folder)))
    sizes = list(dict.fromkeys(sizes))
    run = _Bench(folder, factor, progress)
    with tempfile.TemporaryDirectory(prefix=".srzoo-") as place:
        makers: list[Callable[[], _Candidate | None]] = [
            lambda name=name: run.engine(name, engines is not None) for name in names
        ]
        if baseline:
            makers += [run.plain, lambda: run.unfolded(Path(place))]
        candidates: list[_Candidate] = []
        for make in makers:
            if candidate := make():
                candidates.append(candidate)
                if memory and candidate.task.kind == ENGINE:
                    candidates.append(_with_budget(candidate, memory))
            run.tick(len(makers) + rounds * (1 + len(makers) * len(sizes)))
        total = run.done + rounds * (1 + len(candidates) * len(sizes))
        product = math.inf
        for _ in range(rounds):
            product = min(product, run_measurement(MeasurementTask(PRODUCT)).seconds)
            run.tick(total)
            for size in sizes:
                for candidate in candidates:
                    run.measure(candidate, size)
                    run.tick(total)
    peak, each = 2 * SIDE**3 / product, _count_work(folder, factor)
    rows = [
        _row(way.name, size, run.best[way.name, size], factor, each, peak)
        for size in sizes
        for way in candidates
        if (way.name, size) in run.best
    ]
    packages = dict.fromkeys(["numpy", *(name for way in candidates for name in way.packages)])
    return BenchReport(
        srzoo=__version__,
        model=folder.name,
        scale=factor,
        machine=machine.this_machine(),
        versions=versions(packages),
        rounds=rounds,
        budget=memory,
        gflops=peak / 1e9,
        work=each,
        rows=tuple(rows),
        left_out=tuple(run.left_out),
    )


def _that_run(folder: ModelFolder) -> Iterator[str]:
    """The engines that state that they run a model, and those with unreadable facts."""
    for name in kinds.engines.names():
        try:
            able = engine_facts.find(name).builds(folder.config.generator)
        except PluginError:
            able = True  # the reason is reported with those of the others
        if able:
            yield name


def _count_work(folder: ModelFolder, scale: int) -> int | None:
    """Multiply-adds of the plain network per LR pixel; None without torch."""
    if engine_facts.missing(DEFAULT):
        return None
    from . import work

    return work.per_pixel(folder, scale)


def run_measurement(task: MeasurementTask) -> Measurement:
    """Run a task in a new process, and return its result.

    Raises:
        ModelError: it fails, or its process ended without a result.
    """
    command = [sys.executable, "-P", "-m", "srzoo.benching.once", json.dumps(asdict(task))]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no message"])[-1]
        name = f"{task.name} ({task.kind}) at {task.size[0]}x{task.size[1]}"
        raise ModelError(
            f"measuring {name} ended with exit code {process.returncode}: {last}",
            "Try a smaller --size: memory may be short",
        )
    data: dict[str, Any] = json.loads(process.stdout.strip().splitlines()[-1])
    if "what" in data:
        problem = strict.parse(MeasurementError, data, "the measurement")
        raise ModelError(problem.what, problem.fix)
    return strict.parse(Measurement, data, "the measurement")


def _row(
    name: str, size: Size, found: Measurement, scale: int, each: int | None, peak: float
) -> BenchRow:
    pixels = math.prod(size)
    return BenchRow(
        engine=name,
        size=size,
        seconds=found.seconds,
        megapixels=pixels * scale**2 / found.seconds / 1e6,
        memory=found.memory,
        share=None if each is None else 2 * each * pixels / found.seconds / peak,
    )


def _with_budget(candidate: _Candidate, budget: int) -> _Candidate:
    """An engine with less memory than it would use; if that is not enough, it fails."""
    name = f"{candidate.name}, {planner.format_gb(budget)}"
    return replace(
        candidate, name=name, task=replace(candidate.task, memory=budget), explicit=False
    )
