"""A comparison as a sheet: an overview, and the same crop of each picture, with labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..contracts import MetricFacts, stated
from ..defaults import ENGINE
from ..evaluating.naming import class_of, table_name
from ..images import sheet
from .comparison import SHOWN_SIDE

if TYPE_CHECKING:
    from PIL import Image

    from ..contracts import U8
    from .comparison import ComparedImage, Comparison

OVERVIEW = (720, 200)
"""The largest and the least width of the overview beside the crops."""
PER_ROW = 4
NARROWEST = 180
"""The least width of a crop, for its name and values, in pixels."""


def note(comparison: Comparison, image: ComparedImage) -> str:
    """The note below a picture: its values; below HR, the metrics' names."""
    if image.name == "HR" and comparison.higher_is_better:
        return " / ".join(
            _facts(name).label or table_name(name) for name in comparison.higher_is_better
        )
    return " / ".join(_value(name, value) for name, value in image.values.items())


def _facts(metric: str) -> MetricFacts:
    return stated(class_of(metric), MetricFacts)


def _value(name: str, value: float) -> str:
    shown = f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"
    return f"{shown} {_facts(name).unit}".rstrip()


def sentences(comparison: Comparison) -> list[str]:
    """The sentences that explain the pictures and values."""
    width, height = comparison.result_size
    lines = [
        f"Enlarged {comparison.scale} times to {width} x {height} pixels;"
        f" the crop is {comparison.crop.width} x {comparison.crop.height} of them."
    ]
    if (
        comparison.part.width,
        comparison.part.height,
    ) != comparison.result_size and not comparison.protocols:
        lines.append(
            f"Only {comparison.part.width} x {comparison.part.height} pixels around it were made."
        )
    if comparison.strength != 1:
        lines.append(f"Of each model {comparison.strength:.0%}, the rest is bicubic interpolation.")
    if run_by_line := _run_by(comparison):
        lines.append(run_by_line)
    if comparison.degradation:
        lines.append(f"LR was made from HR by {comparison.degradation}.")
    lines += [f"{name}: {text.removesuffix(', mean over pictures')}." for name, text in
             comparison.protocols.items()]  # fmt: skip
    return lines


def _run_by(comparison: Comparison) -> str | None:
    """The engine, device and precision, if any is not the default."""
    usual = comparison.device in ("auto", "cpu") and comparison.precision in ("auto", "fp32")
    if not comparison.engines or (comparison.engines == (ENGINE,) and usual):
        return None
    others = [f"on {comparison.device}"] if comparison.device not in ("auto", "cpu") else []
    others += [f"in {comparison.precision}"] if comparison.precision not in ("auto", "fp32") else []
    return " ".join(["Run by", ", ".join(comparison.engines), *others]) + "."


def is_best(comparison: Comparison, image: ComparedImage) -> bool:
    """Whether its value of the first metric is the best."""
    first = next(iter(image.values), None)
    return (
        image.model is not None
        and first is not None
        and image.values[first] == comparison.best(first)
    )


def crop_of(comparison: Comparison, image: ComparedImage) -> U8:
    """The crop of one picture, at the size of the results."""
    if image.name != "LR":
        return comparison.crop.cut(image.pixels)
    # The LR pixels that overlap the crop, enlarged to the size of the results.
    small = comparison.crop.divided(comparison.scale)
    large = np.repeat(np.repeat(small.cut(image.pixels), comparison.scale, 0), comparison.scale, 1)
    return comparison.crop.moved(-small.x * comparison.scale, -small.y * comparison.scale).cut(
        large
    )


def draw(comparison: Comparison) -> Image.Image:
    """The sheet: an overview with the crop marked, and the crop of each picture."""
    room = SHOWN_SIDE
    if max(comparison.crop.width, comparison.crop.height) > SHOWN_SIDE:
        room = 2 * SHOWN_SIDE  # a large crop is reduced only if it must be
    crops = [
        sheet.fit_picture(crop_of(comparison, one), (room, room)) for one in comparison.pictures
    ]
    height, width = crops[0].shape[0], max(crops[0].shape[1], NARROWEST)
    gap, margin, line = 12, 24, 24
    free = sheet.WIDEST - 2 * margin - OVERVIEW[1] - gap
    rows = -(-len(crops) // min(PER_ROW, free // (width + gap)))
    columns = -(-len(crops) // rows)
    panels = [
        sheet.Panel(pixels, one.name, note(comparison, one), is_best(comparison, one))
        for pixels, one in zip(crops, comparison.pictures, strict=True)
    ]
    left = sheet.WIDEST - 2 * margin - gap - columns * (width + gap)
    tall = rows * (height + 2 * line + gap) - 2 * line - gap
    overview = sheet.fit_picture(
        comparison.overview, (min(left, OVERVIEW[0]), max(tall, OVERVIEW[1]))
    )
    shrink = overview.shape[1] / comparison.result_size[0]
    box = comparison.crop.moved(comparison.part.x, comparison.part.y)
    frame = tuple(round(side * shrink) for side in (box.x, box.y, box.width, box.height))
    return sheet.render(
        [panels[at : at + columns] for at in range(0, len(panels), columns)],
        sheet.Style((width, height), gap=gap, margin=margin, title=18, note=15, line=line),
        heading=comparison.source,
        small=" ".join(sentences(comparison)),
        aside=sheet.Panel(overview, "", f"the crop: {comparison.file_crop}", frame=frame),
    )
