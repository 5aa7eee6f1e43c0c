"""Contact sheets: LR | bicubic | SR | HR, side by side, labelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image, ImageDraw

from . import files

if TYPE_CHECKING:
    from .contracts import U8

SIDE = 240
GAP = 6
LINE = 16
HEADS = ("LR", "bicubic", "SR", "HR")


def draw(path: Path, rows: Sequence[tuple[str, Sequence[U8]]]) -> None:
    """Draw the middle of each picture at the size of its HR version.

    Args:
        path: a PNG file, replaced whole.
        rows: a label, and the pictures lr, sr and hr, uint8 H x W x 3.
    """
    width = 4 * SIDE + 3 * GAP
    sheet = Image.new("RGB", (width, max(1, len(rows)) * (SIDE + LINE + GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    for row, (label, (lr, sr, hr)) in enumerate(rows):
        top = row * (SIDE + LINE + GAP)
        small = Image.fromarray(lr)
        size = (hr.shape[1], hr.shape[0])
        pictures = (
            small.resize(size, Image.Resampling.NEAREST),
            small.resize(size, Image.Resampling.BICUBIC),
            Image.fromarray(sr),
            Image.fromarray(hr),
        )
        left, upper = max(0, (size[0] - SIDE) // 2), max(0, (size[1] - SIDE) // 2)
        for column, (head, picture) in enumerate(zip(HEADS, pictures, strict=True)):
            x = column * (SIDE + GAP)
            pen.text((x + 2, top + 2), f"{label}  {head}" if column == 2 else head, fill="black")
            crop = picture.crop((left, upper, left + SIDE, upper + SIDE))
            sheet.paste(crop, (x, top + LINE))
    with files.replacing(path) as file:
        sheet.save(file, "PNG")
