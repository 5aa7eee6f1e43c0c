"""Choice of the picture for a crop: by pictures or by area, and by the weights of datasets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from .pixels import DatasetGroup, Pixels


class Shares:
    """Draws pictures, the same ones every time.

    Args:
        pixels: the pictures, in groups.
        seed: of the order.
    """

    def __init__(self, pixels: Pixels, seed: int) -> None:
        self._seed = seed
        areas = np.array([math.prod(pixels.size(number)) for number in range(len(pixels))])
        self._groups: list[tuple[range, Fraction]] = [(range(len(pixels)), Fraction(1))]
        if any(group.weight is not None for group in pixels.groups):
            shares = of_groups(pixels.groups)
            self._groups = []
            start, left = 0, Fraction(1)
            for group, share in zip(pixels.groups, shares, strict=True):
                self._groups.append((range(start, start + group.count), share / left))
                start, left = start + group.count, left - share
            parts = [areas[numbers] for numbers, _ in self._groups]
            areas = np.concatenate(
                [part * (float(f) / part.sum()) for part, f in zip(parts, shares, strict=True)]
            )
        self._up_to = np.cumsum(areas) / areas.sum()
        self._up_to[-1] = 1  # exactly, in spite of rounding

    def in_turn(self, place: int) -> int:
        """The picture of a crop by the crop's index; pictures of a set are drawn equally often.

        Sets take turns in proportion to their shares.
        """
        for group, (numbers, share) in enumerate(self._groups):
            before = math.floor(place * share)
            if math.floor((place + 1) * share) > before:
                epoch, at = divmod(before, len(numbers))
                return numbers[int(_order(self._seed, epoch, len(numbers), group)[at])]
            place -= before  # the index among crops of the following sets
        raise AssertionError("the last set gets all the rest")

    def by_area(self, chance: float) -> int:
        """The picture at a position from 0 to 1, in proportion to areas within each set."""
        return int(np.searchsorted(self._up_to, chance, side="right"))


def of_groups(groups: Sequence[DatasetGroup]) -> list[Fraction]:
    """The share of each set; the shares add up to 1.

    Sets without a weight divide what the others leave of 1, by their numbers of pictures.
    """
    weights = [None if g.weight is None else Fraction(str(g.weight)) for g in groups]
    given = sum((weight for weight in weights if weight is not None), Fraction(0))
    if None not in weights:
        return [weight / given for weight in weights if weight is not None]
    rest = sum(g.count for g in groups if g.weight is None)
    return [
        (1 - given) * Fraction(group.count, rest) if weight is None else weight
        for group, weight in zip(groups, weights, strict=True)
    ]


@lru_cache(maxsize=16)
def _order(seed: int, epoch: int, count: int, group: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch, 0, group]).permutation(count)
