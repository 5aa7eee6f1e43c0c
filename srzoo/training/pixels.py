"""Decoded pictures in one memory-mapped file, so that a step never waits for a decoder."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import files, keeping, kinds, strict
from ..errors import SrzooError
from ..exporting import code
from ..registry import Use

if TYPE_CHECKING:
    from ..contracts import U8, Dataset

VERSION = 2
INDEX, DATA = "index.json", "pixels.bin"


class Pixels:
    """Pictures of a dataset as arrays on a memory map.

    Args:
        folder: as :func:`decoded` made it.

    Attributes:
        names: of the pictures, in the dataset's order.
        lr_scales: for which scales LR pictures are kept beside the HR ones.

    Raises:
        OSError: the folder is not there, or damaged: its bytes are not those that were written.
    """

    def __init__(self, folder: Path) -> None:
        index: dict[str, Any] = keeping.unsealed(folder / INDEX) or {}
        parts = keeping.read_parts(index.get("parts"))
        if parts is None or not keeping.intact(folder, parts):
            raise OSError(f"{folder} is damaged")
        self._data = np.memmap(folder / DATA, np.uint8, "r")
        self._places: list[list[tuple[int, int, int]]] = index["places"]
        self.names: list[str] = index["names"]
        self.lr_scales: tuple[int, ...] = tuple(index["scales"])

    def __len__(self) -> int:
        return len(self.names)

    def size(self, number: int) -> tuple[int, int]:
        """Height and width of an HR picture."""
        _, height, width = self._places[number][0]
        return height, width

    def hr(self, number: int) -> U8:
        """H x W x 3, a view."""
        return self._view(*self._places[number][0])

    def lr(self, number: int, scale: int) -> U8:
        """H/scale x W/scale x 3, a view; only for ``lr_scales``."""
        return self._view(*self._places[number][1 + self.lr_scales.index(scale)])

    def _view(self, offset: int, height: int, width: int) -> U8:
        return self._data[offset : offset + height * width * 3].reshape(height, width, 3)


def decoded(
    dataset: Dataset,
    degradation: Use,
    scales: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> Pixels:
    """The pixels of a dataset, decoded now or found from an earlier time.

    LR pictures are kept too where the dataset brings them, or where the degradation is
    deterministic.

    Args:
        dataset: of HR pictures, or pairs.
        degradation: makes LR pictures.
        scales: by which.
        progress: is told (pictures done, pictures in all) while decoding.

    Raises:
        SrzooError: the dataset is empty, or a picture cannot be read.
    """
    if len(dataset) == 0:
        raise SrzooError("the dataset holds no pictures", "Check its path and lists")
    shrink = kinds.degradations.build(degradation)
    keep = tuple(scales) if shrink.deterministic or dataset[0].lr is not None else ()
    what = [VERSION, dataset.fingerprint, strict.plain(degradation) if keep else None, keep]
    what += [code.of_use(kinds.degradations, degradation)] if keep else []
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]
    place = root() / key
    with contextlib.suppress(OSError):
        found = Pixels(place)
        os.utime(place / INDEX)
        return found
    with keeping.making(place.parent) as made:
        new = made / key
        new.mkdir()
        _write(dataset, degradation, keep, new, progress)
        try:
            keeping.place(new, place)
        except OSError:  # another process may have been faster
            return Pixels(place)
    return Pixels(place)


def root() -> Path:
    """The folder with all that is kept of datasets."""
    return files.cache() / "pixels"


def _write(
    dataset: Dataset,
    degradation: Use,
    scales: tuple[int, ...],
    folder: Path,
    progress: Callable[[int, int], None] | None,
) -> None:
    shrink = kinds.degradations.build(degradation)
    names: list[str] = []
    places: list[list[tuple[int, int, int]]] = []
    with (folder / DATA).open("wb") as file:
        for number in range(len(dataset)):
            sample = dataset[number]
            pictures = [sample.hr]
            for scale in scales:
                height, width = (side // scale * scale for side in sample.hr.shape[:2])
                whole = sample.hr[:height, :width]
                pictures.append(
                    sample.lr
                    if sample.lr is not None
                    else shrink(whole, scale, np.random.default_rng(0))
                )
            row: list[tuple[int, int, int]] = []
            for picture in pictures:
                row.append((file.tell(), picture.shape[0], picture.shape[1]))
                file.write(np.ascontiguousarray(picture).tobytes())
            names.append(sample.name)
            places.append(row)
            if progress:
                progress(number + 1, len(dataset))
    parts = keeping.listed(keeping.parts(folder))
    index = {"names": names, "places": places, "scales": scales, "parts": parts}
    (folder / INDEX).write_bytes(keeping.sealed(index))
