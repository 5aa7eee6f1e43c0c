"""One place beside its interpolation: where it is, and that it is what the whole would be."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from srzoo import images
from srzoo.comparing import preview
from srzoo.images import rectangles
from srzoo.images.rectangles import Rectangle
from srzoo.upscaling.sizing import Route, Sizing
from srzoo.upscaling.upscaler import Upscaler


class Grid:
    """Nearest enlargement that is darker on every eighth pixel, counted from where it begins."""

    reach = 0
    model = None
    parameters = None

    def __call__(self, x, scale):
        y = x.copy()
        y[:, :, ::8] *= 0.5
        y[:, :, :, ::8] *= 0.5
        return y.repeat(scale, 2).repeat(scale, 3)

    def bytes_per_pixel(self, scale):
        return 1

    def bytes_aside(self, scale):
        return 0

    def free_memory(self):
        return None


def picture(width: int, height: int, detail: Rectangle) -> images.Picture:
    """Smooth but for one place."""
    pixels = np.full((height, width, 3), 120, np.uint8)
    noise = np.random.default_rng(0).integers(0, 255, (detail.height, detail.width, 3))
    detail.cut(pixels)[:] = noise
    return images.Picture(pixels)


@pytest.mark.parametrize("corner", [(0, 0), (333, 201), (460, 330)])
def test_the_place_is_that_of_the_whole_on_a_grid_too(corner):
    photo = picture(620, 470, Rectangle(*corner, 150, 130))
    model = Upscaler(Grid(), (4,), "grid", tile="off")
    found = preview.preview(model, photo, Sizing())
    place = found.place
    assert corner[0] - 120 < place.x < corner[0] + 150
    assert corner[1] - 120 < place.y < corner[1] + 130
    whole = model.upscale(photo, 4).pixels
    assert np.array_equal(place.scaled(4).cut(whole), found.enlarged)
    assert found.route == Route((4,), (2480, 1880), (620, 470))
    assert found.enlarged.shape == found.bicubic.shape == (480, 480, 3)


def test_a_place_in_a_large_picture_is_found_in_a_smaller_one(monkeypatch):
    photo = picture(900, 700, Rectangle(500, 300, 200, 200)).pixels
    exact = preview.detailed_place(photo, 120)
    monkeypatch.setattr(preview, "SEARCHED_PIXELS", 40_000)
    seen = []
    find = rectangles.most_detailed_square
    monkeypatch.setattr(
        rectangles,
        "most_detailed_square",
        lambda p, side: seen.append(p[0].size) or find(p, side),
    )
    rough = preview.detailed_place(photo, 120)
    assert max(seen) <= 3 * 40_000
    for found in (exact, rough):
        assert (found.width, found.height) == (120, 120)
        assert 500 - 8 <= found.x <= 700 - 120 + 8
        assert 300 - 8 <= found.y <= 500 - 120 + 8


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (40, 30), (2000, 5)])
@pytest.mark.parametrize("sizing", [Sizing(), Sizing.parse("3"), Sizing.parse(size="70x90")])
def test_small_and_narrow_pictures(size, sizing):
    photo = images.Picture(np.full((size[1], size[0]), 90, np.uint8))
    found = preview.preview(Upscaler(Grid(), (2,), "grid"), photo, sizing)
    assert found.enlarged.shape == found.bicubic.shape
    assert min(found.enlarged.shape) >= 1
    sheet = preview.draw(found, "a.png", "grid")
    assert isinstance(sheet, Image.Image)
    assert sheet.width <= 2000
    # However tiny the picture is, there is something to be seen of it.
    assert max(sheet.size) > preview.SIDE
