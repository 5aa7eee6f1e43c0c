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
    """The output file of each result, None if it is not written; checked before any work.

    Args:
        pictures: the inputs.
        output: a file for one picture; a folder, which is created, for several.
        page: the requested page of each file.
        several: whether the caller passed a list, even of one item.

    Raises:
        SrzooError: ``output`` or ``page`` for an input that is not a file; the format cannot be
            written; two results would have the same file, or one would replace its own input.
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
                f"two pictures would be written to {target}", "Write them to different folders"
            )
        _keep(picture, target)
    place.mkdir(parents=True, exist_ok=True)
    return list(found)


def _keep(picture: Path, target: Path) -> None:
    """Refuse a result over its own picture."""
    if target.exists() and picture.exists() and target.samefile(picture):
        raise PictureError(f"{target} would be replaced by its result", "Give it another name")


def _named(picture: Path, folder: Path) -> Path:
    """The picture's name in a folder, with the suffix of a format that srzoo writes."""
    format = images.FORMATS[images.result_of(picture)]
    keeps = picture.suffix.lower() in format.suffixes
    return folder / (picture.name if keeps else f"{picture.stem}{format.suffixes[0]}")
