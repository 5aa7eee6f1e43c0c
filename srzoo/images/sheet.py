"""Sheets of pictures: the same crop of several pictures, labelled.

One renderer draws the trainer's contact sheets, the cards' samples and ``srzoo compare``.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..common import files

if TYPE_CHECKING:
    from ..contracts import U8

SIDE = 240
"""The side of a contact sheet's crops, in pixels."""
HEADS = ("LR", "bicubic", "SR", "HR")
WIDEST = 2_000
"""The largest width of a sheet, in pixels."""
INK, QUIET, FRAME, EDGE = (20, 20, 20), (96, 96, 96), (214, 38, 38), (205, 205, 205)
LATIN = "Aaeg09"
"""Letters that any font for texts has."""
SAMPLE = 20
"""The size for comparing letters."""


@dataclass(frozen=True)
class Panel:
    """One picture on a sheet.

    Attributes:
        pixels: as they are drawn, uint8 H x W x 3.
        title: drawn above it, shortened to the panel's width.
        note: drawn below it.
        best: whether the note is printed bold.
        frame: (left, top, width, height) to mark in it, or None.
    """

    pixels: U8
    title: str
    note: str = ""
    best: bool = False
    frame: tuple[int, int, int, int] | None = None


@dataclass(frozen=True)
class Style:
    """Sizes in pixels: of a panel, of the space around it, of letters and lines."""

    panel: tuple[int, int]
    gap: int = 6
    margin: int = 0
    title: int = 12
    note: int = 12
    line: int = 16


def draw(path: Path, rows: Sequence[tuple[str, Sequence[U8]]]) -> None:
    """Draw the middle of each picture at the size of its HR version.

    Args:
        path: a PNG file, replaced atomically.
        rows: a label, and the pictures lr, sr and hr, uint8 H x W x 3.
    """
    panels: list[list[Panel]] = []
    for label, (lr, sr, hr) in rows:
        size = (hr.shape[1], hr.shape[0])
        small = Image.fromarray(lr)
        large = [
            np.asarray(small.resize(size, how))
            for how in (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)
        ]
        left, top = (max(0, (side - SIDE) // 2) for side in size)
        panels.append(
            [
                Panel(
                    fit_picture(picture[top : top + SIDE, left : left + SIDE], (SIDE, SIDE)),
                    f"{label}  {head}" if head == "SR" else head,
                )
                for head, picture in zip(HEADS, (*large, sr, hr), strict=True)
            ]
        )
    sheet = render(panels, Style((SIDE, SIDE)))
    with files.atomic_write(path) as file:
        sheet.save(file, "PNG")


def render(
    rows: Sequence[Sequence[Panel]],
    style: Style,
    *,
    heading: str = "",
    small: str = "",
    aside: Panel | None = None,
) -> Image.Image:
    """Lay panels out in rows.

    Args:
        rows: of panels, each no larger than ``style.panel``.
        style: the sizes.
        heading: a line of large letters at the top.
        small: sentences at the bottom, wrapped into lines.
        aside: a picture on the left of the rows, with a title like theirs.

    Returns:
        An RGB image; the panels determine its width.
    """
    width, height = style.panel
    noted = [bool(any(panel.note for panel in row)) for row in rows]
    columns = max((len(row) for row in rows), default=0)
    grid = style.margin + (aside.pixels.shape[1] + 2 * style.gap if aside else 0)
    right = grid + columns * (width + style.gap) - style.gap + style.margin
    top = style.margin + (2 * style.line if heading else 0)
    below = top + sum(style.line * (1 + note) + height + style.gap for note in noted)
    if aside:
        below = max(below, top + 2 * style.line + aside.pixels.shape[0] + style.gap)
    room = right - 2 * style.margin
    body = wrap(small, style.note, room)
    bottom = below + len(body) * style.line + style.margin
    sheet = Image.new("RGB", (max(1, right), max(1, bottom)), "white")
    if heading:
        _write(sheet, (style.margin, style.margin), heading, style.title * 3 // 2, room)
    if aside:
        _draw_panel(sheet, (style.margin, top), aside, style, aside.pixels.shape[1])
    for row, note in zip(rows, noted, strict=True):
        for column, panel in enumerate(row):
            _draw_panel(sheet, (grid + column * (width + style.gap), top), panel, style, width)
        top += style.line * (1 + note) + height + style.gap
    for number, text in enumerate(body):
        _write(sheet, (style.margin, below + number * style.line), text, style.note, room, QUIET)
    return sheet


def _draw_panel(
    sheet: Image.Image, place: tuple[int, int], panel: Panel, style: Style, width: int
) -> None:
    x, y = place[0], place[1] + style.line
    height, wide = panel.pixels.shape[:2]
    # A border makes the edges of white pictures visible.
    ImageDraw.Draw(sheet).rectangle((x - 1, y - 1, x + wide, y + height), outline=EDGE)
    sheet.paste(Image.fromarray(panel.pixels), (x, y))
    if panel.frame:
        left, top, across, down = panel.frame
        pen = ImageDraw.Draw(sheet)
        box = (x + left, y + top, x + left + across - 1, y + top + down - 1)
        # Red between white lines is visible on any picture.
        pen.rectangle((box[0] - 3, box[1] - 3, box[2] + 3, box[3] + 3), outline="white", width=4)
        pen.rectangle((box[0] - 2, box[1] - 2, box[2] + 2, box[3] + 2), outline=FRAME, width=2)
    _write(sheet, place, panel.title, style.title, width)
    y += height
    ink = INK if panel.best else QUIET
    _write(sheet, (x, y + style.line // 8), panel.note, style.note, width, ink, panel.best)


def _write(
    sheet: Image.Image,
    place: tuple[int, int],
    text: str,
    size: int,
    room: int,
    ink: tuple[int, int, int] = INK,
    bold: bool = False,
) -> None:
    """Write one line, no wider than ``room`` pixels."""
    pen = ImageDraw.Draw(sheet)
    text = shorten(text, size, room - bold)
    letters = font(text, size)
    for shift in range(1 + bold):  # the font has no bold: draw again, a pixel to the right
        pen.text((place[0] + shift, place[1]), printable(text), fill=ink, font=letters)


def fit_picture(pixels: U8, room: tuple[int, int]) -> U8:
    """A picture as large as its place allows: by repeating whole pixels, or reduced.

    Args:
        pixels: uint8 H x W x 3.
        room: the largest (width, height).
    """
    height, width = pixels.shape[:2]
    factor = min(room[0] / width, room[1] / height)
    if factor >= 1:
        return np.repeat(np.repeat(pixels, int(factor), axis=0), int(factor), axis=1)
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))


def shorten(text: str, size: int, room: int) -> str:
    """Shorten a text to ``room`` pixels by replacing its middle with three dots.

    Both ends are kept, as the names of models and pictures differ there.
    """
    if text_width(text, size) <= room:
        return text
    least, most, best = 1, len(text), ""
    while least < most:  # binary search for the most letters that fit
        kept = (least + most) // 2
        short = f"{text[: kept - kept // 2].rstrip()}...{text[len(text) - kept // 2 :].lstrip()}"
        if text_width(short, size) <= room:
            least, best = kept + 1, short
        else:
            most = kept
    return best


def wrap(text: str, size: int, room: int) -> list[str]:
    """Wrap a text into lines that fit into ``room`` pixels, between words."""
    lines: list[str] = []
    for word in text.split():
        if lines and text_width(f"{lines[-1]} {word}", size) <= room:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def text_width(text: str, size: int) -> float:
    """The width of a line in pixels."""
    return font(text, size).getlength(printable(text))


def font(text: str, size: int) -> ImageFont.FreeTypeFont:
    """The font with the most letters of a text: Pillow's own, or one that matplotlib finds."""
    return _font(_best_font_file(_unusual_letters(text)), size)


@lru_cache
def _best_font_file(odd: str) -> str:
    """The font file with the most of some letters; empty for Pillow's own font."""
    best, missing = "", _count_missing("", odd)
    for name in _font_files() if missing else ():
        if _count_missing(name, LATIN):
            continue  # a font of symbols only
        if (lacking := _count_missing(name, odd)) < missing:
            best, missing = name, lacking
        if not missing:
            break
    return best


@cache
def _font_files() -> tuple[str, ...]:
    """Files of upright fonts of ordinary weight, those without serifs first."""
    try:
        import matplotlib
        from matplotlib.font_manager import fontManager
    except ImportError:
        return ()
    # matplotlib's own are for formulas, except one; "last resort" draws boxes.
    own = matplotlib.get_data_path()
    found = {
        (each.name != "DejaVu Sans", "Sans" not in each.name, each.name, each.fname)
        for each in fontManager.ttflist
        if (each.style, each.variant, each.stretch) == ("normal", "normal", "normal")
        and each.weight in (400, "normal", "regular")
        and (each.name == "DejaVu Sans" or not each.fname.startswith(own))
        and not each.name.replace(" ", "").lower().startswith((".", "lastresort"))
    }
    return tuple(file for *_, file in sorted(found))


def printable(text: str) -> str:
    """The text as its font can draw it: without missing accents, and with ? for other letters."""
    name = _best_font_file(_unusual_letters(text))
    if not _count_missing(name, text):
        return text
    shown = ""
    for letter in unicodedata.normalize("NFC", text):
        if _count_missing(name, letter):
            letter = unicodedata.normalize("NFKD", letter)[0]
        if _count_missing(name, letter):
            letter = "" if unicodedata.combining(letter) else "?"
        shown += letter
    return shown


@lru_cache(16)  # each keeps its file open
def _font(name: str, size: int) -> ImageFont.FreeTypeFont:
    # With a size, Pillow's own font is a FreeType font too.
    found = ImageFont.truetype(name, size) if name else ImageFont.load_default(size)
    return cast("ImageFont.FreeTypeFont", found)


def _unusual_letters(text: str) -> str:
    """The letters of a text that a font may lack."""
    return "".join(sorted({letter for letter in text if not " " <= letter <= "~"}))


def _count_missing(name: str, letters: str) -> int:
    """The number of letters that the font draws as a box for missing ones, or not at all."""
    return sum(not letter.isprintable() or _is_box(name, letter) for letter in letters)


@cache
def _is_box(name: str, letter: str) -> bool:
    if " " <= letter <= "~" and not name:
        return False
    try:
        letters = _font(name, SAMPLE)
    except OSError:  # not a font, or deleted
        return True
    return _pixels(letters, letter) == _pixels(letters, "\uffff")


def _pixels(letters: ImageFont.FreeTypeFont, text: str) -> bytes:
    left, top, right, bottom = map(int, letters.getbbox(text))
    drawn = Image.new("L", (right - left, bottom - top))
    ImageDraw.Draw(drawn).text((-left, -top), text, 255, letters)
    return drawn.tobytes()
