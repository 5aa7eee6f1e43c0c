"""Comparing models on one picture: the numbers of ``evaluate``, the same place of each."""

from __future__ import annotations

import dataclasses
import os
import shutil

import numpy as np
import psutil
import pytest
from helpers import ROOT, drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

import srzoo
from srzoo import images
from srzoo.comparing import comparison, figure
from srzoo.comparing.comparison import ComparedImage, Comparison, compare
from srzoo.errors import MemoryBudgetError, ModelError, PictureError, SrzooError
from srzoo.images import rectangles, sheet
from srzoo.images.rectangles import GRID, Rectangle
from srzoo.models import locate

SIZES = st.integers(1, 60)


@pytest.fixture
def hr(tmp_path):
    """An HR picture alone in a folder; its sides are no multiples of 4."""
    (tmp_path / "set").mkdir()
    drawn(210, 170).save(tmp_path / "set/picture.png")
    return tmp_path / "set/picture.png"


@pytest.fixture
def soft(tmp_path):
    """A released model under a second name."""
    return shutil.copytree(ROOT / "cards/bicubic-x4", tmp_path / "soft")


def value_of(report):
    return {value.metric: value.value for row in report.rows for value in row.values}


def test_the_numbers_are_those_of_evaluate(hr):
    found = compare(["bicubic-x4", "edsr-x4"], hr=hr)
    for one in found.pictures[1:3]:
        assert one.values == value_of(srzoo.evaluate([one.name], [hr.parent]))
        assert list(one.values) == ["psnr_y", "ssim_y"]
    assert [one.name for one in found.pictures] == ["LR", "bicubic-x4", "edsr-x4", "HR"]
    assert found.degradation == "bicubic"
    assert found.best("psnr_y") == max(one.values["psnr_y"] for one in found.pictures[1:3])
    assert [figure.is_best(found, one) for one in found.pictures] == [False, False, True, False]


def test_chance_is_that_of_evaluate_as_well(hr):
    found = compare(["bicubic-x4"], hr=hr, degradation="realistic")
    report = srzoo.evaluate(["bicubic-x4"], [hr.parent], degradation="realistic")
    assert found.pictures[1].values == value_of(report)
    assert found.degradation == "realistic"


@pytest.mark.slow
def test_the_numbers_of_a_benchmark(data):
    folder = data / "benchmarks/Set14/x4"
    low, high = (folder / part / "img_014.png" for part in ("LR", "HR"))
    found = compare(["bicubic-x4", "edsr-x4"], low, high)
    assert found.degradation is None
    at = sorted(path.name for path in (folder / "HR").iterdir()).index("img_014.png")
    for one in found.pictures[1:3]:
        row = srzoo.evaluate([one.name], [folder]).rows[0]
        assert one.values == {value.metric: value.each[at] for value in row.values}


def test_a_photo_alone_is_enlarged_and_not_measured(photo):
    found = compare(["bicubic-x4", "edsr-x4"], photo)
    lr, plain, sr = (one.pixels for one in found.pictures)
    assert (lr == images.rgb(images.read(photo))).all()
    assert (plain == srzoo.load("bicubic-x4").array(lr)).all()
    assert (sr == srzoo.load("edsr-x4").array(lr)).all()
    assert all(one.values == {} for one in found.pictures)
    assert found.best("psnr_y") is None
    assert figure.note(found, found.pictures[1]) == ""


def test_the_place_is_in_pixels_of_the_file_that_was_named_first(hr, tmp_path):
    high = images.rgb(images.read(hr))[:168, :208]
    Image.fromarray(high[::4, ::4].copy()).save(tmp_path / "low.png")
    place = Rectangle(5, 6, 10, 12)
    low = compare(["bicubic-x4"], tmp_path / "low.png", crop=place)
    assert (low.crop, low.file_crop) == (place.scaled(4), place)
    both = compare(["bicubic-x4"], tmp_path / "low.png", hr, crop=place)
    assert (both.crop, both.file_crop) == (place.scaled(4), place)
    alone = compare(["bicubic-x4"], hr=hr, crop=place)
    assert (alone.crop, alone.file_crop) == (place, place)
    for photo, hr_ in ((tmp_path / "low.png", None), (None, hr)):
        found = compare(["bicubic-x4"], photo, hr_)
        again = compare(["bicubic-x4"], photo, hr_, crop=found.file_crop)
        assert again.crop == found.crop


@settings(deadline=None)
@given(x=st.integers(0, 150), y=st.integers(0, 110), width=SIZES, height=SIZES)
def test_crops_show_the_same_place(x, y, width, height):
    """LR too, whose pixels are larger than those the place is counted in."""
    hr = np.asarray(drawn(210, 170))[:168, :208]
    part, crop = Rectangle(8, 16, 160, 120), Rectangle(x, y, min(width, 160 - x % 160), height)
    crop = Rectangle(crop.x % 100, crop.y % 60, crop.width, crop.height)
    pictures = (ComparedImage("LR", None, part.divided(4).cut(hr[::4, ::4]), {}),
                ComparedImage("HR", None, part.cut(hr), {}))  # fmt: skip
    found = Comparison("p", 4, None, pictures, part, crop, crop, hr, (208, 168), {}, {})
    low, high = (figure.crop_of(found, one) for one in pictures)
    there = crop.moved(part.x, part.y)
    assert (high == there.cut(hr)).all()
    assert (low == there.cut(hr[::4, ::4].repeat(4, 0).repeat(4, 1))).all()


def test_of_a_large_photo_a_part_is_enlarged_and_is_as_in_the_whole(photo, monkeypatch):
    drawn(300, 200).save(photo)
    models = ["bicubic-x2"]
    whole = compare(models, photo, crop=Rectangle(130, 90, 20, 20))
    monkeypatch.setattr(comparison, "PART", 128)
    ran = []
    array = srzoo.upscaling.upscaler.Upscaler.array
    monkeypatch.setattr(
        srzoo.upscaling.upscaler.Upscaler,
        "array",
        lambda self, lr, *rest: ran.append(lr.shape[:2]) or array(self, lr, *rest),
    )
    tall = Rectangle(250, 20, 50, 180)  # more than a part
    for place in (Rectangle(130, 90, 20, 20), Rectangle(0, 0, 9, 9), tall, None):
        found = compare(models, photo, crop=place)
        size = (128, 360 if place == tall else 128)
        assert (found.part.width, found.part.height) == size
        lr, sr = (one.pixels for one in found.pictures)
        assert (sr == found.part.cut(whole.pictures[1].pixels)).all()
        assert (lr == found.part.divided(2).cut(whole.pictures[0].pixels)).all()
        assert found.crop.moved(found.part.x, found.part.y) == found.file_crop.scaled(2)
        assert place in (None, found.file_crop)
        assert "Only 128 x" in " ".join(figure.sentences(found))
    assert max(max(shape) for shape in ran[:2]) <= 64 + 2 * comparison.MARGIN + GRID


@pytest.mark.parametrize("crop", [None, Rectangle(130, 70, 30, 20)])
def test_of_a_large_hr_picture_all_is_measured_and_a_part_is_kept(hr, monkeypatch, crop):
    whole = compare(["bicubic-x4", "edsr-x4"], hr=hr, crop=crop)
    monkeypatch.setattr(comparison, "PART", 96)
    found = compare(["bicubic-x4", "edsr-x4"], hr=hr, crop=crop)
    assert (found.part.width, found.part.height) == (96, 96)
    assert found.file_crop == whole.file_crop
    for one, other in zip(found.pictures, whole.pictures, strict=True):
        assert one.values == other.values
        part = found.part.divided(4) if one.name == "LR" else found.part
        assert (one.pixels == part.cut(other.pixels)).all()
        assert (figure.crop_of(found, one) == figure.crop_of(whole, other)).all()


@pytest.mark.parametrize(
    ("models", "scale", "message"),
    [
        (["bicubic-x4", "bicubic-x2"], None, "bicubic-x4 by 4, bicubic-x2 by 2. Compare those"),
        (["bicubic-x4"], 2, "not every model enlarges by 2: bicubic-x4 by 4"),
        ([], None, "no model is given to compare"),
        (["bicubic-x4", "edsr-x5"], None, "edsr-x4"),
    ],
)
def test_models_that_do_not_fit(photo, models, scale, message):
    with pytest.raises(ModelError, match=message):
        compare(models, photo, scale=scale)


def test_models_with_several_scales(soft):
    config = (soft / "config.json").read_text()
    assert '"scales": [\n    4\n  ]' in config
    (soft / "config.json").write_text(config.replace("[\n    4\n  ]", "[2, 3, 4]"))
    several, one = locate.find(soft), locate.find("bicubic-x4")
    assert comparison.common_scale([several, one], None) == 4
    assert comparison.common_scale([several], 3) == 3
    with pytest.raises(PictureError, match="every model can enlarge by 2, 3, 4. Choose the scale"):
        comparison.common_scale([several, several], None)


def test_no_two_pictures_share_a_name(photo, soft, tmp_path, monkeypatch):
    other = shutil.copytree(soft, tmp_path / "elsewhere/soft")
    found = compare([soft, other, "bicubic-x4"], photo)
    assert [one.name for one in found.pictures[1:]] == [str(soft), str(other), "bicubic-x4"]
    with pytest.raises(SrzooError, match="named twice"):
        compare(["bicubic-x4", "edsr-x4", "bicubic-x4"], photo)
    monkeypatch.chdir(tmp_path)
    soft.rename(tmp_path / "HR")
    found = compare(["HR"], photo)
    assert [one.name for one in found.pictures] == ["LR", "model HR"]


def test_other_refusals(photo, hr, monkeypatch):
    with pytest.raises(SrzooError, match="no picture"):
        compare(["bicubic-x4"])
    with pytest.raises(PictureError, match="44,0,2,5 leaves the picture, which has 45x31 pixels"):
        compare(["bicubic-x4"], photo, crop=Rectangle(44, 0, 2, 5))
    with pytest.raises(PictureError, match="HR divided by 4 is 52x42"):
        compare(["bicubic-x4"], photo, hr)
    memory = psutil.virtual_memory()
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory._replace(available=10**5))
    with pytest.raises(MemoryBudgetError, match="4 pictures of 180x124 take"):
        compare(["bicubic-x4", "edsr-x4"], photo)


def test_what_is_gray_transparent_or_has_a_profile(tmp_path):
    drawn(mode="LA").save(tmp_path / "gray.png")
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    drawn().save(tmp_path / "colour.png", icc_profile=profile)
    drawn(mode="L").save(tmp_path / "flat.png", icc_profile=profile)
    assert compare(["bicubic-x2"], tmp_path / "gray.png").pictures[1].pixels.shape == (62, 90, 3)
    assert compare(["bicubic-x2"], tmp_path / "colour.png").icc == profile
    assert compare(["bicubic-x2"], tmp_path / "flat.png").icc is None


# Where to look.


def test_the_place_is_where_pictures_differ_and_have_detail():
    chance = np.random.default_rng(1)
    first = np.full((300, 400, 3), 120, np.uint8)
    first[40:120, 30:110] = chance.integers(0, 240, (80, 80, 3))  # more detail, the same in both
    first[180:260, 300:380] = chance.integers(60, 180, (80, 80, 3))
    second = first.copy()
    second[20:140, 200:280] += 9  # a difference without detail
    second[180:260, 300:380] += 9
    found = rectangles.most_detailed_square([first, second], 80)
    assert abs(found.x - 300) <= 2
    assert abs(found.y - 180) <= 2
    alone = rectangles.most_detailed_square([first], 80)
    assert abs(alone.x - 30) <= 2
    assert abs(alone.y - 40) <= 2
    assert rectangles.most_detailed_square([first.copy(), second.copy()], 80) == found


def test_texture_counts_for_more_than_one_hard_edge():
    first = np.full((200, 400, 3), 100, np.uint8)
    first[:, 350:] = 255
    first[50:130, 50:130] += np.random.default_rng(1).integers(0, 40, (80, 80, 1), np.uint8)
    second = first.copy()
    second[50:130, 50:130] += 5
    second[:, 348:352] = 180
    assert rectangles.most_detailed_square([first, second], 80).x < 60


@settings(deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 50))
def test_a_place_is_always_in_the_picture(width, height, side):
    found = rectangles.most_detailed_square([np.zeros((height, width, 3), np.uint8)], side)
    assert found == Rectangle(0, 0, min(width, side), min(height, side))


@settings(deadline=None)
@given(st.integers(0, 99), st.integers(0, 99), SIZES, SIZES, st.integers(1, 5))
def test_places_in_smaller_pictures(x, y, width, height, by):
    place = Rectangle(x, y, width, height)
    assert place.scaled(by).divided(by) == place
    outer = place.divided(by).scaled(by)
    assert outer.x <= x
    assert outer.x + outer.width >= x + width
    assert outer.width < width + 2 * by
    assert place.grown(7, (300, 300)).moved(-x, -y).width >= width
    snapped = place.snapped(by)
    assert {snapped.x % by, snapped.y % by, snapped.width % by, snapped.height % by} == {0}
    aligned = place.aligned(by)
    assert {aligned.x % by, aligned.y % by} == {0}
    assert (aligned.x + aligned.width, aligned.y + aligned.height) == (x + width, y + height)
    assert x - by < aligned.x <= x
    assert Rectangle.parse(str(place)) == place


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "1,2,3,-4", "a,b,c,d", "²,1,1,1"]
)
def test_no_places(text):
    with pytest.raises(PictureError, match="x,y,width,height"):
        Rectangle.parse(text)


# The sheet.


def made(models: int, crop: Rectangle, size=(600, 400), name="photo.png", title="model-{}-x4"):
    """A comparison that no model made."""
    hr = np.asarray(drawn(*size))
    lr = np.asarray(Image.fromarray(hr).resize((-(-size[0] // 4), -(-size[1] // 4))))
    shown = [ComparedImage("LR", None, lr, {})]
    for number in range(models):
        values = {"psnr_y": 20 + number / 10, "ssim_y": 0.7}
        shown.append(ComparedImage(title.format(number), "m", hr, values))
    shown.append(ComparedImage("HR", None, hr, {}))
    protocols = {"psnr_y": "PSNR in dB, mean over pictures", "ssim_y": "SSIM, mean over pictures"}
    return Comparison(
        name, 4, "bicubic", tuple(shown), Rectangle(0, 0, *size), crop, crop, hr, size,
        dict.fromkeys(protocols, True), protocols,
    )  # fmt: skip


@pytest.mark.parametrize("models", [1, 2, 3, 4, 5, 9, 12])
@pytest.mark.parametrize(
    "crop", [Rectangle(10, 20, 160, 160), Rectangle(0, 100, 600, 60), Rectangle(3, 0, 11, 400),
             Rectangle(0, 0, 600, 400), Rectangle(200, 150, 7, 5)],
    ids=str,
)  # fmt: skip
def test_a_sheet_is_never_too_wide_and_has_every_crop(models, crop):
    found = made(models, crop)
    drawing = np.asarray(figure.draw(found))
    assert drawing.shape[1] <= sheet.WIDEST
    assert drawing.shape[0] < 4_500
    room = 320 if max(crop.width, crop.height) <= 320 else 640
    expected = sheet.fit_picture(crop.cut(found.pictures[-1].pixels), (room, room))
    height, width = expected.shape[:2]
    # Each panel but LR shows the same; count the places where exactly that is to be seen.
    corner = (drawing == expected[0, 0]).all(axis=2) & np.roll(
        (drawing == expected[-1, -1]).all(axis=2), (1 - height, 1 - width), (0, 1)
    )
    places_ = [(y, x) for y, x in np.argwhere(corner)
               if y + height <= drawing.shape[0] and x + width <= drawing.shape[1]]  # fmt: skip
    there = [at for at in places_ if (Rectangle(at[1], at[0], width, height).cut(drawing)
                                      == expected).all()]  # fmt: skip
    assert len(there) >= models + 1


@pytest.mark.parametrize("size", [(1600, 60), (60, 1600), (40, 40)])
@pytest.mark.parametrize("models", [1, 2, 5])
def test_an_overview_leaves_room(models, size):
    drawing = figure.draw(made(models, Rectangle(0, 0, 40, 40), size=size))
    assert drawing.width <= sheet.WIDEST


def test_a_sheet_says_what_was_measured():
    found = made(2, Rectangle(0, 0, 100, 100))
    assert figure.note(found, found.pictures[1]) == "20.00 dB / 0.7000"
    assert figure.note(found, found.pictures[-1]) == "PSNR / SSIM"
    assert figure.note(found, found.pictures[0]) == ""
    said = " ".join(figure.sentences(found))
    assert "LR was made from HR by bicubic." in said
    assert "psnr_y: PSNR in dB." in said


def test_a_metric_names_its_unit():
    class Blocks:
        """A third party's."""

        unit = "blocks"
        label = "Blocks a side"

    srzoo.metrics.register("psnr_blocks", Blocks)
    srzoo.metrics.register("psnr_bare", type("Bare", (), {"__doc__": "Nothing is stated."}))
    try:
        one = ComparedImage(
            "a", "m", np.zeros((8, 8, 3), np.uint8), {"psnr_blocks": 3.0, "psnr_bare": 9.0}
        )
        found = made(1, Rectangle(0, 0, 40, 40))
        assert figure.note(found, one) == "3.0000 blocks / 9.0000"
        higher = {'{"name": "psnr_blocks", "size": 3}': True, "psnr_bare": True, "gone": False}
        found = dataclasses.replace(found, higher_is_better=higher)
        assert figure.note(found, found.pictures[-1]) == "Blocks a side / psnr_bare / gone"
    finally:
        srzoo.metrics.unregister("psnr_blocks")
        srzoo.metrics.unregister("psnr_bare")


def test_odd_names_are_drawn():
    name = os.fsdecode(b"\xff") + "\n" + "写真 " * 200
    assert (
        figure.draw(made(3, Rectangle(0, 0, 99, 99), name=name, title=name + "{}")).width <= 2_000
    )
