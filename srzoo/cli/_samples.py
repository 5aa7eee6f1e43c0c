"""A sheet of a degradation's results: each HR picture beside several draws of its LR."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PictureError

if TYPE_CHECKING:
    import numpy as np

    from ..contracts import U8, Degradation

ROWS, DRAWS = 6, 4
"""The number of pictures on a sheet, and of LR pictures beside each."""
SIDE = 240
"""Side of the shown middle part of an HR picture, in pixels."""


def draw(
    pictures: Sequence[tuple[str, Path]],
    sheet: Path,
    degradation: Degradation,
    name: str,
    scale: int,
    seed: int,
) -> int:
    """Draw a sheet of the first few pictures.

    Args:
        pictures: names and files.
        sheet: a PNG file, replaced atomically.
        degradation: makes LR from whole pictures.
        name: of the degradation, for the heading.
        scale: the factor by which the pictures shrink.
        seed: the first draw equals the result of ``srzoo data degrade`` with it; the next draws use
            the following seeds.

    Returns:
        The number of pictures on it.

    Raises:
        SrzooError: a picture cannot be read, or the sheet cannot be written.
    """
    import numpy as np
    from PIL import Image

    from .. import images
    from ..common import files
    from ..evaluating.degrading import degrade
    from ..images.sheet import Panel, Style, fit_picture, render

    count = 1 if degradation.deterministic else DRAWS
    rows: list[list[Panel]] = []
    for called, path in pictures[:ROWS]:
        hr = cropped(images.rgb(images.read(path)), scale, path)
        height, width = (min(SIDE // scale * scale, side) for side in hr.shape[:2])
        top, left = (
            (whole - part) // 2 // scale * scale
            for whole, part in zip(hr.shape[:2], (height, width), strict=True)
        )
        part = np.ascontiguousarray(hr[top : top + height, left : left + width])
        row = [Panel(fit_picture(part, (SIDE, SIDE)), called, f"HR, {width}x{height} of it")]
        for number in range(count):
            lr = degrade(hr, scale, degradation, name, generator(seed + number, called), called)
            small = lr[top // scale :, left // scale :][: height // scale, : width // scale]
            nearest = Image.fromarray(np.ascontiguousarray(small)).resize(
                (width, height), Image.Resampling.NEAREST
            )
            note = f"seed {seed + number}" if count > 1 else "no randomness"
            row.append(
                Panel(fit_picture(np.asarray(nearest), (SIDE, SIDE)), f"{name} x{scale}", note)
            )
        rows.append(row)
    image = render(rows, Style((SIDE, SIDE), margin=8))
    try:
        with files.atomic_write(sheet) as file:
            image.save(file, "PNG")
    except OSError as error:
        raise PictureError(
            f"cannot write {sheet}: {error.strerror or error}", "Choose another --sheet"
        ) from error
    return len(rows)


def cropped(hr: U8, scale: int, picture: Path) -> U8:
    """An HR picture cropped to a multiple of the scale, at its right and lower edges.

    Raises:
        PictureError: it is smaller than one LR pixel.
    """
    height, width = (side - side % scale for side in hr.shape[:2])
    if not (height and width):
        raise PictureError(
            f"{picture} is {hr.shape[1]}x{hr.shape[0]}, smaller than one LR pixel",
            "Choose a smaller --scale",
        )
    return hr[:height, :width]


def generator(seed: int, name: str) -> np.random.Generator:
    """The random generator of a degradation for one picture; depends only on the arguments."""
    import numpy as np

    return np.random.default_rng([seed, zlib.crc32(name.encode())])
