"""Several models on one picture: upscaled, measured, and cropped to the same place.

What is measured is what ``srzoo evaluate`` would measure: the whole picture, the same protocol.
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
"""Of the degradation; as for ``srzoo evaluate``."""
PART = 2_048
"""Of a large picture, this many pixels a side are kept; without HR no more are computed."""
MARGIN = 32
"""LR pixels computed around a part of a picture, so that its edges are as in the whole."""
SQUARE = (64, 160)
"""The least and the most side of a place that is found automatically: a third of the picture."""
SHOWN_SIDE = 320
"""A crop on the sheet is as large as its pixels, repeated, fit in here; a side."""


@dataclass(frozen=True)
class ComparedImage:
    """One of the pictures that are compared.

    Attributes:
        name: LR, HR, or what the model is called; no two are the same.
        model: the reference of the model that made it, or None.
        pixels: uint8 h x w x 3, the part; LR has its own, smaller size.
        values: what each metric found on the whole picture; empty without HR.
        seconds: that enlarging took.
    """

    name: str
    model: str | None
    pixels: U8
    values: dict[str, float]
    seconds: float = 0.0


@dataclass(frozen=True)
class Comparison:
    """What :func:`compare` found.

    Attributes:
        source: the name of the picture.
        scale: the factor.
        degradation: what made LR of HR; None if LR was a file.
        pictures: LR, one for each model, and HR where there is one.
        part: what of the enlarged picture ``pixels`` hold.
        crop: the place to look at, in the pixels of the part.
        file_crop: the same place in the pixels of the file that was named first.
        overview: the whole picture, small: uint8 h x w x 3.
        whole: (width, height) of the enlarged picture.
        higher_is_better: for each metric, whether more is better.
        protocols: for each metric, what exactly was measured.
        icc: the colour profile of all pictures.
        strength: how much is the models', and the rest bicubic interpolation: 0 to 1.
        engines: what ran the models, each engine once.
        device, precision: as they were asked for.
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
        """The best model's value of a metric; None where nothing can be better than another."""
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
    """Enlarge one picture with several models.

    Args:
        models: names or folders, as ``loading.load`` takes them.
        photo: the LR picture; None to make it of ``hr``.
        hr: what the results should be; measured against, and shown.
        scale: needed only where the models have several in common.
        crop: the place to look at, in pixels of ``photo`` (of ``hr`` where there is none);
            None for the square with much detail on which the models differ most.
        degradation: the plugin that makes LR of HR.
        metrics: names, as ``evaluation.metric`` reads them; for where there is ``hr``.
        engine: an engine, or None for torch, by which figures are made; without torch the fastest.
        device, precision, memory, tile, strength: as ``loading.load`` takes them.
        progress: is called with (models done, models in all).

    Raises:
        SrzooError: a model or picture that is not there, or that does not fit the others.
    """
    folders = [locate.find(model) for model in models]
    requirements.check_models(*folders)
    factor = common_scale(folders, scale)
    lr, high, icc = _pictures(photo, hr, factor, degradation)
    whole = Rectangle(0, 0, lr.shape[1] * factor, lr.shape[0] * factor)
    frame = factor if photo else 1  # what one pixel of the file named first is in the results
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
    """The factor that all models can enlarge by.

    Raises:
        ModelError: there is none, or not the named one.
        PictureError: there are several, and none is named.
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
    """What pictures are called: the models' names; where two share one, as they were given."""
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
    """LR, HR where there is one, and the colour profile of the file that was named first."""
    first = photo or hr
    if first is None:
        raise SrzooError("no picture is given to compare on", 'Name a photo, or hr="FILE"')
    picture = images.read(first)
    icc = picture.profile if picture.pixels.ndim == 3 else None  # gray becomes RGB, without its own
    if hr is None:
        return images.rgb(picture), None, icc
    maker = None if photo else kinds.degradations.build(degradation)
    pair = sets.PictureSet(hr.name, (hr,), (photo,) if photo else None)
    lr, high = next(sets.pairs(pair, scale, maker, SEED))
    return lr, high, icc


def _part_to_compute(lr: U8, scale: int, place: Rectangle | None, whole: Rectangle) -> Rectangle:
    """Without HR nothing is measured, and a part of a large photo is enough to look at."""
    side = PART // scale
    if max(lr.shape[:2]) <= side:
        return whole
    if place:
        return _around(place.divided(scale), side, whole.divided(scale)).scaled(scale)
    return rectangles.most_detailed_square([lr], side).scaled(scale)


def _side(part: Rectangle) -> int:
    """Of a square to look for: about a third of the picture, and a whole part of ``SHOWN_SIDE``."""
    third = min(max(SQUARE[0], min(part.width, part.height) // 3), SQUARE[1])
    return SHOWN_SIDE // -(-SHOWN_SIDE // third)


def _around(place: Rectangle, side: int, whole: Rectangle) -> Rectangle:
    """A square with ``place`` in its middle, moved and cut to be in the whole."""
    width, height = max(side, place.width), max(side, place.height)
    width, height = min(width, whole.width), min(height, whole.height)
    x = place.x - (width - place.width) // 2
    y = place.y - (height - place.height) // 2
    return Rectangle(
        min(max(0, x), whole.width - width), min(max(0, y), whole.height - height), width, height
    )


def _lr_part(lr: U8, scale: int, part: Rectangle) -> U8:
    """The LR pixels that a part, whose corners lie between LR pixels, was made of."""
    return part.divided(scale).cut(lr)


def _enlarge(model: Upscaler, lr: U8, scale: int, part: Rectangle) -> U8:
    """A model's result: the part of it, uint8 h x w x 3."""
    small = part.divided(scale)
    grown = small.grown(MARGIN, (lr.shape[1], lr.shape[0])).aligned(rectangles.GRID)
    pixels = model.array(np.ascontiguousarray(grown.cut(lr)), scale)
    return small.moved(-grown.x, -grown.y).scaled(scale).cut(pixels)


def _bicubic(lr: U8, scale: int, part: Rectangle) -> U8:
    """Bicubic interpolation, for one model alone to differ from."""
    small = Image.fromarray(_lr_part(lr, scale, part))
    return np.asarray(small.resize((part.width, part.height), Image.Resampling.BICUBIC))


def _check_memory(part: Rectangle, pictures: int) -> None:
    needed, free = part.width * part.height * 3 * pictures, psutil.virtual_memory().available
    if needed > free:
        raise MemoryBudgetError(
            f"{pictures} pictures of {part.width}x{part.height} take {needed / 1e9:.1f} GB,"
            f" {free / 1e9:.1f} GB are free",
            "Compare fewer models, or cut a part out of the picture",
        )


def _cut_to_crop(found: Comparison) -> Comparison:
    """The same with no more of each picture than is kept; values are those of the whole."""
    if max(found.part.width, found.part.height) <= PART:
        return found
    scale = found.scale
    size = Rectangle(0, 0, found.part.width, found.part.height).divided(scale)
    # In LR pixels, so that LR can be cut to the same place.
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
