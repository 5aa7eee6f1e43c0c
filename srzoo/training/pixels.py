"""Pictures as arrays: memory maps of cached ones, or decoded on demand."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..errors import PictureError, SrzooError
from ..plugins import kinds
from ..plugins.plugin import Use
from ..recipes.recipe import CHOICE
from . import packs
from .callbacks import Callbacks
from .decode import Decoder, file_marks, kept_keys
from .packs import PackedArray, PackedPicture, Packs
from .sets import GuardedDataset, crop_to_scale, degrade, summarize_faults

if TYPE_CHECKING:
    from ..contracts import U8

RECENT = 2 * CHOICE
"""Pictures that stay decoded if none are cached: HR and LR for the candidates of a crop."""


@dataclass(frozen=True)
class DatasetGroup:
    """The pictures of one dataset within those of a run.

    Attributes:
        count: the number of pictures.
        weight: the set's share of the crops, or None to share by numbers of pictures.
        own_lr: whether any of them has an LR picture of its own.
    """

    count: int
    weight: float | None = None
    own_lr: bool = False


class Pixels:
    """Pictures of one or several data sets as arrays; it can be pickled.

    Attributes:
        names: of the pictures, in the sets' order; unique.
        keys: for each picture, a text that changes when it does.
        groups: the data sets, in order.
    """

    def __init__(
        self,
        rows: Sequence[PackedPicture],
        sets: Sequence[GuardedDataset],
        degradation: Use,
        scales: Sequence[int],
    ) -> None:
        self._rows = list(rows)
        self._degradation, self._scales = degradation, tuple(scales)
        # Whole datasets are pickled only if they are needed.
        flying = {row.source for row in rows if row.hr is None or None in row.lr.values()}
        self._sets = {number: sets[number] for number in flying}
        self.names = [row.name for row in rows]
        self.keys = [row.key for row in rows]
        counts = Counter(row.source for row in rows)
        own = {row.source for row in rows if row.own}
        self.groups = [
            DatasetGroup(counts[n], set_.weight, n in own) for n, set_ in enumerate(sets)
        ]
        self.__setstate__(self.__dict__)

    def __getstate__(self) -> dict[str, Any]:
        """The places of the pictures, without their bytes."""
        return {key: value for key, value in self.__dict__.items() if key not in OPEN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._maps: dict[Path, U8] = {}
        self._recent: tuple[tuple[tuple[int, int], U8], ...] = ()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fingerprint(self) -> str:
        """A text that changes with every picture, and with their order."""
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()

    @property
    def kept(self) -> bool:
        """Whether all pictures are cached, so that none can turn out to be bad."""
        return not self._sets

    def size(self, number: int) -> tuple[int, int]:
        """Height and width of an HR picture."""
        return self._rows[number].size

    def has_lr(self, number: int, scale: int) -> bool:
        """Whether :meth:`lr` returns an LR picture; otherwise a random degradation makes it."""
        return scale in self._rows[number].lr

    def hr(self, number: int) -> U8:
        """H x W x 3, read-only.

        Raises:
            SrzooError: the cached picture no longer exists, or an uncached one cannot be read.
        """
        place = self._rows[number].hr
        return self._view(place) if place else self._degrade(number, 0)

    def lr(self, number: int, scale: int) -> U8:
        """H/scale x W/scale x 3, read-only; only if :meth:`has_lr` is true.

        Raises:
            SrzooError: as for :meth:`hr`.
        """
        place = self._rows[number].lr[scale]
        return self._view(place) if place else self._degrade(number, scale)

    def _view(self, place: PackedArray) -> U8:
        found = self._maps.get(place.pack)
        if found is None:
            try:
                found = self._maps[place.pack] = packs.mapped(place.pack)
            except OSError as error:
                raise SrzooError(
                    f"decoded pictures are gone from {place.pack}", "Run it again"
                ) from error
        return place.view(found)

    def _degrade(self, number: int, scale: int) -> U8:
        """Decode a picture that is not cached, HR for scale 0; the last few are kept."""
        recent = self._recent
        for what, picture in recent:
            if what == (number, scale):
                return picture
        row = self._rows[number]
        if scale and not row.own:
            hr = crop_to_scale(self.hr(number), scale, row.name)
            shrink = kinds.degradations.build(self._degradation)
            chance = np.random.default_rng(0)
            lr = degrade(hr, scale, shrink, self._degradation.name, chance, row.name)
            new = {(number, scale): lr}
        else:
            sample = self._sets[row.source].sample(row.index, self._scales)
            if sample.hr.shape[:2] != row.size or (sample.lr is not None) != row.own:
                raise PictureError(
                    f"{row.name}: HR or LR has changed its size",
                    "Start the run again",
                )
            new = {(number, 0): sample.hr}
            if sample.lr is not None:
                new[number, self._scales[0]] = sample.lr
        # A single assignment, as several threads may run this.
        self._recent = (*self._recent, *new.items())[-RECENT:]
        return new[number, scale]


OPEN = "_maps", "_recent"
"""Attributes of :class:`Pixels` that are not pickled."""


def open_pixels(
    sets: Sequence[GuardedDataset],
    degradation: Use,
    scales: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
    *,
    say: Callable[[str], None] | None = None,
    cache: Literal["auto", "always", "never"] = "auto",
    skip_bad: bool = False,
    lr_crop: int = 0,
) -> Pixels:
    """The pixels of datasets: decoded now, cached earlier, or decoded on demand.

    LR pictures are cached too if a set provides them, or if the degradation is deterministic. Each
    picture is cached separately: a new, changed or bad one does not cost a second decode of the
    others.

    Args:
        sets: of HR pictures, or pairs, or both.
        degradation: makes LR pictures if a set has none.
        scales: of the generator. Pairs must have its only scale.
        progress: called with (pictures done, pictures in all) while decoding.
        say: called with a sentence about pictures that are left out, or not cached.
        cache: as in a recipe's ``data.cache``.
        skip_bad: leave out and report pictures that cannot be read, break the contract or are too
            small; otherwise one error names them all after the others have been decoded.
        lr_crop: the least side of an LR picture, in pixels.

    Raises:
        SrzooError: a set is empty, or does not have the generator's scale; a picture is bad.
    """
    speak = say or Callbacks().on_word
    for source in sets:
        if len(source) == 0:
            raise SrzooError(f"{source.label} contains no pictures", "Check its path and lists")
    shrink = kinds.degradations.build(degradation)
    marked = file_marks(shrink, degradation, scales)
    found = Packs(packs.root() if cache != "never" else None)
    keys = [source.keys() for source in sets]
    found.remove_damaged(key for each in keys for key in kept_keys(each, marked))
    decoders = [
        Decoder(number, source, each, found, shrink, degradation.name, scales, marked)
        for number, (source, each) in enumerate(zip(sets, keys, strict=True))
    ]
    for decoder in decoders:
        decoder.check_pictures(lr_crop, skip_bad)
    total, before = sum(len(decoder.missing) for decoder in decoders), 0
    for decoder in decoders:
        count = len(decoder.missing)

        def report(done: int, before: int = before) -> None:
            if progress:
                progress(before + done, total)

        decoder.decode(cache, report, speak)
        before += count
    faults = [fault for decoder in decoders for fault in decoder.faults]
    everything = sum(map(len, sets))
    if faults and not skip_bad:
        raise summarize_faults([error for _, error in faults], everything)
    if faults:
        speak(_describe_faults(faults, everything))
    rows = [row for decoder in decoders for row in decoder.rows()]
    for number, source in enumerate(sets):
        if not any(row.source == number for row in rows):
            raise SrzooError(f"no picture of {source.label} is left", "Fix its pictures")
    return Pixels(_distinct_names(rows, sets), sets, degradation, scales)


def _describe_faults(faults: Sequence[tuple[str, SrzooError]], total: int) -> str:
    shown = ", ".join(name for name, _ in faults[:3])
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return f"left out {len(faults)} of {total} pictures: {shown}{more} ({faults[0][1].what})"


def _distinct_names(
    rows: list[PackedPicture], sets: Sequence[GuardedDataset]
) -> list[PackedPicture]:
    """The rows with unique names: prefixed with their sets if needed."""
    if len(sets) == 1 or len({row.name for row in rows}) == len(rows):
        return rows
    places = [f"{source.label.partition(' ')[0]}/" for source in sets]
    return [replace(row, name=places[row.source] + row.name) for row in rows]
