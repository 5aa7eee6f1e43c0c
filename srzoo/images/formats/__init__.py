"""The picture formats: every module here that does not begin with ``_`` holds some."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from ...errors import PictureError, did_you_mean
from ..format import Format


@cache
def known() -> tuple[Format, ...]:
    """Every format, those first that are known by their first bytes alone."""
    found: list[Format] = []
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        if module.name.startswith("_"):
            continue
        loaded = importlib.import_module(f"{__name__}.{module.name}")
        found += [
            kind()
            for kind in vars(loaded).values()
            if isinstance(kind, type)
            and issubclass(kind, Format)
            and kind.__module__ == loaded.__name__
        ]
    return tuple(found)


FORMATS = {format.key: format for format in known() if format.writes and not format.install}
"""The formats that srzoo writes here, by key."""
READABLE = frozenset(suffix for format in known() for suffix in format.suffixes)
"""Endings of files that a folder's pictures are known by."""


def named(key: str) -> Format:
    """A format by its key."""
    return next(format for format in known() if format.key == key)


def key_of(path: Path) -> str | None:
    """The key of the format that a file's name speaks of, or None."""
    suffix = path.suffix.lower()
    return next((format.key for format in known() if suffix in format.suffixes), None)


def unit_of(path: Path) -> str:
    """What one of several pictures in a file of that name is called: page or frame."""
    key = key_of(path)
    return named(key).unit if key else "page"


def result_of(path: Path) -> str:
    """The key of the format that the result of a picture takes by itself: its own, or the next."""
    key = key_of(path) or "png"
    return key if key in FORMATS else named(key).successor


def format_of(path: Path) -> str:
    """The format that a file name's ending asks for.

    Raises:
        PictureError: srzoo does not write such files.
    """
    suffix = path.suffix.lower()
    for key, format in FORMATS.items():
        if suffix in format.suffixes:
            return key
    for format in known():
        if suffix in format.suffixes and format.writes and format.install:
            raise PictureError(
                f"cannot write {path}: {format.name} is not installed",
                f"Install it: {format.install}",
            )
        if suffix in format.suffixes:
            raise PictureError(
                f"cannot write {path}: {format.name} is not a format srzoo writes",
                f"Available: {', '.join(FORMATS)}",
            )
    raise PictureError(
        f"cannot write {path}: {path.suffix or 'no ending'} is not a format srzoo writes",
        did_you_mean(suffix, [s for f in FORMATS.values() for s in f.suffixes]),
    )
