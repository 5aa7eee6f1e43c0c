"""A dataset of existing pairs of HR and LR pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any

from annotated_types import Ge, Le

from srzoo import building
from srzoo.contracts import Described, Sample
from srzoo.errors import PictureError, SrzooError

NAMED_AT_MOST = 3
BICUBIC = "bicubic"
"""The end of the names of folders with bicubic LR pictures: ``DIV2K_train_LR_bicubic``."""


class Paired:
    """Two folders of pictures, paired by name: real LR pictures, or downscaled ones.

    The partner of ``hr/a/0001.png`` is ``lr/a/0001.png``, or, as DIV2K writes it,
    ``lr/a/0001x4.png`` with the scale; the endings (.png, .jpg) may differ. HR is cropped to
    ``scale`` times LR if it is larger by less than an LR pixel (and LR likewise). Pictures
    are read as :class:`._folder.Folder` reads them.

    Args:
        hr: folder of the HR pictures.
        lr: folder of the LR pictures.
        scale: how many times larger the HR pictures are.
        clean: whether the LR pictures are the HR pictures, only downscaled; None: the name of
            their folder decides, such as ``LR_bicubic``.

    Raises:
        SrzooError: a picture has no partner or several; the first few are named.
    """

    examples = ()

    def __init__(
        self,
        *,
        hr: str | Path,
        lr: str | Path,
        scale: Annotated[int, Ge(1), Le(64)],
        clean: bool | None = None,
    ) -> None:
        del clean  # used by :meth:`describe`
        self.hr, self.lr, self.scale = Path(hr).expanduser(), Path(lr).expanduser(), scale
        large = _by_stem(self.hr, building.find_pictures(self.hr))
        found = building.find_pictures(self.lr)
        small = _by_stem(self.lr, found, f"x{scale}", frozenset(large))
        for names, others, folder in ((large, small, self.lr), (small, large, self.hr)):
            if lonely := [name for stem, name in names.items() if stem not in others]:
                more = len(lonely) - NAMED_AT_MOST
                raise SrzooError(
                    f"{folder} has no partner for {', '.join(lonely[:NAMED_AT_MOST])}"
                    + (f" and {more} more" if more > 0 else ""),
                    f"Give partners the same name, or LR names the ending x{scale}",
                )
        self.names = [(name, small[stem]) for stem, name in large.items()]

    @staticmethod
    def describe(args: Mapping[str, Any]) -> Described:
        """Its LR pictures are its own."""
        folder, clean = str(args.get("lr", "")), args.get("clean")
        by_name = BICUBIC in folder
        return Described(
            own_lr=True,
            clean=by_name if clean is None else bool(clean),
            lr=f"`lr = {PurePosixPath(folder).name}`",
            phrase=f"shrunk by {BICUBIC}" if by_name else "",
        )

    @property
    def fingerprint(self) -> str:
        """Changes with the names, sizes and modification times of all pictures, and the scale."""
        files = [(f"hr/{high}", self.hr / high) for high, _ in self.names]
        files += [(f"lr/{low}", self.lr / low) for _, low in self.names]
        return building.fingerprint(files, "paired", self.scale)

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """The pair at ``index``: uint8 H x W x 3 and H/scale x W/scale x 3.

        Raises:
            PictureError: a file cannot be read, or the sizes do not match.
        """
        name, low = self.names[index]
        hr, lr = building.read_rgb(self.hr / name), building.read_rgb(self.lr / low)
        return Sample(name, *building.fit_pair(hr, lr, self.scale, name))

    def name(self, index: int) -> str:
        """The name of the pair at ``index``."""
        return self.names[index][0]

    def key(self, index: int) -> str:
        """Changes with the two files at ``index``.

        Raises:
            PictureError: a file is missing.
        """
        name, low = self.names[index]
        return building.picture_key([self.hr / name, self.lr / low], name, self.scale)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of the HR picture at ``index``, from the two files' headers.

        Raises:
            PictureError: a file cannot be read, or the sizes do not match.
        """
        name, low = self.names[index]
        hr, lr = building.picture_size(self.hr / name), building.picture_size(self.lr / low)
        height, width = building.pair_size(hr, lr, self.scale, name)
        return height * self.scale, width * self.scale


def _by_stem(
    root: Path, names: list[str], ending: str = "", partners: frozenset[str] = frozenset()
) -> dict[str, str]:
    """Names by their path without suffix, and without ``ending`` if it has one."""
    found: dict[str, str] = {}
    for name in names:
        stem = str(PurePosixPath(name).with_suffix(""))
        # A name with a partner keeps its ending, as 12x4.png may be a full name.
        if ending and stem not in partners:
            stem = stem.removesuffix(ending)
        if stem in found:
            raise PictureError(f"{root} contains both {found[stem]} and {name}", "Keep one of them")
        found[stem] = name
    return found
