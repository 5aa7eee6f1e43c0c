"""Which model for which picture: what a model is for, and a word where a photo needs another.

From what lies in the model's folder alone; no plugin is imported.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, cast

import numpy as np
from PIL import Image, JpegImagePlugin

from ..errors import SrzooError
from ..models import locate
from ..models.folder import ModelFolder, read_folder
from ..recipes import recipe
from ..recipes.recipe import RECIPE, Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..images import Picture
    from ..plugins.registry import Use

Purpose = Literal["faithful", "perceptual", "real photos"]

CLEAN = "bicubic"
"""What makes LR pictures that are small and have no other flaw."""
OWN_LR = ("track", "lr")
"""Arguments of datasets that bring LR pictures of their own."""
TAGS: dict[str, Purpose] = {
    "faithful": "faithful",
    "perceptual": "perceptual",
    "real-photos": "real photos",
}
COARSE = 25.0
"""Mean step of a JPEG's brightness table, from which blocks can show: quality 78 and less."""
VISIBLE = 1.0
"""Levels of 255 by which a step at the blocks' borders is higher than elsewhere, on average."""
SIDE = 2048
"""Pixels a side that are looked at, from the middle."""


def purpose(folder: ModelFolder) -> Purpose:
    """What a model is for.

    "faithful": clean pictures, nothing invented; "perceptual": clean pictures, lifelike and
    partly invented; "real photos": pictures with noise, blur or JPEG blocks. A tag of that
    name on the card tells it, or else the recipe.
    """
    for tag in _tags(folder.path / "README.md"):
        if tag in TAGS:
            return TAGS[tag]
    try:
        found = recipe.read(folder.path / RECIPE)
        last = found.each()[-1]
        if not _clean(last):
            return "real photos"
        return "perceptual" if any(part.adversarial for part in found.each()) else "faithful"
    except SrzooError:
        return "faithful"  # without a recipe, or with one of another srzoo


def blocking(file: Path | BinaryIO, picture: Picture) -> bool:
    """Whether a picture comes from a JPEG whose blocks can be seen.

    Args:
        file: what it was read from.
        picture: as ``images.read`` gave it.
    """
    return _mean_step(file) >= COARSE and _blockiness(picture.pixels) >= VISIBLE


def advice(folder: ModelFolder, file: Path | BinaryIO, picture: Picture) -> str | None:
    """One sentence where a model trained on clean pictures is given JPEG blocks, else None."""
    if folder.config.weights is None or purpose(folder) == "real photos":
        return None
    if not blocking(file, picture):
        return None
    what = f"{folder.name} was trained on clean pictures and makes JPEG blocks sharper too"
    others = _for_real_photos(folder)
    return f"{what}: for such photos take {' or '.join(others)}" if others else what


def _for_real_photos(folder: ModelFolder) -> list[str]:
    """Released models for real photos that enlarge by a factor of this one's."""
    found: list[str] = []
    for name, path in locate.released().items():
        try:
            other = read_folder(path)
        except SrzooError:
            continue
        if set(other.config.scales) & set(folder.config.scales) and purpose(other) == "real photos":
            found.append(name)
    return sorted(found)


def _clean(part: Recipe) -> bool:
    """Whether LR pictures were made by bicubic shrinking and nothing else."""
    return all(_clean_set(source.use, part) for source in part.data.train.each)


def _clean_set(use: Use, part: Recipe) -> bool:
    for name in OWN_LR:
        if use.args.get(name) is not None:
            return CLEAN in str(use.args[name])
    return part.data.degradation.name == CLEAN


def _tags(path: Path) -> list[str]:
    """The tags in a card's front matter."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return []
    front = text.split("\n---", 1)[0] if text.startswith("---") else ""
    inline = re.search(r"^tags:\s*\[(.*?)\]", front, re.MULTILINE | re.DOTALL)
    if inline:
        return [tag.strip(" \"'\n") for tag in inline[1].split(",")]
    listed = re.search(r"^tags:\s*\n((?:\s*-\s.*\n?)+)", front, re.MULTILINE)
    return re.findall(r"-\s+[\"']?([^\"'\n]+)", listed[1]) if listed else []


def _mean_step(file: Path | BinaryIO) -> float:
    """The mean of a JPEG's table for brightness; 0 for what is no JPEG."""
    if not isinstance(file, Path):
        file.seek(0)
    try:
        with Image.open(file, formats=["JPEG"]) as image:
            found = cast("JpegImagePlugin.JpegImageFile", image).quantization
            return float(np.mean(found[min(found)])) if found else 0.0
    except (OSError, ValueError, SyntaxError):
        return 0.0


def _blockiness(pixels: NDArray[Any]) -> float:
    """By how many levels steps at every eighth pixel are higher than at the others."""
    height, width = pixels.shape[:2]
    top, left = (max(0, side - SIDE) // 16 * 8 for side in (height, width))
    part = pixels[top : top + SIDE, left : left + SIDE].astype(np.float32)
    if pixels.dtype == np.uint16:
        part /= 257
    if part.ndim == 3:
        part = part @ np.array([0.299, 0.587, 0.114], np.float32)
    if min(part.shape) < 24:
        return 0.0
    # A picture that was turned upright may count its blocks from the other end.
    across = max(_jump(part, 7), _jump(part, (width - 1) % 8))
    down = max(_jump(part.T, 7), _jump(part.T, (height - 1) % 8))
    return (across + down) / 2


def _jump(gray: NDArray[np.float32], border: int) -> float:
    """The step over a block's border minus those beside it, against the same within blocks."""
    step = np.abs(np.diff(gray, axis=1))
    rise = step[:, 1:-1] - (step[:, :-2] + step[:, 2:]) / 2
    place = np.array([(at + 1 - border) % 8 for at in range(rise.shape[1])])
    within = [float(rise[:, place == at].mean()) for at in range(2, 7)]
    return float(rise[:, place == 0].mean()) - sum(within) / len(within)
