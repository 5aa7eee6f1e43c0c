"""The output files of ``srzoo.upscale``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import images
from ..errors import PictureError, SrzooError
from . import inputs


def targets(
    pictures: Sequence[Any], output: str | Path | None, *, page: int | None, several: bool
) -> list[Path | None]:
    """The file for each result, None for those that are not written; all checked before any work.

    Args:
        pictures: what is enlarged.
        output: a file for one picture; a folder, which is made, for several.
        page: what is asked for of each file.
        several: whether a list came in, though it may have one item.

    Raises:
        SrzooError: ``output`` or ``page`` for something that is not a file; srzoo writes no such
            files; two results would be one file, or one would replace its own picture.
    """
    for asked, what in ((output, "can be written to output"), (page, "has pages")):
        if asked is not None and not all(map(inputs.is_file, pictures)):
            fix = "Save the result" if asked is output else "Choose one before"
            raise SrzooError(f"only a picture file {what}", fix)
    if output is None:
        return [None] * len(pictures)
    place = Path(output)
    if not (several or place.is_dir()):
        images.format_of(place)
        _keep(Path(pictures[0]), place)
        return [place]
    if place.is_file():
        raise PictureError(f"{place} is a file, for several pictures", "Name a folder")
    found = [_named(Path(picture), place) for picture in pictures]
    for at, (picture, target) in enumerate(zip(pictures, found, strict=True)):
        if target in found[:at]:
            raise PictureError(
                f"two pictures would be written to {target}", "Give them outputs of their own"
            )
        _keep(picture, target)
    place.mkdir(parents=True, exist_ok=True)
    return list(found)


def _keep(picture: Path, target: Path) -> None:
    """Refuse a result over its own picture."""
    if target.exists() and picture.exists() and target.samefile(picture):
        raise PictureError(f"{target} would be replaced by its result", "Give it another name")


def _named(picture: Path, folder: Path) -> Path:
    """Called as the picture is, with the ending of a format that is written."""
    format = images.FORMATS[images.result_of(picture)]
    keeps = picture.suffix.lower() in format.suffixes
    return folder / (picture.name if keeps else f"{picture.stem}{format.suffixes[0]}")
