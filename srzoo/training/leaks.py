"""Finds validation pictures that are also training pictures, by contents instead of names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .pixels import Pixels

ROWS, COLUMNS = 4, 64
"""Size of the examined part of a picture; few rows, as each is a read from the disk."""
ALIKE = 2.0
"""Mean difference in levels up to which two pictures count as equal, such as a re-saved file."""


def describe_leaks(trained: Sequence[Pixels], held_out: Sequence[Pixels]) -> list[str]:
    """A sentence for each validation set that shares pictures with the training sets of a stage."""
    words: list[str] = []
    for validation in held_out:
        found = {name for training in trained for name in pictures_in_both(training, validation)}
        if found:
            words.append(
                f"{len(found)} of {len(validation)} validation pictures are trained on too, such as"
                f" {min(found)}: values measured on them do not hold for other pictures"
            )
    return words


def pictures_in_both(training: Pixels, validation: Pixels) -> Iterator[str]:
    """The names of validation pictures that are also among the training pictures."""
    by_size: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number in range(len(training)):
        by_size[training.size(number)].append(number)
    looks: dict[tuple[int, int], NDArray[np.int16]] = {}
    for number, name in enumerate(validation.names):
        size = validation.size(number)
        numbers = by_size.get(size, [])
        if not _is_cheap(training):
            numbers = [n for n in numbers if _stem(training.names[n]) == _stem(name)]
            looks.pop(size, None)
        if not numbers:
            continue
        if size not in looks:
            looks[size] = np.stack([_thumbnail(training, n) for n in numbers])
        apart = np.abs(looks[size] - _thumbnail(validation, number)).mean(axis=(1, 2, 3))
        if apart.min() <= ALIKE:
            yield name


def _is_cheap(pixels: Any) -> bool:
    """Whether its pictures are stored decoded; otherwise only equal names are compared."""
    return bool(getattr(pixels, "kept", True))


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _thumbnail(pixels: Pixels, number: int) -> NDArray[np.int16]:
    """Some pixels of a picture, at the same places for pictures of the same size."""
    hr = pixels.hr(number)
    height, width = hr.shape[:2]
    rows = [height * (2 * row + 1) // (2 * ROWS) for row in range(ROWS)]
    return hr[rows, :: max(1, width // COLUMNS)].astype(np.int16)
