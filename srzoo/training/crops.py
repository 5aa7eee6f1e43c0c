"""Training crops: each a pure function of (seed, step, index), so that no state has to be saved."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import FallbackWarning, PictureError
from ..recipes.recipe import CHOICE
from .decode import large_enough
from .sets import degrade
from .shares import Shares

if TYPE_CHECKING:
    from ..contracts import U8, Degradation
    from ..recipes.recipe import Data
    from .pixels import Pixels

CropPosition = tuple[int, int, int]
"""The place of a crop: the number of its picture, and its top and left in LR pixels."""
MARGIN = 4
"""LR pixels around a crop from which a random degradation may blur."""
ATTEMPTS = 10
"""Pictures that are tried for a crop if bad ones are left out."""


@dataclass(frozen=True)
class Batch:
    """Crops of one scale: uint8 B x h x w x 3 and B x sh x sw x 3."""

    lr: U8
    hr: U8
    scale: int


class Crops:
    """Draws crops without end and without state.

    Args:
        pixels: the pictures.
        data: crop side, batch, how pictures are drawn.
        scales: of the generator; if several, one is drawn for each step.
        degradation: makes LR crops if no LR pictures are stored.
        seed: of all random numbers.

    Raises:
        SrzooError: pictures are smaller than a crop; the first few are named.
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
        named = [(name, pixels.size(number)) for number, name in enumerate(pixels.names)]
        large_enough(named, data.lr_crop * max(scales))
        self._shares = Shares(pixels, seed)

    @property
    def pixels(self) -> Pixels:
        """The pictures that crops are cut from."""
        return self._pixels

    def skip(self, crops: Iterable[tuple[int, int]]) -> None:
        """Replace these crops by others from now on, each given by its step and its index."""
        self._skipped = frozenset(crops)

    def source(self, step: int, index: int) -> str:
        """The name of the picture that a crop is cut from."""
        _, (number, _, _) = self._find_position(step, index, self.scale(step))
        return self._pixels.names[number]

    def scale(self, step: int) -> int:
        """The scale of a step."""
        if len(self._scales) == 1:
            return self._scales[0]
        return int(np.random.default_rng([self._seed, step]).choice(self._scales))

    def batch(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """The crops of a step, or one of several equal parts of them.

        Args:
            step: of the run, from 0, counting each accumulated batch.
            part: the index of the part; each process takes one.
        """
        scale = self.scale(step)
        share = self._data.batch // parts
        pairs = [self._crop(step, part * share + number, scale) for number in range(share)]
        lr, hr = (np.stack(side) for side in zip(*pairs, strict=True))
        return Batch(lr, hr, scale)

    def _crop(self, step: int, index: int, scale: int) -> tuple[U8, U8]:
        rng, (number, top, left) = self._find_position(step, index, scale)
        side = self._data.lr_crop
        height, width = (length // scale for length in self._pixels.size(number))
        hr = self._pixels.hr(number)
        if self._pixels.has_lr(number, scale):
            lr = self._pixels.lr(number, scale)[top : top + side, left : left + side]
        else:
            up, before = max(0, top - MARGIN), max(0, left - MARGIN)
            down, after = min(height, top + side + MARGIN), min(width, left + side + MARGIN)
            wide = hr[up * scale : down * scale, before * scale : after * scale]
            name, called = self._data.degradation.name, self._pixels.names[number]
            lr = degrade(wide, scale, self._degradation, name, rng, called)
            lr = lr[top - up : top - up + side, left - before : left - before + side]
        hr = hr[top * scale : (top + side) * scale, left * scale : (left + side) * scale]
        if self._data.augment:
            flip, turns = bool(rng.integers(2)), int(rng.integers(4))
            lr, hr = (np.rot90(x[:, ::-1] if flip else x, turns) for x in (lr, hr))
        return lr, hr

    def _find_position(
        self, step: int, index: int, scale: int
    ) -> tuple[np.random.Generator, CropPosition]:
        """Like :meth:`_position`, but replaces a picture that turns out to be bad."""
        if self._pixels.kept or not self._data.skip_bad:
            return self._position(step, index, scale)
        for turn in range(ATTEMPTS):
            try:
                rng, place = self._position(step, index, scale, turn)
                self._pixels.hr(place[0])
                if self._pixels.has_lr(place[0], scale):
                    self._pixels.lr(place[0], scale)
            except PictureError as error:
                if turn == ATTEMPTS - 1:
                    raise
                warnings.warn(f"left out: {error.what}", FallbackWarning, stacklevel=2)
            else:
                return rng, place
        raise AssertionError("the last turn returns or raises")

    def _position(
        self, step: int, index: int, scale: int, turn: int = 0
    ) -> tuple[np.random.Generator, CropPosition]:
        """The random generator of a crop, and the crop's place."""
        rng, number = self._draw_picture(step, index, turn)
        found = [self._random_position(rng, number, scale)]
        if self._data.draw == "detail":
            more = range(CHOICE - 1)
            found += [self._random_position(rng, self._by_area(rng), scale) for _ in more]
            found.sort(key=lambda place: self._detail(place, scale))
        return rng, found[-1]

    def _random_position(self, rng: np.random.Generator, number: int, scale: int) -> CropPosition:
        height, width = (length // scale for length in self._pixels.size(number))
        side = self._data.lr_crop
        return number, int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))

    def _detail(self, place: CropPosition, scale: int) -> float:
        """The mean difference between neighbours in the green channel of an HR crop."""
        number, top, left = place
        rows, columns = (slice(at * scale, (at + self._data.lr_crop) * scale) for at in (top, left))
        green = self._pixels.hr(number)[rows, columns, 1].astype(np.int16)
        return float(sum(np.abs(np.diff(green, axis=axis)).mean() for axis in (0, 1)))

    def _draw_picture(self, step: int, index: int, turn: int) -> tuple[np.random.Generator, int]:
        """The random generator of a crop, and its picture."""
        again = turn + ((step, index) in self._skipped)
        if again:
            rng = np.random.default_rng([self._seed, step, index, again])
            weighted = any(group.weight is not None for group in self._pixels.groups)
            return rng, self._by_area(rng) if weighted else int(rng.integers(len(self._pixels)))
        rng = np.random.default_rng([self._seed, step, index])
        return rng, self._number(step, index, rng)

    def _number(self, step: int, index: int, rng: np.random.Generator) -> int:
        if self._data.draw != "pictures":
            return self._by_area(rng)
        return self._shares.in_turn(step * self._data.batch + index)

    def _by_area(self, rng: np.random.Generator) -> int:
        return self._shares.by_area(rng.random())
