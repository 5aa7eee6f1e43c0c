"""The picture formats: every module here that does not begin with ``_`` defines some."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from ...errors import PictureError, did_you_mean
from ..format import Format


@cache
def known() -> tuple[Format, ...]:
    """Every format; first those with a reliable signature."""
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
"""Suffixes of the pictures in a folder."""
KNOWN_FORMATS = f"Known formats: {', '.join(format.name for format in known())}"
"""The fix where a file is of none."""


def named(key: str) -> Format:
    """A format by its key."""
    return next(format for format in known() if format.key == key)


def key_of(path: Path) -> str | None:
    """The key of the format of a file's name, or None."""
    suffix = path.suffix.lower()
    return next((format.key for format in known() if suffix in format.suffixes), None)


def unit_of(path: Path) -> str:
    """The unit of several pictures in a file with that name: page or frame."""
    key = key_of(path)
    return named(key).unit if key else "page"


def result_of(path: Path) -> str:
    """The key of the format of a picture's result: its own, or its successor."""
    key = key_of(path) or "png"
    return key if key in FORMATS else named(key).successor


def format_of(path: Path) -> str:
    """The format for a file name's suffix.

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
