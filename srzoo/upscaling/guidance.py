"""The purpose of a model, and advice if a photo needs another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast, get_args

import numpy as np
from PIL import Image, JpegImagePlugin

from ..errors import SrzooError
from ..models import locate
from ..models.folder import FAITHFUL, PERCEPTUAL, REAL_PHOTOS, ModelFolder, Purpose, read_folder

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..images import Picture

TAGS: dict[str, Purpose] = {name.replace(" ", "-"): name for name in get_args(Purpose)}
"""The tags of model cards that state a purpose."""
COARSE = 25.0
"""The mean step of a JPEG luminance table from which blocks can be visible: quality 78 or less."""
VISIBLE = 1.0
"""Levels of 255 by which steps at block borders exceed those elsewhere, on average."""
SIDE = 2048
"""Side of the area in the middle that is examined, in pixels."""


def purpose(folder: ModelFolder) -> Purpose:
    """The purpose of a model.

    config.json states it. For older folders a tag of the card decides, or else the recipe. Without
    either it is "faithful", or "perceptual" if the model was trained against a discriminator.
    """
    if folder.config.purpose:
        return folder.config.purpose
    return _purpose_by_card_or_recipe(folder)


def _purpose_by_card_or_recipe(folder: ModelFolder) -> Purpose:
    from ..recipes import pictures  # slow to import, and most models do not need it
    from ..recipes import recipe as recipes

    for tag in _tags(folder):
        if tag in TAGS:
            return TAGS[tag]
    file = folder.path / recipes.RECIPE
    if not file.is_file():
        return FAITHFUL
    try:
        made = recipes.read(file)
        if stated := pictures.purpose(made):
            return stated
        return PERCEPTUAL if pictures.is_adversarial(made) else FAITHFUL
    except SrzooError:
        return FAITHFUL  # a recipe for another version of srzoo


def blocking(file: Path | BinaryIO, picture: Picture) -> bool:
    """Whether a picture comes from a JPEG with visible blocks.

    Args:
        file: the file or stream that was read.
        picture: the result of ``images.read``.
    """
    return _mean_step(file) >= COARSE and _blockiness(picture.pixels) >= VISIBLE


def advice(folder: ModelFolder, file: Path | BinaryIO, picture: Picture) -> str | None:
    """A sentence if a model trained on clean pictures gets one with JPEG blocks, else None."""
    if folder.config.weights is None or purpose(folder) == REAL_PHOTOS:
        return None
    if not blocking(file, picture):
        return None
    what = f"{folder.name} was trained on clean pictures and makes JPEG blocks sharper too"
    others = _for_real_photos(folder)
    return f"{what}: for such photos use {' or '.join(others)}" if others else what


def _for_real_photos(folder: ModelFolder) -> list[str]:
    """Released models for real photos with one of this model's scales."""
    found: list[str] = []
    for name, path in locate.released().items():
        try:
            other = read_folder(path)
        except SrzooError:
            continue
        if set(other.config.scales) & set(folder.config.scales) and purpose(other) == REAL_PHOTOS:
            found.append(name)
    return sorted(found)


def _tags(folder: ModelFolder) -> list[str]:
    """The tags in a card's metadata; empty if they cannot be read."""
    from ..models import readme

    try:
        return readme.read(folder.path).data.tags or []
    except SrzooError:
        return []


def _mean_step(file: Path | BinaryIO) -> float:
    """The mean of a JPEG's luminance table; 0 for other files."""
    if not isinstance(file, Path):
        file.seek(0)
    try:
        with Image.open(file, formats=["JPEG"]) as image:
            found = cast("JpegImagePlugin.JpegImageFile", image).quantization
            return float(np.mean(found[min(found)])) if found else 0.0
    except (OSError, ValueError, SyntaxError):
        return 0.0


def _blockiness(pixels: NDArray[Any]) -> float:
    """By how many levels steps at every eighth pixel exceed the others."""
    height, width = pixels.shape[:2]
    top, left = (max(0, side - SIDE) // 16 * 8 for side in (height, width))
    part = pixels[top : top + SIDE, left : left + SIDE].astype(np.float32)
    if pixels.dtype == np.uint16:
        part /= 257
    if part.ndim == 3:
        part = part @ np.array([0.299, 0.587, 0.114], np.float32)
    if min(part.shape) < 24:
        return 0.0
    # In a picture that was rotated upright, blocks may count from the other end.
    across = max(_jump(part, 7), _jump(part, (width - 1) % 8))
    down = max(_jump(part.T, 7), _jump(part.T, (height - 1) % 8))
    return (across + down) / 2


def _jump(gray: NDArray[np.float32], border: int) -> float:
    """The step at a block border minus its neighbours, compared with the same inside blocks."""
    step = np.abs(np.diff(gray, axis=1))
    rise = step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2
    place = np.array([(at + 1 - border) % 8 for at in range(rise.shape[1])])
    within = [float(rise[:, place == at].mean()) for at in range(2, 7)]
    return float(rise[:, place == 0].mean()) - sum(within) / len(within)
