"""Several models on one picture: upscaled, measured, and cropped to the same place.

Values are those of ``srzoo evaluate``: for the whole picture, with the same protocol.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import psutil
from PIL import Image

from .. import defaults, images
from ..common import devices
from ..errors import MemoryBudgetError, ModelError, SrzooError
from ..evaluating import sets
from ..evaluating.evaluation import build_metric
from ..evaluating.judging import judge
from ..exporting import engine as engines
from ..images import rectangles, sheet
from ..images.rectangles import Rectangle
from ..models import locate, requirements, scales
from ..plugins import kinds
from ..upscaling import loading

if TYPE_CHECKING:
    from ..common.progress import Progress
    from ..contracts import U8
    from ..models.folder import ModelFolder
    from ..upscaling.upscaler import Tile, Upscaler

SEED = 1
"""The seed of the degradation, as for ``srzoo evaluate``."""
PART = 2_048
"""The largest side that is kept of a large picture; without HR no more is computed."""
MARGIN = 32
"""LR pixels computed around a part of a picture, so that its edges equal those of the whole."""
SQUARE = (64, 160)
"""The least and the largest side of a crop that is found automatically: a third of the picture."""
SHOWN_SIDE = 320
"""The side into which a crop is enlarged on the sheet, by repeating pixels."""


@dataclass(frozen=True)
class ComparedImage:
    """One of the compared pictures.

    Attributes:
        name: LR, HR, or the model's name; unique.
        model: the reference of the model that made it, or None.
        pixels: the part, uint8 h x w x 3; smaller for LR.
        values: each metric's value for the whole picture; empty without HR.
        seconds: the duration of upscaling.
    """

    name: str
    model: str | None
    pixels: U8
    values: dict[str, float]
    seconds: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`compare`.

    Attributes:
        source: the name of the picture.
        scale: the factor.
        degradation: the degradation that made LR from HR; None if LR was a file.
        pictures: LR, one for each model, and HR if given.
        part: the part of the upscaled picture in ``pixels``.
        crop: the compared crop, in the pixels of the part.
        file_crop: the same crop in the pixels of the first file.
        overview: the whole picture, small: uint8 h x w x 3.
        whole: (width, height) of the enlarged picture.
        higher_is_better: for each metric, whether a higher value is better.
        protocols: for each metric, exactly what was measured.
        icc: the colour profile of all pictures.
        strength: the share of the models, 0 to 1; the rest is bicubic interpolation.
        engines: the engines that ran the models, each once.
        device, precision: as requested.
    """

    source: str
    scale: int
    degradation: str | None
    pictures: tuple[ComparedImage, ...]
    part: Rectangle
    crop: Rectangle
    file_crop: Rectangle
    overview: U8
    result_size: tuple[int, int]
    higher_is_better: dict[str, bool]
    protocols: dict[str, str]
    icc: bytes | None = None
    strength: float = 1.0
    engines: tuple[str, ...] = ()
    device: str = "auto"
    precision: devices.Precision = "auto"

    def best(self, name: str) -> float | None:
        """The best model's value of a metric; None if no two values can be compared."""
        found = [s.values[name] for s in self.pictures if s.model and name in s.values]
        pick = max if self.higher_is_better.get(name) else min
        return pick(found) if len(found) > 1 else None


def compare(
    models: Sequence[str | Path],
    photo: Path | None = None,
    hr: Path | None = None,
    *,
    scale: int | None = None,
    crop: Rectangle | None = None,
    degradation: str = defaults.DEGRADATION,
    metrics: Sequence[str] = defaults.METRICS,
    engine: str | None = None,
    device: object = "auto",
    precision: devices.Precision = "auto",
    memory: int | None = None,
    tile: Tile = "auto",
    strength: float = 1.0,
    progress: Progress | None = None,
) -> Comparison:
    """Upscale one picture with several models.

    Args:
        models: names or folders, as for ``loading.load``.
        photo: the LR picture; None to make it from ``hr``.
        hr: the reference, for metrics and for display.
        scale: needed only if the models have several scales in common.
        crop: the compared crop, in pixels of ``photo`` (of ``hr`` without it); None for the
            square with much detail on which the models differ most.
        degradation: the plugin that makes LR from HR.
        metrics: names, as for ``evaluation.metric``; used with ``hr``.
        engine: an engine, or None for torch, which figures use; without torch the fastest.
        device, precision, memory, tile, strength: as for ``loading.load``.
        progress: called with (models done, models in all).

    Raises:
        SrzooError: a model or picture does not exist, or does not match the others.
    """
    folders = [locate.find(model) for model in models]
    requirements.check_models(*folders)
    factor = common_scale(folders, scale)
    lr, high, icc = _pictures(photo, hr, factor, degradation)
    whole = Rectangle(0, 0, lr.shape[1] * factor, lr.shape[0] * factor)
    frame = factor if photo else 1  # pixels of the results per pixel of the first file
    place = crop.scaled(frame).within(whole, frame) if crop else None
    part = whole if high is not None else _part_to_compute(lr, factor, place, whole)
    _check_memory(part, len(models) + 2)
    judges = {name: build_metric(name) for name in metrics} if high is not None else {}
    shown: list[ComparedImage] = []
    names = _names(folders, models)
    on = devices.parse_name(device)
    by: dict[str, None] = {}
    for number, (folder, name) in enumerate(zip(folders, names, strict=True), start=1):
        model = loading.load(
            folder, engine=engine or engines.reference(), device=on, precision=precision,
            memory=memory, tile=tile, strength=strength,
        )  # fmt: skip
        by[model.engine] = None
        start = time.perf_counter()
        pixels = _enlarge(model, lr, factor, part)
        seconds = time.perf_counter() - start
        values = {n: judge(metric, pixels, high, factor) for n, metric in judges.items()}
        shown.append(ComparedImage(name, str(models[number - 1]), pixels, values, seconds))
        if progress:
            progress(number, len(models))
    stack = [one.pixels for one in shown]
    if len(stack) == 1:
        stack.append(_bicubic(lr, factor, part) if high is None else high)
    if place:
        found = place.moved(-part.x, -part.y)
    else:
        found = rectangles.most_detailed_square(stack, _side(part)).snapped(frame)
    shown.insert(0, ComparedImage("LR", None, _lr_part(lr, factor, part), {}))
    if high is not None:
        shown.append(ComparedImage("HR", None, high, {}))
    result = Comparison(
        source=Path(photo or hr or "").name,
        scale=factor,
        degradation=None if photo else degradation,
        pictures=tuple(shown),
        part=part,
        crop=found,
        file_crop=crop or found.moved(part.x, part.y).divided(frame),
        overview=sheet.fit_picture(lr if high is None else high, (1024, 1024)),
        result_size=(whole.width, whole.height),
        higher_is_better={name: judge.higher_is_better for name, judge in judges.items()},
        protocols={name: judge.protocol for name, judge in judges.items()},
        icc=icc,
        strength=strength,
        engines=tuple(by),
        device=on,
        precision=precision,
    )
    return _cut_to_crop(result)


def common_scale(folders: Sequence[ModelFolder], scale: int | None) -> int:
    """The scale that all models have.

    Raises:
        ModelError: they have none in common, or not the requested one.
        PictureError: they have several, and none is requested.
    """
    if not folders:
        raise ModelError("no model is given to compare", 'Name some: models=["edsr-x4"]')
    each = ", ".join(
        f"{folder.name} by {' or '.join(map(str, folder.config.scales))}" for folder in folders
    )
    common = {s for s in folders[0].config.scales if all(s in f.config.scales for f in folders)}
    if scale is not None and scale not in common:
        raise ModelError(f"not every model enlarges by {scale}: {each}", "Leave out those")
    if not common:
        raise ModelError(f"the models enlarge by different factors: {each}", "Compare those of one")
    return scales.choose("every model", sorted(common), scale)


def _names(folders: Sequence[ModelFolder], models: Sequence[str | Path]) -> list[str]:
    """The names of pictures: those of the models or, if two are equal, as given."""
    names = [folder.name for folder in folders]
    result: list[str] = []
    for name, model in zip(names, models, strict=True):
        name = str(model) if names.count(name) > 1 else name
        result.append(f"model {name}" if name in ("LR", "HR") else name)
        if result[-1] in result[:-1]:
            raise SrzooError(f"the model {model} is named twice", "Name it once")
    return result


def _pictures(
    photo: Path | None, hr: Path | None, scale: int, degradation: str
) -> tuple[U8, U8 | None, bytes | None]:
    """LR, HR if given, and the colour profile of the first file."""
    first = photo or hr
    if first is None:
        raise SrzooError("no picture is given to compare on", 'Name a photo, or hr="FILE"')
    picture = images.read(first)
    icc = picture.profile if picture.pixels.ndim == 3 else None  # gray becomes RGB without profile
    if hr is None:
        return images.rgb(picture), None, icc
    maker = None if photo else kinds.degradations.build(degradation)
    pair = sets.PictureSet(hr.name, (hr,), (photo,) if photo else None)
    lr, high = next(sets.pairs(pair, scale, maker, SEED))
    return lr, high, icc


def _part_to_compute(lr: U8, scale: int, place: Rectangle | None, whole: Rectangle) -> Rectangle:
    """The part to compute: without HR, only a part of a large picture."""
    side = PART // scale
    if max(lr.shape[:2]) <= side:
        return whole
    if place:
        return _around(place.divided(scale), side, whole.divided(scale)).scaled(scale)
    return rectangles.most_detailed_square([lr], side).scaled(scale)


def _side(part: Rectangle) -> int:
    """The side of a square to find: about a third of the picture, or fitting the shown side."""
    third = min(max(SQUARE[0], min(part.width, part.height) // 3), SQUARE[1])
    return SHOWN_SIDE // -(-SHOWN_SIDE // third)


def _around(place: Rectangle, side: int, whole: Rectangle) -> Rectangle:
    """A square with ``place`` in its middle, moved and cropped to be inside the whole."""
    width, height = max(side, place.width), max(side, place.height)
    width, height = min(width, whole.width), min(height, whole.height)
    x = place.x - (width - place.width) // 2
    y = place.y - (height - place.height) // 2
    return Rectangle(
        min(max(0, x), whole.width - width), min(max(0, y), whole.height - height), width, height
    )


def _lr_part(lr: U8, scale: int, part: Rectangle) -> U8:
    """The LR pixels of a part whose corners are between LR pixels."""
    return part.divided(scale).cut(lr)


def _enlarge(model: Upscaler, lr: U8, scale: int, part: Rectangle) -> U8:
    """A part of a model's result, uint8 h x w x 3."""
    small = part.divided(scale)
    grown = small.grown(MARGIN, (lr.shape[1], lr.shape[0])).aligned(rectangles.GRID)
    pixels = model.array(np.ascontiguousarray(grown.cut(lr)), scale)
    return small.moved(-grown.x, -grown.y).scaled(scale).cut(pixels)


def _bicubic(lr: U8, scale: int, part: Rectangle) -> U8:
    """Bicubic interpolation, to find where a single model differs from it."""
    small = Image.fromarray(_lr_part(lr, scale, part))
    return np.asarray(small.resize((part.width, part.height), Image.Resampling.BICUBIC))


def _check_memory(part: Rectangle, pictures: int) -> None:
    needed, free = part.width * part.height * 3 * pictures, psutil.virtual_memory().available
    if needed > free:
        raise MemoryBudgetError(
            f"{pictures} pictures of {part.width}x{part.height} take {needed / 1e9:.1f} GB,"
            f" but {free / 1e9:.1f} GB are free",
            "Compare fewer models, or crop the picture",
        )


def _cut_to_crop(found: Comparison) -> Comparison:
    """The same with the largest part that is kept of each picture; values do not change."""
    if max(found.part.width, found.part.height) <= PART:
        return found
    scale = found.scale
    size = Rectangle(0, 0, found.part.width, found.part.height).divided(scale)
    # In LR pixels, so that LR can be cropped to the same place.
    small = _around(found.crop.divided(scale), PART // scale, size)
    part = small.scaled(scale)
    pictures = tuple(
        replace(one, pixels=(small if one.name == "LR" else part).cut(one.pixels).copy())
        for one in found.pictures
    )
    return replace(
        found,
        pictures=pictures,
        part=part.moved(found.part.x, found.part.y),
        crop=found.crop.moved(-part.x, -part.y),
    )
