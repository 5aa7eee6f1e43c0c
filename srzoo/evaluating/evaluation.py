"""Models on sets of pictures, judged by metrics.

The LR pictures come from files, or are made of the HR ones by a degradation plugin. A result
is what a user would get in a file: clamped, and rounded to 8 bits.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard, cast

import numpy as np

from .. import devices, kinds, zoo
from ..dataroot import placed
from ..errors import SrzooError
from ..registry import Use
from ..upscaling.upscaler import Tile, Upscaler
from . import sets

if TYPE_CHECKING:
    from ..contracts import U8, Metric

DEGRADATION = "bicubic"
"""What makes LR pictures unless another is named: the papers' choice."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Value:
    """What one metric found.

    Attributes:
        metric: its name, as :func:`metric` reads it.
        value: the mean over the pictures.
        protocol: one line that says exactly what was measured.
        higher_is_better: which way is up.
        each: the value of each picture.
    """

    metric: str
    value: float
    protocol: str
    higher_is_better: bool
    each: tuple[float, ...]

    @property
    def label(self) -> str:
        """The metric as tables have it."""
        return short(self.metric)


@dataclass(frozen=True)
class Result:
    """One model on one set of pictures.

    Attributes:
        model, dataset: their names.
        scale: the factor.
        degradation: what made the LR pictures; None if they were files.
        seed: of the degradation; None likewise.
        self_ensemble: whether results are means over flips and turns.
        parameters: of the network; None where the engine does not show it.
        seconds: what upscaling took in all; metrics are not counted.
        pictures: the names of the HR files.
        values: one for each metric.
    """

    model: str
    dataset: str
    scale: int
    degradation: str | None
    seed: int | None
    self_ensemble: bool
    parameters: int | None
    seconds: float
    pictures: tuple[str, ...]
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Report:
    """What :func:`evaluate` found: for each model in turn, a row for each set."""

    rows: tuple[Result, ...]


def metric(name: str, root: Path | None = None) -> Metric:
    """Build a metric from its name on the command line and in cards.

    ``NAME``; ``NAME/WHAT`` for a plugin that opens the door to a whole package's metrics
    (built with ``metric="WHAT"``); or, with other arguments, ``{"name": NAME, ...}`` as JSON.

    Args:
        name: one of these.
        root: stands for ``{data}`` in arguments; None for ``$SRZOO_DATA``.

    Raises:
        SrzooError: it is none of these.
        PluginError: there is no such metric, or it has no such argument.
    """
    return kinds.metrics.build(placed(_use(name), root))


def short(name: str) -> str:
    """A metric's name as tables have it: ``feature_distance (backbone vgg16)``.

    Paths are left out; the protocol tells what was measured in full.
    """
    if not name.startswith("{"):
        return name
    use = _use(name)
    told = [f"{key} {value}" for key, value in use.args.items() if not _is_path(value)]
    return f"{use.name} ({', '.join(told)})" if told else use.name


def place_in(name: str) -> str | None:
    """An argument that names a place on this machine, which would say nothing elsewhere."""
    values = _use(name).args.values()
    return next((v for v in values if _is_path(v) and Path(v).is_absolute()), None)


def _is_path(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and ("/" in value or os.sep in value)


def _use(name: str) -> Use:
    if name.startswith("{"):
        try:
            found: object = json.loads(name)
        except json.JSONDecodeError as error:
            raise SrzooError(
                f"the metric {name} is no JSON: {error}", 'Write {"name": "NAME", ...}'
            ) from error
        return Use.of(cast("dict[str, Any]", found))
    plugin, _, what = name.partition("/")
    return Use(plugin, {"metric": what} if what else {})


def evaluate(
    models: Sequence[str | Path | Upscaler],
    data: Sequence[str | Path],
    *,
    scale: int | None = None,
    metrics: Sequence[str] = ("psnr_y", "ssim_y"),
    self_ensemble: bool = False,
    degradation: str | None = None,
    seed: int = 1,
    engine: str = "torch",
    device: object = "auto",
    precision: str = "auto",
    memory: int | None = None,
    tile: Tile = "auto",
    root: Path | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure models on sets of pictures.

    HR pictures are cropped to a multiple of the scale, gray counts as R = G = B, and
    transparency is laid on white.

    Args:
        models: names, model folders, or models that are loaded.
        data: folders, or short names such as "Set5" of sets below ``$SRZOO_DATA/benchmarks``.
            A folder holds ``HR`` and ``LR`` with files of the same names, or HR pictures
            alone; either may lie one deeper in ``x2``, ``x3``, ... for each scale.
        scale: needed only for models with several.
        metrics: names, as :func:`metric` reads them.
        self_ensemble: take the mean over the 8 flips and turns of each picture, as in Lim et
            al. 2017, sec. 3.3; of values in 0..1, before they are rounded.
        degradation: the plugin that makes the LR pictures, also where a set has LR files; None
            for those files, and for bicubic's where there are only HR ones.
        seed: of the degradation; each picture's chance depends on it and its name alone.
        engine, device, precision, memory, tile: as ``zoo.load`` takes them, for models that are
            not loaded yet.
        root: stands for ``{data}`` in metrics' arguments; None for ``$SRZOO_DATA``.
        progress: is told (pictures done, pictures in all).

    Raises:
        SrzooError: a model, set or metric that is not there; pictures that do not match.
    """
    judges = tuple((name, metric(name, root)) for name in dict.fromkeys(metrics))
    ready = [
        model
        if isinstance(model, Upscaler)
        else zoo.load(
            model, engine=engine, device=devices.named(device), precision=precision,
            memory=memory, tile=tile,
        )
        for model in models
    ]  # fmt: skip
    # Each model with the sets it is measured on: what is missing is found before any work.
    work = [(model, sets.find(name, model.factor(scale))) for model in ready for name in data]
    if degradation is not None:
        work = [(model, replace(found, lr=None)) for model, found in work]
    made_by = degradation or DEGRADATION
    makes_lr = any(found.lr is None for _, found in work)
    maker = kinds.degradations.build(made_by) if makes_lr else None
    done, total = 0, sum(len(found.hr) for _, found in work)

    def step() -> None:
        nonlocal done
        done += 1
        if progress:
            progress(done, total)

    rows: list[Result] = []
    for model, found in work:
        factor = model.factor(scale)
        made = found.lr is None
        seconds, values = _measure(
            sets.pairs(found, factor, maker, seed),
            lambda lr, model=model, factor=factor: _enlarged(model, lr, factor, self_ensemble),
            judges,
            factor,
            step,
        )
        rows.append(
            Result(
                model=model.name,
                dataset=found.name,
                scale=factor,
                degradation=made_by if made else None,
                seed=seed if made else None,
                self_ensemble=self_ensemble,
                parameters=model.runner.parameters,
                seconds=seconds,
                pictures=tuple(path.name for path in found.hr),
                values=values,
            )
        )
    return Report(tuple(rows))


def _measure(
    pairs: Iterator[tuple[U8, U8]],
    enlarge: Callable[[U8], U8],
    judges: tuple[tuple[str, Metric], ...],
    scale: int,
    step: Callable[[], None],
) -> tuple[float, tuple[Value, ...]]:
    """The seconds that enlarging took, and what each metric found."""
    seconds = 0.0
    each: dict[str, list[float]] = {name: [] for name, _ in judges}
    for lr, hr in pairs:
        start = time.perf_counter()
        sr = enlarge(lr)
        seconds += time.perf_counter() - start
        for name, judge in judges:
            each[name].append(judge(sr, hr, scale))
        step()
    values = tuple(
        Value(
            metric=name,
            value=sum(each[name]) / len(each[name]),
            protocol=judge.protocol,
            higher_is_better=judge.higher_is_better,
            each=tuple(each[name]),
        )
        for name, judge in judges
    )
    return seconds, values


def _enlarged(model: Upscaler, lr: U8, scale: int, self_ensemble: bool) -> U8:
    """One result, uint8 H x W x 3."""
    if not self_ensemble:
        return model.array(lr, scale)
    # Floats come back clamped to 0..1 each; they are rounded once, after the mean.
    x = lr.astype(np.float32) / 255
    total = np.zeros((x.shape[0] * scale, x.shape[1] * scale, 3))
    for turns in range(4):
        turned = np.rot90(x, turns)
        total += np.rot90(model.array(turned, scale), -turns)
        total += np.rot90(model.array(turned[:, ::-1], scale)[:, ::-1], -turns)
    return np.rint(total / 8 * 255).astype(np.uint8)
