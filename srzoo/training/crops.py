"""Training crops: each a pure function of (seed, step, index), so nothing has to be saved."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from ..errors import SrzooError
from ..recipe import CHOICE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..contracts import U8, Degradation
    from ..recipe import Data
    from .pixels import Pixels

Place = tuple[int, int, int]
"""Where a crop lies: the number of its picture, and its top and left in LR pixels."""
MARGIN = 4
"""LR pixels around a crop that a random degradation may blur into it."""


@dataclass(frozen=True)
class Batch:
    """Crops of one scale: uint8 B x h x w x 3 and B x sh x sw x 3."""

    lr: U8
    hr: U8
    scale: int


class Crops:
    """Draws crops; endless, and without state.

    Args:
        pixels: the pictures.
        data: crop side, batch, how pictures are drawn.
        scales: of the generator; one is drawn for each step where there are several.
        degradation: makes LR crops where no LR pictures are kept.
        seed: of everything.

    Raises:
        SrzooError: a picture is smaller than a crop.
    """

    def __init__(
        self,
        pixels: Pixels,
        data: Data,
        scales: tuple[int, ...],
        degradation: Degradation,
        seed: int,
    ) -> None:
        self._pixels = pixels
        self._data = data
        self._scales = scales
        self._degradation = degradation
        self._seed = seed
        self._skipped: frozenset[tuple[int, int]] = frozenset()
        largest = max(scales)
        areas: list[int] = []
        for number, name in enumerate(pixels.names):
            height, width = pixels.size(number)
            if min(height, width) // largest < data.lr_crop:
                raise SrzooError(
                    f"{name} has {width}x{height} pixels, a crop needs {data.lr_crop * largest}",
                    "Lower data.lr_crop, or exclude the picture",
                )
            areas.append(height * width)
        self._shares = np.cumsum(areas) / sum(areas)

    @property
    def pixels(self) -> Pixels:
        """The pictures that crops are cut from."""
        return self._pixels

    def skip(self, crops: Iterable[tuple[int, int]]) -> None:
        """From now on draw others in place of these, each named by its step and its index."""
        self._skipped = frozenset(crops)

    def source(self, step: int, index: int) -> str:
        """The name of the picture that a crop is cut from."""
        _, (number, _, _) = self._place(step, index, self.scale(step))
        return self._pixels.names[number]

    def scale(self, step: int) -> int:
        """The scale of a step."""
        if len(self._scales) == 1:
            return self._scales[0]
        return int(np.random.default_rng([self._seed, step]).choice(self._scales))

    def batch(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """The crops of a step, or one of several equal parts of them.

        Args:
            step: of the run, from 0 (each accumulated batch counts).
            part: which part, of ``parts``; several processes take one each.
        """
        scale = self.scale(step)
        share = self._data.batch // parts
        pairs = [self._crop(step, part * share + number, scale) for number in range(share)]
        lr, hr = (np.stack(side) for side in zip(*pairs, strict=True))
        return Batch(lr, hr, scale)

    def _crop(self, step: int, index: int, scale: int) -> tuple[U8, U8]:
        rng, (number, top, left) = self._place(step, index, scale)
        side = self._data.lr_crop
        height, width = (length // scale for length in self._pixels.size(number))
        hr = self._pixels.hr(number)
        if scale in self._pixels.lr_scales:
            lr = self._pixels.lr(number, scale)[top : top + side, left : left + side]
        else:
            up, before = max(0, top - MARGIN), max(0, left - MARGIN)
            down, after = min(height, top + side + MARGIN), min(width, left + side + MARGIN)
            wide = hr[up * scale : down * scale, before * scale : after * scale]
            lr = self._degradation(wide, scale, rng)
            lr = lr[top - up : top - up + side, left - before : left - before + side]
        hr = hr[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        if self._data.augment:
            flip, turns = bool(rng.integers(2)), int(rng.integers(4))
            lr, hr = (np.rot90(x[:, ::-1] if flip else x, turns) for x in (lr, hr))
        return lr, hr

    def _place(self, step: int, index: int, scale: int) -> tuple[np.random.Generator, Place]:
        """The chance that makes a crop, and where the crop lies."""
        rng, number = self._draw(step, index)
        found = [self._somewhere(rng, number, scale)]
        if self._data.draw == "detail":
            more = range(CHOICE - 1)
            found += [self._somewhere(rng, self._by_area(rng), scale) for _ in more]
            found.sort(key=lambda place: self._detail(place, scale))
        return rng, found[-1]

    def _somewhere(self, rng: np.random.Generator, number: int, scale: int) -> Place:
        height, width = (length // scale for length in self._pixels.size(number))
        side = self._data.lr_crop
        return number, int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))

    def _detail(self, place: Place, scale: int) -> float:
        """The mean difference between neighbours in green, of an HR crop."""
        number, top, left = place
        rows, columns = (slice(at * scale, (at + self._data.lr_crop) * scale) for at in (top, left))
        green = self._pixels.hr(number)[rows, columns, 1].astype(np.int16)
        return float(sum(np.abs(np.diff(green, axis=axis)).mean() for axis in (0, 1)))

    def _draw(self, step: int, index: int) -> tuple[np.random.Generator, int]:
        """The chance that makes a crop, and its picture."""
        if (step, index) in self._skipped:
            rng = np.random.default_rng([self._seed, step, index, 1])
            return rng, int(rng.integers(len(self._pixels)))
        rng = np.random.default_rng([self._seed, step, index])
        return rng, self._number(step, index, rng)

    def _number(self, step: int, index: int, rng: np.random.Generator) -> int:
        if self._data.draw != "pictures":
            return self._by_area(rng)
        epoch, place = divmod(step * self._data.batch + index, len(self._pixels))
        return int(_order(self._seed, epoch, len(self._pixels))[place])

    def _by_area(self, rng: np.random.Generator) -> int:
        return int(np.searchsorted(self._shares, rng.random(), side="right"))


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch, 0, 0]).permutation(count)
