"""Pictures as arrays: memory maps of cached ones, or decoded on request."""

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
"""Pictures that stay decoded where none are kept: HR and LR of all that a crop may look at."""


@dataclass(frozen=True)
class DatasetGroup:
    """The pictures of one data set among those of a run.

    Attributes:
        count: how many there are.
        weight: the set's share of the crops, or None for that of its pictures.
        own_lr: whether any of them has an LR picture of its own.
    """

    count: int
    weight: float | None = None
    own_lr: bool = False


class Pixels:
    """Pictures of one or several data sets as arrays; it can be sent to other processes.

    Attributes:
        names: of the pictures, in the sets' order; unique.
        keys: for each picture what changes when it does.
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
        # Whole sets go to other processes only where they are needed.
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
        """Where the pictures are, and not their bytes."""
        return {key: value for key, value in self.__dict__.items() if key not in OPEN}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._maps: dict[Path, U8] = {}
        self._recent: tuple[tuple[tuple[int, int], U8], ...] = ()

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def fingerprint(self) -> str:
        """Changes with every picture, and with their order."""
        return hashlib.sha256("\n".join(self.keys).encode()).hexdigest()

    @property
    def kept(self) -> bool:
        """Whether all pictures are kept decoded, so that none can turn out to be bad."""
        return not self._sets

    def size(self, number: int) -> tuple[int, int]:
        """Height and width of an HR picture."""
        return self._rows[number].size

    def has_lr(self, number: int, scale: int) -> bool:
        """Whether :meth:`lr` gives an LR picture; otherwise a random degradation makes it."""
        return scale in self._rows[number].lr

    def hr(self, number: int) -> U8:
        """H x W x 3, not to be written into.

        Raises:
            SrzooError: what was kept has gone, or a picture that is not kept cannot be read.
        """
        place = self._rows[number].hr
        return self._view(place) if place else self._degrade(number, 0)

    def lr(self, number: int, scale: int) -> U8:
        """H/scale x W/scale x 3, not to be written into; only where :meth:`has_lr` says so.

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
        """A picture that is not kept, HR for scale 0; the last few are remembered."""
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
                    f"{row.name}: HR or LR is not of the size that was found at first",
                    "Start the run again",
                )
            new = {(number, 0): sample.hr}
            if sample.lr is not None:
                new[number, self._scales[0]] = sample.lr
        # One assignment, since threads may be here at the same time.
        self._recent = (*self._recent, *new.items())[-RECENT:]
        return new[number, scale]


OPEN = "_maps", "_recent"
"""What of :class:`Pixels` stays in its process."""


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
    """The pixels of data sets: decoded now, found from an earlier time, or decoded as needed.

    LR pictures are kept too where a set brings them, or where the degradation is deterministic.
    Every picture is kept by itself: one that is new, changed or bad costs no second decode of
    the others.

    Args:
        sets: of HR pictures, or pairs; they may be mixed.
        degradation: makes LR pictures where a set has none.
        scales: of the generator. Pairs have to be of its only scale.
        progress: is called with (pictures done, pictures in all) while decoding.
        say: is called with what was left out, and what is not kept.
        cache: as in a recipe's ``data.cache``.
        skip_bad: leave out what cannot be read, breaks the contract or is too small, with a
            word; otherwise all of it is named when the others have been decoded.
        lr_crop: how many LR pixels a picture needs along each side.

    Raises:
        SrzooError: a set is empty, or not of the generator's scale; a picture is bad.
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
            raise SrzooError(f"no picture of {source.label} is left", "Correct its pictures")
    return Pixels(_distinct_names(rows, sets), sets, degradation, scales)


def _describe_faults(faults: Sequence[tuple[str, SrzooError]], total: int) -> str:
    shown = ", ".join(name for name, _ in faults[:3])
    more = f" and {len(faults) - 3} more" if len(faults) > 3 else ""
    return f"left out {len(faults)} of {total} pictures: {shown}{more} ({faults[0][1].what})"


def _distinct_names(
    rows: list[PackedPicture], sets: Sequence[GuardedDataset]
) -> list[PackedPicture]:
    """The rows with unique names: with those of their sets before them, if need be."""
    if len(sets) == 1 or len({row.name for row in rows}) == len(rows):
        return rows
    places = [f"{source.label.partition(' ')[0]}/" for source in sets]
    return [replace(row, name=places[row.source] + row.name) for row in rows]
