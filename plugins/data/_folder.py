"""A dataset of all pictures in a folder tree, as HR pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from annotated_types import Gt, Lt
from PIL import Image

from srzoo import building
from srzoo.contracts import Described, Sample
from srzoo.errors import SrzooError, did_you_mean

if TYPE_CHECKING:
    from srzoo.contracts import U8

NAMED_AT_MOST = 3


class Folder:
    """Every picture of a folder and its subfolders, as HR; a degradation makes LR.

    Pictures are turned upright and read as 8-bit RGB: gray is repeated, transparent pictures
    are put on white, colour profiles are not applied. Names are relative paths with forward
    slashes, in sorted order.

    Args:
        path: the folder.
        include: only these pictures: a text file with one relative path a line (blank lines and
            those that begin with # are skipped), or a list of patterns such as
            ``["photos/*", "*.png"]``, in which ``*`` matches slashes too. A relative file is
            looked for in ``path``.
        exclude: without these pictures, given in the same ways.
        recursive: whether subfolders are searched.
        smaller: adds a copy of each picture for each of these factors, from 0 to 1,
            downscaled by bicubic: more edges and scales from few pictures, with less of their
            noise and JPEG blocks (Kim et al. 2016, VDSR, https://arxiv.org/abs/1511.04587,
            and many later papers train on 291 pictures in this way).

    Raises:
        SrzooError: no picture is left, a line or a pattern matches none, or a factor is not
            between 0 and 1.
    """

    examples = ()

    def __init__(
        self,
        *,
        path: str | Path,
        include: str | Path | Sequence[str] | None = None,
        exclude: str | Path | Sequence[str] | None = None,
        recursive: bool = True,
        smaller: Sequence[Annotated[float, Gt(0), Lt(1)]] = (),
    ) -> None:
        self.path = Path(path).expanduser()
        names = building.find_pictures(self.path, recursive)
        if include is not None:
            wanted = _matching(self.path, "include", include, names)
            names = [name for name in names if name in wanted]
        if exclude is not None:
            unwanted = _matching(self.path, "exclude", exclude, names)
            names = [name for name in names if name not in unwanted]
        if not names:
            raise SrzooError(f"no picture of {self.path} is left", "Change include or exclude")
        self.names = names
        self.smaller = tuple(smaller)

    @staticmethod
    def describe(args: Mapping[str, Any]) -> Described:
        """It has HR pictures only."""
        return Described(own_lr=False)

    @property
    def fingerprint(self) -> str:
        """Changes with the names, sizes and modification times of the pictures, and ``smaller``."""
        files = ((name, self.path / name) for name in self.names)
        return building.fingerprint(files, *self.smaller)

    def __len__(self) -> int:
        """The number of pictures, including the smaller copies."""
        return len(self.names) * (1 + len(self.smaller))

    def __getitem__(self, index: int) -> Sample:
        """The picture at ``index``, uint8 H x W x 3, without an LR picture.

        Raises:
            PictureError: it cannot be read.
            IndexError: ``index`` is out of range.
        """
        name, factor = self._place(index)
        pixels = building.read_rgb(self.path / name)
        return Sample(self.name(index), pixels if factor is None else _downscaled(pixels, factor))

    def name(self, index: int) -> str:
        """The name of the picture at ``index``."""
        name, factor = self._place(index)
        return name if factor is None else f"{name} x{factor:g}"

    def key(self, index: int) -> str:
        """Changes with the file of the picture at ``index``, and its factor.

        Raises:
            PictureError: the file is missing.
        """
        name, factor = self._place(index)
        return building.picture_key([self.path / name], name, factor)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of the picture at ``index``, from its file's header.

        Raises:
            PictureError: it cannot be read.
        """
        name, factor = self._place(index)
        found = building.picture_size(self.path / name)
        return found if factor is None else _smaller_size(found, factor)

    def _place(self, index: int) -> tuple[str, float | None]:
        """The file of a picture, and its factor."""
        turn, place = divmod(range(len(self))[index], len(self.names))
        return self.names[place], self.smaller[turn - 1] if turn else None


def _smaller_size(size: tuple[int, ...], factor: float) -> tuple[int, int]:
    height, width = (max(1, round(side * factor)) for side in size)
    return height, width


def _downscaled(pixels: U8, factor: float) -> U8:
    height, width = _smaller_size(pixels.shape[:2], factor)
    small = Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(small)


def _matching(
    root: Path, argument: str, rules: str | Path | Sequence[str], names: list[str]
) -> set[str]:
    """The names selected by a list file or patterns; each line and pattern must match one."""
    if not isinstance(rules, str | Path):
        found = {rule: {name for name in names if fnmatchcase(name, rule)} for rule in rules}
        source = f"{argument} of {root}"
    else:
        file = root / Path(rules).expanduser()
        lines = _lines(file, argument)
        known = set(names)
        found = {line: {line} & known for line in lines}
        source = str(file)
    unknown = [rule for rule, hits in found.items() if not hits]
    if unknown:
        shown = ", ".join(unknown[:NAMED_AT_MOST])
        more = f" and {len(unknown) - NAMED_AT_MOST} more" if len(unknown) > NAMED_AT_MOST else ""
        hint = did_you_mean(unknown[0], names) if len(names) <= 10_000 else ""
        if not hint.startswith("Did"):
            hint = f"Names are relative to {root}, like {names[0]}"
        raise SrzooError(f"{source}: no picture is called {shown}{more}", hint)
    return set[str]().union(*found.values())


def _lines(file: Path, argument: str) -> list[str]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SrzooError(
            f"cannot read the list {file}: {getattr(error, 'strerror', None) or error}",
            f"Give {argument} a text file, or a list of patterns in brackets",
        ) from error
    lines = (line.strip() for line in text.splitlines())
    return [str(PurePosixPath(line)) for line in lines if line and not line.startswith("#")]
