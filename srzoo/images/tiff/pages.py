"""Classifies the directories of a TIFF file: pages, thumbnails, masks, or raw data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from .ifd import (
    COMPRESSION,
    DNG,
    HEIGHT,
    MAKE,
    OLD_SUBFILE,
    PHOTOMETRIC,
    SUBFILE,
    SUBIFDS,
    WIDTH,
    Directory,
    TIFFFile,
)

REDUCED, MASK = 1, 4
OLD_REDUCED = 2
JPEG_PREVIEW = 513
SUBS = 32
"""The largest number of SubIFDs of a directory; pyramids have a dozen."""
LOOKED = 8
"""The number of first directories whose SubIFDs can identify a camera's file."""
SENSOR = (32803, 34892)
"""Photometric interpretations of raw data: colour filters, and linear."""
MAKERS = (262, 32767, 32769, 32770, 34713, 34892, 52546, 65000, 65535)
"""Compressions of raw data: Kodak, Sony, packed, Samsung, Nikon, DNG's two, Kodak, Pentax."""
SMALLER = "its small version is left out: the full picture is taken"
PHASE_ONE = (b"IIII", b"MMMM")


@dataclass(frozen=True)
class Page:
    """A picture of a file.

    Attributes:
        directory: of its pixels.
        first: the directory whose metadata it uses if it has none.
    """

    directory: Directory
    first: Directory


@dataclass
class Contents:
    """The contents of a TIFF file.

    Attributes:
        pages: the pictures of equal standing.
        raw: whether it is a camera's raw file.
        notes: what was left out, one sentence each.
    """

    pages: list[Page] = field(default_factory=list[Page])
    raw: bool = False
    notes: list[str] = field(default_factory=list[str])


def read_contents(opened: BinaryIO) -> Contents:
    """Read a file's pages, in bounded time.

    Raises:
        ValueError: it has no directory.
        PictureError: it has too many.
    """
    file = TIFFFile(opened)
    found = Contents()
    tops = _chain(file, found.notes)
    found.raw = _is_camera_raw(file, tops)
    smaller: list[Directory] = []
    masks = empty = 0
    for at, top in enumerate(tops):
        kind = _kind(top)
        if kind & MASK:
            masks += 1
        elif kind & REDUCED or (at and _exif_preview(top)):
            smaller.append(top)
        elif _area(top) or not at:
            # Each of several pages has its own metadata; after a thumbnail it may have less.
            found.pages.append(Page(top, tops[0] if tops[0] in smaller[:1] else top))
        elif JPEG_PREVIEW not in top:
            empty += 1
    if not found.pages:
        found.pages = [Page(full, top) for top in smaller if (full := _full_size(top))]
        found.notes += [SMALLER] if found.pages else []
    elif tops[0] in smaller[:1]:
        found.notes.append(SMALLER)
    if not found.pages:
        found.raw = found.raw or (MAKE in tops[0] and bool(smaller))
        found.pages = [Page(max(tops, key=_area), tops[0])]
        if len(tops) > 1:
            found.notes.append("all its pictures are smaller versions: the largest is taken")
    if empty:
        found.notes.append("a directory of the file holds no picture and was left out")
    if masks and len(tops) > 1:
        found.notes.append("a mask beside the picture was left out")
    return found


def _chain(file: TIFFFile, notes: list[str]) -> list[Directory]:
    """The directories of a file's pages, in sequence."""
    tops = [file.directory(file.first)]
    seen = {file.first}
    while following := tops[-1].following:
        if following in seen:
            notes.append("the list of its pages leads back to one of them: it ends there")
            break
        seen.add(following)
        try:
            tops.append(file.directory(following))
        except ValueError:
            notes.append("the list of its pages leads into nothing: there may have been more")
            break
    return tops


def number(directory: Directory, tag: int, default: int = 0) -> int:
    """A field's number, or the default if it is damaged."""
    try:
        return directory.number(tag, default)
    except ValueError:
        return default


def _kind(directory: Directory) -> int:
    if SUBFILE in directory:
        return number(directory, SUBFILE)
    return REDUCED if number(directory, OLD_SUBFILE) == OLD_REDUCED else 0


def _area(directory: Directory) -> int:
    return max(0, number(directory, WIDTH)) * max(0, number(directory, HEIGHT))


def _exif_preview(directory: Directory) -> bool:
    """Whether it is EXIF's preview directory: a JPEG without a description."""
    return JPEG_PREVIEW in directory and not {SUBFILE, OLD_SUBFILE} & set(directory.fields)


def _sub_directories(directory: Directory) -> Iterator[Directory]:
    try:
        places = directory.numbers(SUBIFDS, SUBS)
    except ValueError:
        return
    for at in places:
        try:
            yield directory.file.directory(int(at))
        except ValueError:
            continue


def _full_size(directory: Directory) -> Directory | None:
    """The largest picture in the SubIFDs that is not marked as a smaller version."""
    whole = [
        sub
        for sub in _sub_directories(directory)
        if not _kind(sub) & (REDUCED | MASK) and _area(sub)
    ]
    return max(whole, key=_area, default=None)


def full_size_of(page: Page, notes: list[str]) -> Page:
    """The page, or the full picture of which it is an unmarked small version."""
    full = _full_size(page.directory)
    if full is None or _area(full) <= _area(page.directory):
        return page
    notes += [] if SMALLER in notes else [SMALLER]
    return Page(full, page.directory)


def _is_camera_raw(file: TIFFFile, tops: list[Directory]) -> bool:
    """Whether it is a camera's raw file, by its directories."""
    head = file.read(0, 12)
    if head[2:4] not in (b"*\0", b"\0*", b"+\0", b"\0+") or DNG in tops[0]:
        return True
    if head[8:12] in PHASE_ONE or (head.startswith(b"II*\0") and head[8:10] == b"CR"):
        return True
    for top in itertools.islice(tops, LOOKED):
        for directory in (top, *_sub_directories(top)):
            for each in (directory, *(_sub_directories(directory) if directory is not top else ())):
                if number(each, PHOTOMETRIC) in SENSOR or number(each, COMPRESSION) in MAKERS:
                    return True
    return False
