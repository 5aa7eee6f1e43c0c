"""A comparison as a sheet: an overview, and the same place as each picture shows it, labelled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..common.facts import label_of, unit_of
from ..defaults import ENGINE
from ..evaluating.naming import class_of, table_name
from ..images import sheet
from .comparison import LOOK

if TYPE_CHECKING:
    from PIL import Image

    from ..contracts import U8
    from .comparison import ComparedImage, Comparison

OVERVIEW = (720, 200)
"""The widest and the narrowest overview beside the crops."""
PER_ROW = 4
NARROWEST = 180
"""A crop's place, for its name and values to be read, in pixels."""


def note(found: Comparison, one: ComparedImage) -> str:
    """What stands under a picture: its values; under HR, what they are."""
    if one.name == "HR" and found.higher:
        return " / ".join(label_of(class_of(name), table_name(name)) for name in found.higher)
    return " / ".join(_value(name, value) for name, value in one.values.items())


def _value(name: str, value: float) -> str:
    shown = f"{value:.2f}" if abs(value) >= 10 else f"{value:.4f}"
    return f"{shown} {unit_of(class_of(name))}".rstrip()


def sentences(found: Comparison) -> list[str]:
    """What a reader has to know to read the pictures and numbers."""
    width, height = found.whole
    said = [
        f"Enlarged {found.scale} times to {width} x {height} pixels;"
        f" the crop is {found.crop.width} x {found.crop.height} of them."
    ]
    if (found.part.width, found.part.height) != found.whole and not found.protocols:
        said.append(f"Only {found.part.width} x {found.part.height} pixels round it were made.")
    if found.strength != 1:
        said.append(f"Of each model {found.strength:.0%}, the rest is bicubic interpolation.")
    if said_by := _run_by(found):
        said.append(said_by)
    if found.degradation:
        said.append(f"LR was made of HR by {found.degradation}.")
    said += [f"{name}: {text.removesuffix(', mean over pictures')}." for name, text in
             found.protocols.items()]  # fmt: skip
    return said


def _run_by(found: Comparison) -> str | None:
    """Which engine, device and precision, where any is not the usual."""
    usual = found.device in ("auto", "cpu") and found.precision in ("auto", "fp32")
    if not found.engines or (found.engines == (ENGINE,) and usual):
        return None
    others = [f"on {found.device}"] if found.device not in ("auto", "cpu") else []
    others += [f"in {found.precision}"] if found.precision not in ("auto", "fp32") else []
    return " ".join(["Run by", ", ".join(found.engines), *others]) + "."


def is_best(found: Comparison, one: ComparedImage) -> bool:
    """Whether no other model has a better first value."""
    first = next(iter(one.values), None)
    return one.model is not None and first is not None and one.values[first] == found.best(first)


def crop_of(found: Comparison, one: ComparedImage) -> U8:
    """The place to look at as one picture shows it, at the size of the results."""
    if one.name != "LR":
        return found.crop.cut(one.pixels)
    # The LR pixels that the place touches, each as large as it is in the results.
    small = found.crop.divided(found.scale)
    large = np.repeat(np.repeat(small.cut(one.pixels), found.scale, 0), found.scale, 1)
    return found.crop.moved(-small.x * found.scale, -small.y * found.scale).cut(large)


def draw(found: Comparison) -> Image.Image:
    """The sheet: an overview with the place marked, and the place as each picture shows it."""
    room = LOOK
    if max(found.crop.width, found.crop.height) > LOOK:
        room = 2 * LOOK  # a large crop is not reduced before it has to be
    crops = [sheet.fit_picture(crop_of(found, one), (room, room)) for one in found.pictures]
    height, width = crops[0].shape[0], max(crops[0].shape[1], NARROWEST)
    gap, margin, line = 12, 24, 24
    free = sheet.WIDEST - 2 * margin - OVERVIEW[1] - gap
    rows = -(-len(crops) // min(PER_ROW, free // (width + gap)))
    columns = -(-len(crops) // rows)
    panels = [
        sheet.Panel(pixels, one.name, note(found, one), is_best(found, one))
        for pixels, one in zip(crops, found.pictures, strict=True)
    ]
    left = sheet.WIDEST - 2 * margin - gap - columns * (width + gap)
    tall = rows * (height + 2 * line + gap) - 2 * line - gap
    overview = sheet.fit_picture(found.overview, (min(left, OVERVIEW[0]), max(tall, OVERVIEW[1])))
    shrink = overview.shape[1] / found.whole[0]
    box = found.crop.moved(found.part.x, found.part.y)
    frame = tuple(round(side * shrink) for side in (box.x, box.y, box.width, box.height))
    return sheet.render(
        [panels[at : at + columns] for at in range(0, len(panels), columns)],
        sheet.Style((width, height), gap=gap, margin=margin, title=18, note=15, line=line),
        heading=found.source,
        small=" ".join(sentences(found)),
        aside=sheet.Panel(overview, "", f"the crop: {found.asked}", frame=frame),
    )
