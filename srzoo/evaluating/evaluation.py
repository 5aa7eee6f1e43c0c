"""Models on sets of pictures, measured by metrics.

The LR pictures come from files, or a degradation plugin makes them from HR. Results are
measured as a file would contain them: clamped, and rounded to 8 bits. Finished results in files
are measured in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .. import defaults
from ..common import arguments, devices
from ..contracts import MetricFacts, stated
from ..errors import SrzooError
from ..exporting import engine as engines
from ..plugins import kinds
from ..upscaling import loading
from ..upscaling.upscaler import Tile, Upscaler
from . import sets
from .judging import needs_reference
from .measuring import MeasuredSet, measure
from .naming import build_metric as build_metric
from .naming import local_path_in as local_path_in
from .naming import table_name as table_name
from .naming import use_of, without_reference
from .sets import FailedPicture, PictureSet

if TYPE_CHECKING:
    from ..common.progress import Progress
    from ..contracts import U8, Degradation, Metric


@dataclass(frozen=True)
class Value:
    """The result of one metric.

    Attributes:
        metric: its name, as :func:`build_metric` reads it.
        value: the mean over the pictures; NaN if none could be measured.
        protocol: one line that states exactly what was measured.
        higher_is_better: whether a higher value is better.
        each: the value of each picture.
        short: the type of its figures in a card; empty for the plugin's name.
    """

    metric: str
    value: float
    protocol: str
    higher_is_better: bool
    each: tuple[float, ...]
    short: str = ""

    @property
    def label(self) -> str:
        """The metric's name for tables."""
        return table_name(self.metric)


@dataclass(frozen=True)
class Result:
    """One model on one set of pictures.

    Attributes:
        model, dataset: their names.
        scale: the factor; None for results of unknown scale without HR.
        degradation: the degradation that made the LR pictures; None for LR files.
        seed: of the degradation; None for LR files.
        self_ensemble: whether results are averages over flips and rotations.
        parameters: of the network; None if unknown.
        seconds: total time of upscaling, while other pictures were read and measured; None
            for results from files.
        pictures: the names of the HR files (LR files without HR) that were measured.
        values: one for each metric.
        lr: the folder of the LR files; None if a degradation made them, or it is unknown.
        failed: the pictures that could not be measured.
    """

    model: str
    dataset: str
    scale: int | None
    degradation: str | None
    seed: int | None
    self_ensemble: bool
    parameters: int | None
    seconds: float | None
    pictures: tuple[str, ...]
    values: tuple[Value, ...]
    lr: str | None = None
    failed: tuple[FailedPicture, ...] = ()


@dataclass(frozen=True)
class Evaluation:
    """The result of :func:`evaluate`.

    Attributes:
        rows: one row for each model or folder of results and each set, in that order.
        engines: the engines that ran the models, each once.
    """

    rows: tuple[Result, ...]
    engines: tuple[str, ...] = ()

    @property
    def failed(self) -> tuple[FailedPicture, ...]:
        """The pictures that could not be measured, each once."""
        return tuple(dict.fromkeys(failed for row in self.rows for failed in row.failed))


def evaluate(
    models: str | Path | Upscaler | Sequence[str | Path | Upscaler] = (),
    data: str | Path | Sequence[str | Path] = (),
    *,
    sr: str | Path | Sequence[str | Path] = (),
    lr: str | Path | None = None,
    scale: int | None = None,
    metrics: str | Sequence[str] = defaults.METRICS,
    self_ensemble: bool = False,
    degradation: str | None = None,
    seed: int = 1,
    engine: str | None = None,
    device: object = "auto",
    precision: devices.Precision = "auto",
    memory: int | str | None = None,
    tile: Tile = "auto",
    root: str | Path | None = None,
    keep_going: bool = False,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure models on sets of pictures.

    HR pictures are cropped to a multiple of the scale, gray is read as R = G = B, and
    transparent pictures are put on white.

    Args:
        models: one or several names, model folders, or loaded models.
        data: folders, or short names such as "Set5" of sets below ``$SRZOO_DATA/benchmarks``,
            in one of the layouts of docs/how-to/measure.md. None for pictures without HR,
            and metrics without a reference.
        sr: folders of finished results of these sets, measured like those of the models.
        lr: the folder of the set's LR pictures, if the layout is not a known one; or, without
            ``data``, a folder of photos.
        scale: needed only for models with several scales, and for ``sr``.
        metrics: names, as :func:`build_metric` reads them.
        self_ensemble: average over the 8 flips and rotations of each picture, as in Lim et
            al. 2017, sec. 3.3; of values in 0..1, before they are rounded.
        degradation: the plugin that makes the LR pictures, even if a set has LR files; None
            for those files, or bicubic if there are only HR ones.
        seed: of the degradation; a picture's random numbers depend only on it and the picture's
            name.
        engine: an engine, or None for torch, which card figures use; without torch the fastest.
        device, precision, memory, tile: as for :func:`srzoo.load`, for models that are not
            loaded yet.
        root: the folder that ``{data}`` means in metrics' arguments; None for ``$SRZOO_DATA``.
        keep_going: leave out a picture that cannot be measured, and list it in the result; else
            the error is raised.
        progress: called with (pictures done, pictures in all).

    Raises:
        SrzooError: a model, set or metric does not exist; pictures do not match; a metric needs
            HR and none is given.
    """
    models, data, sr = arguments.listed(models), arguments.listed(data), arguments.listed(sr)
    place = None if root is None else Path(root)
    judges = {name: build_metric(name, place) for name in dict.fromkeys(arguments.listed(metrics))}
    _check(judges, models, data, sr, lr, scale, degradation)
    ready = [
        model
        if isinstance(model, Upscaler)
        else loading.load(
            model, engine=engine or engines.reference(), device=devices.parse_name(device),
            precision=precision, memory=memory, tile=tile,
        )
        for model in models
    ]  # fmt: skip
    made_by = degradation or defaults.DEGRADATION
    # Find all sets first, so that missing files are reported before any work.
    work = _plan_jobs(ready, data, sr, lr, scale, makes_lr=degradation is not None)
    if not keep_going and (missing := [each.what for w in work for each in w.pictures.missing]):
        raise SrzooError("; ".join(dict.fromkeys(missing)), "Add the files, or leave HR's out")
    makes_lr = any(w.makes_lr for w in work)
    maker = kinds.degradations.build(made_by) if makes_lr else None
    done, total = 0, sum(len(w.pictures.files) for w in work)

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    rows: list[Result] = []
    for each in work:
        measured = measure(
            each.pictures.files, each.load(maker, seed), each.enlarge(self_ensemble), judges,
            each.scale or 1, step, keep_going=keep_going,
        )  # fmt: skip
        rows.append(each.row(measured, judges, made_by, seed, self_ensemble=self_ensemble))
    by = dict.fromkeys(model.engine for model in ready if model.engine)
    return Evaluation(tuple(rows), tuple(by))


@dataclass(frozen=True)
class _EvaluationJob:
    """A model, or a folder of its results, on one set."""

    name: str
    model: Upscaler | None
    pictures: PictureSet
    results: tuple[Path, ...]
    scale: int | None

    @property
    def makes_lr(self) -> bool:
        return self.model is not None and self.pictures.lr is None

    def load(self, maker: Degradation | None, seed: int) -> Callable[[int], tuple[U8, U8 | None]]:
        """The function that returns the picture at an index: LR or SR, and HR."""
        if self.model is None or self.scale is None:
            return lambda at: sets.result_pair(self.pictures, at, self.results[at], self.scale)
        scale = self.scale
        return lambda at: sets.pair(self.pictures, at, scale, maker, seed)

    def enlarge(self, self_ensemble: bool) -> Callable[[U8], U8]:
        """The function that makes SR from that picture."""
        if self.model is None or self.scale is None:
            return lambda sr: sr
        return partial(_enlarged, self.model, scale=self.scale, self_ensemble=self_ensemble)

    def row(
        self, measured: MeasuredSet, judges: Mapping[str, Metric], made_by: str, seed: int, *,
        self_ensemble: bool,
    ) -> Result:  # fmt: skip
        places = sorted(measured.values)
        return Result(
            model=self.name,
            dataset=self.pictures.name,
            scale=self.scale,
            degradation=made_by if self.makes_lr else None,
            seed=seed if self.makes_lr else None,
            self_ensemble=self_ensemble and self.model is not None,
            parameters=self.model.runner.parameters if self.model else None,
            seconds=measured.seconds if self.model else None,
            pictures=tuple(self.pictures.files[at].name for at in places),
            values=tuple(
                _value(name, judge, tuple(measured.values[at][name] for at in places))
                for name, judge in judges.items()
            ),
            lr=self.pictures.where_lr() if self.model else None,
            failed=(*self.pictures.missing, *measured.failed),
        )


def _value(name: str, judge: Metric, each: tuple[float, ...]) -> Value:
    mean = sum(each) / len(each) if each else math.nan
    short = str(stated(judge, MetricFacts).short or use_of(name).name)
    return Value(name, mean, judge.protocol, judge.higher_is_better, each, short)


def _check(
    judges: Mapping[str, Metric],
    models: Sequence[object],
    data: Sequence[object],
    sr: Sequence[object],
    lr: object,
    scale: int | None,
    degradation: str | None,
) -> None:
    """Refuse arguments that contradict each other."""
    if lr is not None and degradation:
        raise SrzooError(f"the LR pictures in {lr} are files", "Leave the degradation out")
    if lr is not None and len(data) > 1:
        raise SrzooError(f"{lr} contains the LR pictures of one set", "Measure one set at a time")
    if models and not data and lr is None:
        raise SrzooError("no pictures are given", "Name a set, or a folder of photos")
    if sr and not data and lr is not None:
        raise SrzooError(f"results of {lr} are measured as they are", "Leave the LR pictures out")
    if sr and data and scale is None:
        raise SrzooError("files do not state the scale of their results", "Give the scale")
    need = [name for name, judge in judges.items() if needs_reference(judge)]
    if need and not data:
        others = ", ".join([*without_reference(), "or one of a package's"])
        raise SrzooError(
            f"no HR pictures are given, which {', '.join(map(table_name, need))}"
            f" {'needs' if len(need) == 1 else 'need'}",
            f"Name the set with HR as data, or metrics that need none: {others}",
        )


def _plan_jobs(
    ready: Sequence[Upscaler],
    data: Sequence[str | Path],
    sr: Sequence[str | Path],
    lr: str | Path | None,
    scale: int | None,
    *,
    makes_lr: bool,
) -> list[_EvaluationJob]:
    """All jobs; everything that is missing is reported in one error."""
    work: list[_EvaluationJob] = []
    errors: dict[str, SrzooError] = {}
    for model in ready:
        factor = model.factor(scale)
        for name in data or [None]:
            try:
                if name is None:
                    found = sets.photo_set(lr or "")
                elif makes_lr:
                    found = sets.find_hr(name, factor)
                else:
                    found = sets.find(name, factor, lr)
                work.append(_EvaluationJob(model.name, model, found, (), factor))
            except SrzooError as error:
                errors[str(error)] = error
    names = [Path(folder).resolve().name for folder in sr]
    for folder, called in zip(sr, names, strict=True):
        for name in data or [None]:
            try:
                whole = sets.find_hr(name, scale or 1) if name is not None else None
                found, results = sets.result_set(folder, whole, scale)
                label = called if names.count(called) == 1 else str(folder)
                work.append(_EvaluationJob(label, None, found, results, scale))
            except SrzooError as error:
                errors[str(error)] = error
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        raise SrzooError(
            "; ".join(dict.fromkeys(error.what for error in errors.values())),
            " ".join(dict.fromkeys(error.fix for error in errors.values())),
        )
    return work


def _enlarged(model: Upscaler, lr: U8, scale: int, self_ensemble: bool) -> U8:
    """One result, uint8 H x W x 3."""
    if not self_ensemble:
        return model.array(lr, scale)
    # Floats are clamped to 0..1 each, and rounded once, after the mean.
    x = lr.astype(np.float32) / 255
    total = np.zeros((x.shape[0] * scale, x.shape[1] * scale, 3))
    for turns in range(4):
        turned = np.rot90(x, turns)
        total += np.rot90(model.array(turned, scale), -turns)
        total += np.rot90(model.array(turned[:, ::-1], scale)[:, ::-1], -turns)
    return np.rint(total / 8 * 255).astype(np.uint8)
