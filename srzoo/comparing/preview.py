"""One crop of a picture, upscaled by a model and by plain interpolation.

Only that crop and its surroundings are upscaled, however large the picture is.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .. import images
from ..images import rectangles, sheet
from ..images.rectangles import Rectangle
from ..upscaling.sizing import Route, Sizing

if TYPE_CHECKING:
    from ..contracts import U8
    from ..images import Picture
    from ..upscaling.upscaler import Upscaler

SIDE = 480
"""The largest side of the upscaled crop, in pixels."""
SMALLEST = 48
"""The side of the crop in the picture's own pixels, if the picture is large enough."""
MARGIN = 32, 64
"""Pixels computed around it, so that its edges equal those of the whole: minimum and maximum."""
SEARCHED_PIXELS = 4_000_000
"""The largest picture that is searched for a crop, in pixels; a larger one is reduced first."""
OVERVIEW = (300, 480)
"""The largest side of the overview beside the crop, in pixels."""


@dataclass(frozen=True)
class Preview:
    """The result of :func:`preview`.

    Attributes:
        place: the crop, in the picture's own pixels.
        source, size: (width, height) of the picture, and of its whole result.
        route: the passes to that size.
        enlarged: the crop, upscaled by the model, uint8 h x w x 3.
        bicubic: the same by bicubic interpolation.
        overview: the whole picture, small.
        seconds: the duration of upscaling the crop.
        icc: the colour profile of all of them.
    """

    place: Rectangle
    route: Route
    enlarged: U8
    bicubic: U8
    overview: U8
    seconds: float
    icc: bytes | None = None

    @property
    def source(self) -> tuple[int, int]:
        """(width, height) of the picture."""
        return self.route.source


def preview(model: Upscaler, picture: Picture, sizing: Sizing) -> Preview:
    """Upscale the crop with the most detail.

    Args:
        model: the model.
        picture: the whole picture; it is converted to 8 bits without transparency.
        sizing: the requested size of the whole.

    Raises:
        PictureError: the model cannot reach that size.
        MemoryBudgetError: not even the crop fits into the permitted memory.
    """
    icc = picture.icc if picture.pixels.ndim == 3 else None  # gray becomes RGB without profile
    pixels = images.rgb(picture)
    route = sizing.route(picture.size, model.scales)
    place = detailed_place(pixels, side(route))
    margin = max(MARGIN[0], min(model.runner.reach or 0, MARGIN[1]))
    grown = place.grown(margin, route.source).aligned(rectangles.GRID)
    small = np.ascontiguousarray(grown.cut(pixels))
    start = time.perf_counter()
    made = model.to_size(images.Picture(small), _part(route, grown)).pixels
    seconds = time.perf_counter() - start
    size = made.shape[1], made.shape[0]
    plain = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BICUBIC))
    inner = _within_margin(place, grown, size)
    overview = sheet.fit_picture(pixels, OVERVIEW)
    return Preview(place, route, inner.cut(made), inner.cut(plain), overview, seconds, icc)


def side(route: Route) -> int:
    """The side of the crop in the picture's own pixels."""
    factor = max(route.size[0] / route.source[0], route.size[1] / route.source[1])
    return max(SMALLEST, math.floor(SIDE / factor))


def detailed_place(pixels: U8, side: int) -> Rectangle:
    """The square with the most detail; a large picture is searched at a smaller size."""
    height, width = pixels.shape[:2]
    by = max(1, math.ceil(math.sqrt(height * width / SEARCHED_PIXELS)))
    if by == 1:
        return rectangles.most_detailed_square([pixels], side)
    small = np.asarray(Image.fromarray(pixels).reduce(by))
    found = rectangles.most_detailed_square([small], max(1, side // by)).scaled(by)
    wide, tall = min(side, width), min(side, height)
    return Rectangle(min(found.x, width - wide), min(found.y, height - tall), wide, tall)


def draw(found: Preview, name: str, model: str) -> Image.Image:
    """The sheet: the whole picture, bicubic interpolation, and the model.

    Args:
        found: the preview.
        name: of the picture.
        model: its name, and its strength.
    """
    height, width = found.enlarged.shape[:2]
    shrink = found.overview.shape[1] / found.source[0]
    place = found.place
    frame = tuple(round(v * shrink) for v in (place.x, place.y, place.width, place.height))
    by = max(1, SIDE // max(height, width))  # pixels of a tiny picture are shown as squares
    text = (
        f"{found.source[0]} x {found.source[1]} to {found.route.size[0]} x {found.route.size[1]}"
        f" pixels ({found.route}); the crop is {width} x {height} of them"
        + (f", shown {by} times as large." if by > 1 else ".")
    )
    height, width = by * height, by * width
    shown = [pixels.repeat(by, 0).repeat(by, 1) for pixels in (found.bicubic, found.enlarged)]
    panels = [sheet.Panel(shown[0], sheet.HEADS[1]), sheet.Panel(shown[1], model)]
    return sheet.render(
        [panels],
        sheet.Style((max(width, 180), height), gap=12, margin=24, title=18, note=15, line=24),
        heading=name,
        small=text,
        aside=sheet.Panel(found.overview, "", f"the crop: {place}", frame=frame),
    )


def _part(route: Route, grown: Rectangle) -> Route:
    """The same route for a part of the picture."""
    wide = max(1, round(grown.width * route.size[0] / route.source[0]))
    tall = max(1, round(grown.height * route.size[1] / route.source[1]))
    return Route(route.passes, (wide, tall), (grown.width, grown.height))


def _within_margin(place: Rectangle, grown: Rectangle, size: tuple[int, int]) -> Rectangle:
    """The place of the crop in the upscaled larger part."""
    across, down = size[0] / grown.width, size[1] / grown.height
    left, top = round((place.x - grown.x) * across), round((place.y - grown.y) * down)
    right = round((place.x + place.width - grown.x) * across)
    bottom = round((place.y + place.height - grown.y) * down)
    return Rectangle(left, top, max(1, right - left), max(1, bottom - top))
