"""Folder layouts: the places of HR and LR pictures in the usual benchmark sets."""

from __future__ import annotations

import os
import re
from pathlib import Path

from .. import images
from ..errors import SrzooError

HR_NAMES = re.compile(r"HR|GT|GTmod\d+|original", re.IGNORECASE)
"""Names of the folder of HR pictures inside a set's folder."""
OF_A_SET = re.compile(r"(?P<set>.+)[_-]HR", re.IGNORECASE)
"""Endings of HR folders beside a set's folder: DIV2K_valid_HR."""
PART = re.compile(r"x\d+|image_SRF_\d+|HR|GT|GTmod\d+", re.IGNORECASE)
"""Names of folders that are parts of a set."""
BICUBIC = r"(?:[_-]?(?:bic(?:ubic)?|BI))?"
PAIR_SUFFIX = re.compile(r".+[_-](?P<half>HR|LR)(?P<scale>\d*)", re.IGNORECASE)
"""Endings of the two files of a pair in one folder: img_001_SRF_4_HR, Canon_001_LR4."""


def pictures(folder: Path) -> tuple[Path, ...]:
    """The pictures of a folder, sorted, without those of its subfolders."""
    return tuple(
        path
        for path in sorted(folder.iterdir())
        if path.suffix.lower() in images.READABLE and path.name[0] != "." and path.is_file()
    )


def lr_part(folder: Path, scale: int) -> Path:
    """The subfolder for one scale, x4 or X4; the folder itself if it has none."""
    return next(iter(_children(folder, f"x{scale}")), folder)


def lr_parts(folder: Path) -> list[str]:
    """The scales for which a folder has subfolders: x2, x4."""
    return [path.name for path in _children(folder, r"x\d+")]


def find_hr_folder(root: Path, scale: int) -> Path:
    """The folder of a set's HR pictures; the set's own folder if there is no other.

    Raises:
        SrzooError: there are several.
    """
    root = lr_part(root, scale)
    own = _children(root, "HR")
    if not own and not pictures(root):
        own = _children(root, f"image_SRF_{scale}")
        own = own or [path for path in _children(root, HR_NAMES.pattern) if _fits(path, scale)]
        own = own or _children(root, OF_A_SET.pattern)
        # Evaluate on validation pictures, not on training pictures.
        own = [path for path in own if "train" not in path.name.lower()] or own
    if len(own) > 1:
        raise SrzooError(
            f"{root} contains several sets: {', '.join(path.name for path in own)}",
            f"Name one: {own[0]}",
        )
    return lr_part(own[0], scale) if own else root


def find_lr_folder(root: Path, high: Path, scale: int) -> Path | None:
    """The folder of the LR pictures that belong to an HR folder; None if there is none.

    Known places beside it: ``LR``, ``LR_bicubic/X4``, ``LRbicx4``,
    ``DIV2K_valid_LR_bicubic/X4``. If the caller names an HR folder itself, it has no LR folder.
    """
    home = high.parent if re.fullmatch(rf"x{scale}", high.name, re.IGNORECASE) else high
    home = Path(os.path.abspath(home))
    named = OF_A_SET.fullmatch(home.name)
    if not named and (not HR_NAMES.fullmatch(home.name) or home == Path(os.path.abspath(root))):
        return None
    before = re.escape(home.name[: named.end("set") + 1]) if named else ""
    found = _children(home.parent, rf"{before}LR{BICUBIC}(?:[_-]?x{scale})?")
    for path in found:
        if (inner := lr_part(path, scale)) != path:
            return inner
    tells = [path for path in found if re.search(rf"x{scale}$", path.name, re.IGNORECASE)]
    return next((path for path in (*tells, *found) if not lr_parts(path)), None)


def split_pairs(
    files: tuple[Path, ...], scale: int
) -> tuple[tuple[Path, ...], tuple[Path, ...]] | None:
    """HR and LR files of one folder, distinguished by their names; None if they are not pairs."""
    matches = [(path, PAIR_SUFFIX.fullmatch(path.stem)) for path in files]
    of = {half: [(p, m) for p, m in matches if m and m["half"].upper() == half]
          for half in ("HR", "LR")}  # fmt: skip
    lr = tuple(path for path, match in of["LR"] if match["scale"] in ("", str(scale)))
    return (tuple(path for path, _ in of["HR"]), lr) if of["HR"] and lr else None


def name_of(folder: Path) -> str:
    """A folder's name, or its set's name if it is a part of a set: x4, HR, DIV2K_HR."""
    folder = Path(os.path.abspath(folder))
    while PART.fullmatch(folder.name):
        folder = folder.parent
    match = OF_A_SET.fullmatch(folder.name)
    return match["set"] if match else folder.name


def _fits(folder: Path, scale: int) -> bool:
    """Whether pictures were cropped for this scale, such as GTmod12 for 2, 3 and 4."""
    modulus = re.search(r"mod(\d+)$", folder.name, re.IGNORECASE)
    return modulus is None or int(modulus[1]) % scale == 0


def _children(folder: Path, pattern: str) -> list[Path]:
    """The subfolders with a name that matches, in any case."""
    return [
        path
        for path in sorted(folder.iterdir())
        if re.fullmatch(pattern, path.name, re.IGNORECASE) and path.is_dir()
    ]
