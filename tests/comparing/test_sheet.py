"""Sheets: what is drawn where, and that words stay in their place."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from helpers import drawn
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from srzoo.images import sheet
from srzoo.images.sheet import SIDE, Panel, Style

LINE, GAP = 16, 6
NAMES = st.text(min_size=0, max_size=300)


def panel(title="", note="", best=False, size=(100, 80)):
    return Panel(np.full((size[1], size[0], 3), 90, np.uint8), title, note, best)


def picture_of(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_contact_sheet_has_the_middle_of_each_picture(tmp_path):
    hr = np.asarray(drawn(700, 500))
    lr, sr = hr[::2, ::2], 255 - hr
    sheet.draw(tmp_path / "s.png", [("a  psnr_y 30.1", (lr, sr, hr)), ("b", (lr, hr, sr))])
    found = picture_of(tmp_path / "s.png")
    middle = np.s_[130:370, 230:470]
    bicubic = np.asarray(Image.fromarray(lr).resize((700, 500), Image.Resampling.BICUBIC))
    nearest = lr.repeat(2, 0).repeat(2, 1)
    for row, expected in enumerate(((nearest, bicubic, sr, hr), (nearest, bicubic, hr, sr))):
        top = row * (LINE + SIDE + GAP) + LINE
        for column, picture in enumerate(expected):
            left = column * (SIDE + GAP)
            part = found[top : top + SIDE, left : left + SIDE]
            assert (part == picture[middle]).all(), (row, column)


def test_small_pictures_are_repeated_in_whole_pixels(tmp_path):
    hr = np.asarray(drawn(50, 40))
    sheet.draw(tmp_path / "s.png", [("a", (hr[::2, ::2], hr, hr))])
    found = picture_of(tmp_path / "s.png")
    left = 3 * (SIDE + GAP)
    assert (found[LINE : LINE + 160, left : left + 200] == hr.repeat(4, 0).repeat(4, 1)).all()
    assert found.shape[1] == 4 * SIDE + 3 * GAP


def test_a_sheet_of_no_pictures_is_no_error(tmp_path):
    sheet.draw(tmp_path / "s.png", [])
    assert (tmp_path / "s.png").is_file()


@settings(deadline=None)
@given(NAMES, NAMES, st.booleans())
def test_words_stay_in_their_panel(title, note, best):
    """The gap between two panels is white whatever they are called, and below the note too."""
    style = Style((100, 80), gap=12, margin=10, title=18, note=15, line=24)
    row = [panel(title, note, best), panel("x", "y")]
    found = np.asarray(sheet.render([row], style))
    assert (found[:, 10 + 100 + 1 : 10 + 112 - 1] == 255).all()
    assert (found[:, :9] == 255).all()
    assert (found[: style.margin - 1] == 255).all()
    assert (found[-style.margin :] == 255).all()
    assert (found[10 + 24 : 10 + 24 + 80, 10:110] == 90).all()


def test_letters_do_not_touch_the_picture():
    """Ascenders and descenders, in both styles that are used; contact sheets have no notes."""
    small = Style((200, 80))
    titled = np.asarray(sheet.render([[panel("gjpqy|_ABC")]], small))
    plain = np.asarray(sheet.render([[panel("")]], small))
    assert (titled[:14] != plain[:14]).any()
    assert (titled[small.line - 1 :] == plain[small.line - 1 :]).all()
    style = Style((200, 80), gap=12, margin=24, title=18, note=15, line=24)
    with_words = np.asarray(
        sheet.render([[panel("Ägjpqy|", "gjpqy|Å")], [panel("Ägjpqy|", "x")]], style)
    )
    without = np.asarray(sheet.render([[panel("", " ")], [panel("", " ")]], style))
    changed = (with_words != without).any(axis=2).any(axis=1)
    top = style.margin
    for _ in range(2):
        assert changed[top : top + style.line].any()
        assert not changed[top + style.line - 1 : top + style.line + 81].any()
        assert changed[top + style.line + 81 : top + 2 * style.line + 80].any()
        assert not changed[top + 2 * style.line + 80]
        top += 2 * style.line + 80 + style.gap


def test_the_best_is_bolder():
    """More ink, not only darker ink."""
    style = Style((200, 80))
    plain, best = (
        np.asarray(sheet.render([[panel("", "24.06 dB", bold)]], style))[style.line + 82 :]
        for bold in (False, True)
    )
    assert (best < 250).sum() > 1.2 * (plain < 250).sum() > 0


def test_an_aside_is_marked_where_it_should_be():
    large = np.full((120, 200, 3), 90, np.uint8)
    aside = Panel(large, "photo", "note", frame=(50, 40, 30, 20))
    style = Style((100, 80), gap=12, margin=10, line=24)
    found = np.asarray(sheet.render([[panel()]], style, aside=aside))
    part = found[10 + 24 : 10 + 24 + 120, 10:210]
    assert (part[41:59, 51:79] == 90).all()
    red = (part == sheet.FRAME).all(axis=2)
    rows, columns = np.flatnonzero(red.any(axis=1)), np.flatnonzero(red.any(axis=0))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (38, 61, 48, 81)
    assert (found[34:114, 10 + 200 + 24 : 10 + 200 + 124] == 90).all()


@settings(deadline=None)
@given(NAMES, st.integers(8, 40), st.integers(0, 900))
def test_shortened_texts_fit_and_keep_their_ends(text, size, room):
    short = sheet.shorten(text, size, room)
    assert sheet.text_width(short, size) <= room
    if sheet.text_width(text, size) <= room:
        assert short == text
    elif short and "." not in text:
        start, end = short.split("...")
        assert text.startswith(start)
        assert text.endswith(end)


def test_ends_tell_names_apart():
    one, two = (f"srgan-with-a-name-as-long-as-a-train-{n}-x4" for n in (1, 2))
    assert sheet.shorten(one, 18, 200) != sheet.shorten(two, 18, 200)


@settings(deadline=None)
@given(st.text(st.sampled_from("ab cdé\n"), max_size=200), st.integers(60, 500))
def test_wrapped_lines_fit_and_lose_no_word(text, room):
    lines = sheet.wrap(text, 15, room)
    assert " ".join(lines).split() == text.split()
    assert all(sheet.text_width(line, 15) <= room for line in lines if " " in line)


@settings(deadline=None)
@given(st.integers(1, 700), st.integers(1, 700))
def test_fitted_pictures_fit(width, height):
    pixels = np.zeros((height, width, 3), np.uint8)
    found = sheet.fit_picture(pixels, (320, 200))
    assert found.shape[0] <= 200
    assert found.shape[1] <= 320
    if width <= 320 and height <= 200:
        factor = found.shape[1] // width
        assert found.shape[:2] == (height * factor, width * factor)
        assert (factor + 1) * width > 320 or (factor + 1) * height > 200


@pytest.mark.parametrize(
    ("text", "shown"),
    [("edsr-x4", "edsr-x4"), ("Müller", "Muller"), ("e\u0301", "e"), ("a\nb", "a?b"),
     ("\udcff", "?"), ("写x", "?x")],
)  # fmt: skip
def test_letters_that_no_font_has(text, shown, monkeypatch):
    monkeypatch.setattr(sheet, "_font_files", lambda: ("no such font",))
    sheet._best_font_file.cache_clear()
    assert sheet.printable(text) == shown
    sheet._best_font_file.cache_clear()


@pytest.mark.parametrize("text", ["Müller", "Ελλάδα", "Привет"])
def test_matplotlib_s_fonts_have_what_pillow_s_lacks(text):
    pytest.importorskip("matplotlib")
    assert sheet.printable(text) == text
    assert "DejaVuSans" in str(sheet.font(text, 18).path)


def test_no_font_of_boxes_or_signs_is_taken():
    """matplotlib brings one that has a box for every letter there is."""
    pytest.importorskip("matplotlib")
    names = [Path(name).name for name in sheet._font_files()]
    assert not any(name.startswith(("LastResort", "cm", "STIX")) for name in names)
    assert sheet.printable("x\U000e0fff") == "x?"


def test_without_matplotlib_it_is_pillow_s_font(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    for cached in (sheet._font_files, sheet._best_font_file):
        cached.cache_clear()
    assert sheet._font_files() == ()
    assert sheet.printable("Müller x写") == "Muller x?"
    for cached in (sheet._font_files, sheet._best_font_file):
        cached.cache_clear()


def test_ordinary_names_need_no_list_of_fonts(monkeypatch):
    monkeypatch.setattr(sheet, "_font_files", lambda: pytest.fail("fonts were looked for"))
    assert sheet.text_width("edsr-x4 (1).png", 18) > 50
