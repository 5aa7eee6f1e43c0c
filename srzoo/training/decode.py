"""Decodes the pictures of a dataset that are not cached yet, on all cores, and skips bad ones."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from ..common import memory, strict
from ..errors import PictureError, SrzooError
from ..exporting import code
from ..plugins import kinds
from ..plugins.plugin import Use
from . import packs
from .packs import PackedArray, PackedPicture, Packs
from .sets import GuardedDataset, PairError, check_pair, crop_to_scale, degrade, summarize_faults

if TYPE_CHECKING:
    from ..contracts import U8, Degradation, Sample

T = TypeVar("T")
OWN = "-lr"
"""The end of the key of an LR picture that the dataset provides."""
SHARE = 2
"""``cache = "auto"`` caches up to the free disk space divided by this."""
LOWER = "Lower data.lr_crop, exclude them, or set data.skip_bad = true"
"""The fix for many pictures that are smaller than a crop."""
TRIAL = 32
"""Side, in LR pixels, of the noise that shows whether a degradation has changed."""


def file_marks(shrink: Degradation, use: Use, scales: Sequence[int]) -> dict[int, str]:
    """The end of the keys of LR pictures made by a deterministic degradation, by scale.

    It changes with the degradation's arguments, with its code if that is not srzoo's own, and with
    its result for some noise.
    """
    found: dict[int, str] = {}
    for scale in scales if shrink.deterministic else ():
        side = TRIAL * scale
        noise = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
        facts = [strict.plain(use), code.of_use(kinds.degradations, use)]
        what = json.dumps(facts, sort_keys=True).encode()
        what += degrade(
            noise, scale, shrink, use.name, np.random.default_rng(0), "a trial"
        ).tobytes()
        found[scale] = f"-x{scale}-{hashlib.sha256(what).hexdigest()[:12]}"
    return found


def kept_keys(keys: Iterable[str], marked: Mapping[int, str]) -> Iterator[str]:
    """All keys under which something of these pictures may be cached."""
    for key in keys:
        yield from (key + ending for ending in ("", OWN, *marked.values()))


class Decoder:
    """Decodes the pictures of one dataset into packs, or notes that they are not cached.

    Attributes:
        missing: indices of pictures that are not fully cached.
        faults: names of pictures, and their errors.
    """

    def __init__(
        self,
        number: int,
        source: GuardedDataset,
        keys: Sequence[str],
        found: Packs,
        shrink: Degradation,
        degradation: str,
        scales: Sequence[int],
        marked: Mapping[int, str],
    ) -> None:
        self._number, self._source, self._keys, self._found = number, source, keys, found
        self._shrink, self._degradation = shrink, degradation
        self._scales, self._marks = scales, marked
        self.faults: list[tuple[str, SrzooError]] = []
        self._side = 0
        self._bad: set[int] = set()
        self._sizes: dict[int, tuple[int, int]] = {}
        self._names: dict[int, str] = {}
        self._own: dict[int, bool] = {}
        self._probed: dict[int, Sample] = {}
        self.missing = [i for i in range(len(source)) if not self._complete(i)]

    def _complete(self, index: int) -> bool:
        places, key = self._found.places, self._keys[index]
        own = key + OWN in places
        return key in places and (own or all(key + m in places for m in self._marks.values()))

    def _fault(self, index: int, error: SrzooError) -> None:
        self.faults.append((self._named(index), error))
        self._bad.add(index)

    def check_pictures(self, lr_crop: int, skip_bad: bool) -> None:
        """Check what the headers show, before anything is decoded.

        Raises:
            SrzooError: pictures are smaller than a crop, or the whole set has another scale.
        """
        self._side = lr_crop * max(self._scales)
        small: list[SrzooError] = []
        places = self._found.places
        for index, key in enumerate(self._keys):
            try:
                place, lr = places.get(key), places.get(key + OWN)
                size = place.size if place else self._source.size(index)
                if place and lr:
                    called = f"{self._found.names[key]} of {self._source.label}"
                    check_pair(place.size, lr.size, self._scales, called)
            except SrzooError as error:
                self._fault(index, error)
                continue
            if size is None:
                continue
            self._sizes[index] = size
            if error := too_small(size, self._side, self._named(index)):
                small.append(error)
                self._fault(index, error)
        if small and not skip_bad:
            raise summarize_faults(small, len(self._source), LOWER)
        self._probe()

    def _named(self, index: int) -> str:
        kept = self._found.names.get(self._keys[index])
        return kept or self._names.get(index) or self._source.name(index)

    def _probe(self) -> None:
        """Refuse a set of pairs whose scale differs from the generator's, before decoding.

        Raises:
            PairError: two pictures, or the only one, match at another scale.
        """
        places, bad = self._found.places, self._bad
        fresh = [i for i in self.missing if self._keys[i] not in places and i not in bad]
        first: PairError | None = None
        for index in fresh[:2]:
            try:
                sample = self._source.sample(index, self._scales)
            except PairError as error:
                if len(self._scales) > 1 or len(self._source) == 1:
                    raise
                if first and error.ratio and error.ratio == first.ratio:
                    raise first from None
                first = first or error
            except SrzooError:
                return  # reported with the others
            else:
                self._own = dict.fromkeys(range(len(self._source)), sample.lr is not None)
                self._probed[index] = sample
                return

    def _sample(self, index: int) -> Sample:
        return self._probed.pop(index, None) or self._source.sample(index, self._scales)

    def decode(
        self,
        cache: Literal["auto", "always", "never"],
        report: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        """Decode missing pictures, and cache them if there is room.

        Raises:
            SrzooError: the recipe requires the cache, but it cannot be written.
        """
        todo = [i for i in self.missing if i not in self._bad and not self._complete(i)]
        if todo:
            self._fetch(todo, cache, report, say)
        for index in todo:  # of a set without sizes in advance
            place = self._found.places.get(self._keys[index])
            if index not in self._bad and (place or index in self._sizes):
                size = place.size if place else self._sizes[index]
                if error := too_small(size, self._side, self._named(index)):
                    self._fault(index, error)

    def _fetch(
        self,
        indices: Sequence[int],
        cache: Literal["auto", "always", "never"],
        report: Callable[[int], None],
        say: Callable[[str], None],
    ) -> None:
        if cache == "never" or (cache == "auto" and not self._has_room(indices, say)):
            self._read_facts(indices, report)
            self._probed.clear()
            return
        if edited := self._count_edited(indices):
            say(
                f"{self._degradation} has changed: the LR of {edited} cached pictures is made again"
            )
        try:
            self._keep(indices, report)
        except OSError as error:
            what = f"decoded pictures cannot be cached in {packs.root()}: {error.strerror or error}"
            if cache == "always":
                raise SrzooError(
                    what, 'Make room, change SRZOO_CACHE, or set data.cache="auto"'
                ) from error
            say(f"{what}; they are decoded as they are needed")
            left = [i for i in indices if i not in self._bad and not self._complete(i)]
            self._read_facts(left, report)

    def _count_edited(self, todo: Sequence[int]) -> int:
        """The number of cached pictures whose LR the degradation made before it was edited."""
        kept = self._kept(todo)
        before = tuple(
            self._keys[index] + mark.rpartition("-")[0] + "-"
            for index in sorted(kept)[:1]
            for mark in self._marks.values()
        )
        return (
            len(kept) if before and any(key.startswith(before) for key in self._found.places) else 0
        )

    def _has_room(self, todo: Sequence[int], say: Callable[[str], None]) -> bool:
        """Whether there is room for the missing pictures; reports if there is not."""
        each = 1 + sum(1 / scale**2 for scale in self._scales)
        sizes = [self._sizes[index] for index in todo if index in self._sizes]
        if not sizes:  # a set without sizes: estimate from some pictures
            for index in todo[:: max(1, len(todo) // 8)]:
                try:
                    sizes.append(self._source.sample(index, self._scales).hr.shape[:2])
                except SrzooError:
                    continue  # reported with the others
        if not sizes:
            return True
        mean = sum(height * width * 3 for height, width in sizes) / len(sizes)
        needed, free = mean * len(todo) * each, free_bytes(packs.root())
        if needed <= free / SHARE:
            return True
        say(
            f"{self._source.label}: {len(todo)} pictures take {needed / 1e9:,.1f} GB decoded, and"
            f" {free / 1e9:,.1f} GB are free: they are decoded as they are needed"
        )
        return False

    def _keep(self, indices: Sequence[int], report: Callable[[int], None]) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(lambda: self._found.add(writer))  # also pictures decoded before an error
            writer = stack.enter_context(packs.writing(self._source.about))
            for done, (index, found) in enumerate(in_threads(self._work, indices)):
                if isinstance(found, SrzooError):
                    self._fault(index, found)
                else:
                    writer.add(*found)
                report(done + 1)

    def _work(self, index: int) -> tuple[str, dict[str, U8]]:
        """The name of a picture, and its uncached parts by key; called in any thread."""
        key = self._keys[index]
        pictures: dict[str, U8] = {}
        if place := self._found.places.get(key):
            name, hr = self._found.names[key], place.view(packs.mapped(place.pack))
        else:
            sample = self._sample(index)
            name, hr = sample.name, sample.hr
            pictures[key] = hr
            if sample.lr is not None:
                return name, {**pictures, key + OWN: sample.lr}
        called = f"{name} of {self._source.label}"
        for scale, mark in self._marks.items():
            if key + mark not in self._found.places:
                part, chance = crop_to_scale(hr, scale, called), np.random.default_rng(0)
                pictures[key + mark] = degrade(
                    part, scale, self._shrink, self._degradation, chance, called
                )
        return name, pictures

    def _read_facts(self, indices: Sequence[int], report: Callable[[int], None]) -> None:
        """Sizes, names and presence of LR of pictures that are not cached."""
        known = self._sizes.keys() & (self._own.keys() | self._kept(indices))
        unknown = [index for index in indices if index not in known]

        def facts(index: int) -> tuple[str, tuple[int, ...], bool]:
            sample = self._sample(index)
            return sample.name, sample.hr.shape[:2], sample.lr is not None

        for done, (index, found) in enumerate(in_threads(facts, unknown)):
            if isinstance(found, SrzooError):
                self._fault(index, found)
            else:
                self._names[index], (height, width), self._own[index] = found
                self._sizes[index] = height, width
            report(len(indices) - len(unknown) + done + 1)

    def _kept(self, indices: Iterable[int]) -> set[int]:
        return {index for index in indices if self._keys[index] in self._found.places}

    def rows(self) -> Iterator[PackedPicture]:
        """All pictures except bad ones."""
        places = self._found.places
        for index, key in enumerate(self._keys):
            if index in self._bad:
                continue
            hr = places.get(key)
            own = key + OWN in places if hr else self._own[index]
            lr: dict[int, PackedArray | None] = (
                {self._scales[0]: places.get(key + OWN)}
                if own
                else {scale: places.get(key + mark) for scale, mark in self._marks.items()}
            )
            size = hr.size if hr else self._sizes[index]
            yield PackedPicture(self._number, index, key, self._named(index), size, hr, lr, own)


def too_small(size: tuple[int, int], side: int, name: str) -> PictureError | None:
    """The error for a picture that is smaller than a crop, or None.

    Args:
        size: height and width.
        side: of a crop, in HR pixels.
        name: of the picture.
    """
    if min(size) >= side:
        return None
    return PictureError(
        f"{name} has {size[1]}x{size[0]} pixels, but a crop needs {side}",
        "Lower data.lr_crop, or exclude the picture",
    )


def large_enough(pictures: Sequence[tuple[str, tuple[int, int]]], side: int) -> None:
    """Refuse pictures that are smaller than a crop, in one error.

    Args:
        pictures: name, and height and width, of each.
        side: of a crop, in HR pixels.

    Raises:
        PictureError: some are smaller; the message names the first few.
    """
    if small := [error for name, size in pictures if (error := too_small(size, side, name))]:
        raise summarize_faults(small, len(pictures), LOWER)


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of a folder, which may not exist yet."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


def in_threads(
    work: Callable[[int], T], items: Sequence[int]
) -> Iterator[tuple[int, T | SrzooError]]:
    """Yield each item with the result of ``work``, or its error, in order, using all cores.

    It uses threads: decoders mostly release the interpreter lock, and datasets need not be pickled.
    """
    cores = memory.processors()
    waiting = iter(items)
    with ThreadPoolExecutor(cores) as pool:
        running: deque[tuple[int, Future[T]]] = deque()
        try:
            for item in waiting:
                running.append((item, pool.submit(work, item)))
                if len(running) > 2 * cores:
                    yield _result(*running.popleft())
            while running:
                yield _result(*running.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


def _result(item: int, future: Future[T]) -> tuple[int, T | SrzooError]:
    try:
        return item, future.result()
    except SrzooError as error:
        return item, error
