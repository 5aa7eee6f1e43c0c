"""DIV2K as a dataset, in its official folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from srzoo import building
from srzoo.contracts import Described, Sample
from srzoo.errors import PictureError

from . import _archives, _download

NAMED_AT_MOST = 3


Tracks = Literal[
    "bicubic_x2",
    "bicubic_x3",
    "bicubic_x4",
    "bicubic_x8",
    "unknown_x2",
    "unknown_x3",
    "unknown_x4",
    "realistic_mild_x4",
    "realistic_difficult_x4",
    "realistic_wild_x4",
]


class DIV2K:
    """DIV2K (Agustsson, Timofte, CVPRW 2017), HR and LR, in the folders of its archives.

    ``srzoo data get div2k --track TRACK`` downloads the archives. Samples are named by
    their number (``0001``); the wild track has four LR pictures for each HR picture of its
    training split (``0001w1`` to ``0001w4``), and so four times the samples.

    Args:
        root: the folder that contains ``DIV2K_train_HR``, ``DIV2K_train_LR_bicubic`` and so on.
        track: bicubic_x2, bicubic_x3, bicubic_x4, bicubic_x8, unknown_x2, unknown_x3,
            unknown_x4, realistic_mild_x4, realistic_difficult_x4, or realistic_wild_x4.
        split: ``"train"`` (0001 to 0800) or ``"valid"`` (0801 to 0900).
        first: only this many HR pictures, from the first of the split; None for all. Papers
            often validate on the first ten.

    Raises:
        SrzooError: no such track or split, or a picture is missing; the first few are named.
    """

    examples = ()

    def __init__(
        self,
        *,
        root: str | Path,
        track: Tracks = "bicubic_x4",
        split: Literal["train", "valid"] = "train",
        first: Annotated[int, Ge(1), Le(800)] | None = None,
    ) -> None:
        self.root = Path(root).expanduser()
        self.track, self.split = track, split
        kind, numbers = _archives.find_track(track), _archives.find_split(split)[:first]
        self.scale = kind.scale
        high = self.root / f"DIV2K_{split}_HR"
        low = self.root / f"DIV2K_{split}_{kind.folder}"
        self._check({high / f"{number:04}.png" for number in numbers}, high)
        pairs = _by_number(low, kind.suffix)
        each = kind.each if split == "train" else 1
        missing = {
            low / f"{number:04}{kind.suffix}.png"
            for number in numbers
            if len(pairs.get(number, ())) < each
        }
        self._check(missing, low)
        self.files = [
            (f"{number:04}{extra}", high / f"{number:04}.png", path)
            for number in numbers
            for extra, path in pairs[number]
        ]

    def _check(self, wanted: set[Path], folder: Path) -> None:
        present = set(folder.iterdir()) if folder.is_dir() else set[Path]()
        missing = sorted(path.name for path in wanted - present)
        if missing:
            more = len(missing) - NAMED_AT_MOST
            raise PictureError(
                f"{folder} lacks {', '.join(missing[:NAMED_AT_MOST])}"
                + (f" and {more} more" if more > 0 else ""),
                f"Run: srzoo data get div2k --track {self.track} --split {self.split}"
                f" --to {self.root}",
            )

    @staticmethod
    def describe(args: Mapping[str, Any]) -> Described:
        """Its LR pictures are those of a track."""
        track = str(args.get("track", ""))
        clean = track.startswith("bicubic_")
        return Described(
            own_lr=True,
            clean=clean,
            lr=f"`track = {track}`",
            phrase="shrunk by bicubic" if clean else "",
            name="DIV2K",
        )

    @property
    def fingerprint(self) -> str:
        """Changes with the names, sizes and modification times of the pictures."""
        files = [(path.name, path) for _, hr, lr in self.files for path in (hr, lr)]
        return building.fingerprint(files, "div2k", self.track, self.split)

    def __len__(self) -> int:
        """The number of pairs."""
        return len(self.files)

    def __getitem__(self, index: int) -> Sample:
        """The pair at ``index``: uint8 H x W x 3 and H/scale x W/scale x 3.

        Raises:
            PictureError: a file cannot be read, or the sizes do not match.
        """
        name, high, low = self.files[index]
        hr, lr = building.read_rgb(high), building.read_rgb(low)
        return Sample(name, *building.fit_pair(hr, lr, self.scale, low.name))

    def name(self, index: int) -> str:
        """The name of the pair at ``index``."""
        return self.files[index][0]

    def key(self, index: int) -> str:
        """Changes with the two files at ``index``.

        Raises:
            PictureError: a file is missing.
        """
        name, high, low = self.files[index]
        return building.picture_key([high, low], name, self.scale)

    def size(self, index: int) -> tuple[int, int]:
        """Height and width of the HR picture at ``index``, from the two files' headers.

        Raises:
            PictureError: a file cannot be read, or the sizes do not match.
        """
        _, high, low = self.files[index]
        hr, lr = building.picture_size(high), building.picture_size(low)
        height, width = building.pair_size(hr, lr, self.scale, low.name)
        return height * self.scale, width * self.scale

    @staticmethod
    def fetch(
        *,
        to: Path,
        track: str = "bicubic_x4",
        split: Literal["train", "valid", "both"] = "both",
        url: str = _archives.URL,
        verify: bool = True,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> list[str]:
        """Download and unpack the archives of a track; existing files are kept.

        Args:
            to: the dataset's root; created if needed.
            track: the LR pictures to download.
            split: the pictures to download.
            url: the address of the archives, for a mirror with the same names.
            verify: whether to check sizes and sha256 sums.
            progress: called with an archive's name, the bytes downloaded, and all bytes.

        Returns:
            One sentence for each archive.

        Raises:
            SrzooError: the network, the disk or an archive failed; a second run resumes it.
        """
        part = _archives.find_track(track).archive
        splits = list(_archives.SPLITS) if split == "both" else [split]
        for name in splits:
            _archives.find_split(name)
        keys = [f"{name}_{kind}" for name in splits for kind in ("HR", part)]
        return [_download.get(_archives.ARCHIVES[key], to, url, verify, progress) for key in keys]


def _by_number(folder: Path, suffix: str) -> dict[int, list[tuple[str, Path]]]:
    """The LR files by number, each with the end of its sample's name."""
    pattern = re.compile(rf"(\d{{4}}){suffix.replace('w*', '(w[0-9]*)')}\.png")
    found: dict[int, list[tuple[str, Path]]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if match := pattern.fullmatch(path.name):
            extra = match[2] if pattern.groups > 1 else ""
            found.setdefault(int(match[1]), []).append((extra, path))
    return found
