"""One picture's way through a model, in steps that different threads may take."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import psutil

from .. import images
from ..errors import MemoryBudgetError, PictureError, SrzooError
from ..images import tiff
from ..upscaling import planner
from ..upscaling.sizing import Route, Sizing
from . import ledger, outputs
from .batch import Batch, Job
from .ledger import Entry, Input, Ledger, Settings

if TYPE_CHECKING:
    from ..card import ModelFolder
    from ..images import Picture
    from ..upscaling.upscaler import Progress, Upscaler

    Advise = Callable[[Path | BinaryIO, Picture], str | None]

BLENDED = "tiles were blended, not exact: the network looks further than a tile"
MAY_BE_CLEAR = {".png", ".webp", ".tif", ".tiff", ".gif", ".avif", ".heic"}
"""Endings of files that may have transparency."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


@dataclass(frozen=True)
class Outcome:
    """What became of one job: sizes as (width, height), or the reason of the failure.

    Attributes:
        route: how the picture came to its size.
        advice: what was noticed about the picture.
        begun: False if it was not tried, as an earlier failure made it hopeless.
    """

    job: Job
    before: tuple[int, int] | None = None
    after: tuple[int, int] | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    problem: SrzooError | None = None
    route: Route | None = None
    advice: str | None = None
    begun: bool = True


@dataclass(frozen=True)
class Options:
    """How pictures are made.

    Attributes:
        sizing: how large.
        quality: of JPEG, WebP, AVIF and HEIC; None for the format's own.
        strip: leave EXIF, XMP and the like out.
        provenance: write into the XMP which model made it.
        invented: whether the model was trained to invent detail; the provenance says so.
        max_pixels: larger pictures are refused.
        strength: of the model, as the Upscaler was given it.
        keep_times: give results the times of their inputs.
    """

    sizing: Sizing = field(default_factory=Sizing)
    quality: int | None = None
    strip: bool = False
    provenance: bool = True
    invented: bool = False
    max_pixels: int = images.MAX_PIXELS
    strength: float = 1.0
    keep_times: bool = False

    def settings(self, folder: ModelFolder, precision: str) -> Settings:
        """All that decides how a picture comes out, for the ledger.

        Tiles, memory and threads are not among it: they change nothing.
        """
        config, sizing = folder.config, self.sizing
        network = [config.generator, config.args, config.weights and config.weights.sha256]
        digest = hashlib.sha256(json.dumps(network, sort_keys=True).encode()).hexdigest()
        return {
            "model": folder.name,
            "network": digest[:16],
            "precision": precision,
            "scale": sizing.scale,
            "size": f"{sizing.size or sizing.side}" if sizing.size or sizing.side else None,
            "quality": self.quality,
            "strip": self.strip,
            "provenance": self.provenance,
            # None where they are not asked for, as in ledgers of before they were.
            "strength": None if self.strength == 1 else self.strength,
            "keep_times": self.keep_times or None,
        }


@dataclass(frozen=True)
class Ready:
    """A job that nothing stands against, before its picture is decoded.

    Attributes:
        exact: whether tiles give what the whole picture would.
        streamed: whether the result does not fit into memory as a whole.
    """

    job: Job
    route: Route
    exact: bool
    streamed: bool
    seconds: float

    @property
    def weight(self) -> int:
        """Bytes, at 8 bits: of the picture and its result, and in decoder and encoder."""
        clear = (
            images.FORMATS[self.job.format].alpha and self.job.source.suffix.lower() in MAY_BE_CLEAR
        )
        read = 1 + planner.DECODER
        written = 1 + planner.ENCODERS[self.job.format][clear]
        (width, height), (across, down) = self.route.source, self.route.size
        return int((4 if clear else 3) * (read * width * height + written * across * down))


@dataclass(frozen=True)
class Fetched:
    """A decoded picture, which one it was, and its times (ns: of access, of change) to keep."""

    picture: Picture
    input: Input | None
    advice: str | None
    seconds: float
    times: tuple[int, int] | None = None


class Maker:
    """Makes pictures. All but :meth:`fetch` and :meth:`store` is for one thread only.

    Args:
        upscaler: the model.
        options: how.
        work: gives the settings, and the ledger that is written, if there is one.
        advise: is asked about pictures until it has something to say; folders are
            mostly of one kind.
        dry: write nothing and create no folder: it only says what would be made.
    """

    def __init__(
        self,
        upscaler: Upscaler,
        options: Options,
        work: Batch,
        advise: Advise | None = None,
        *,
        dry: bool = False,
    ) -> None:
        self.upscaler = upscaler
        self.options = options
        self.settings: Settings = work.settings
        self.ledger: Ledger | None = work.ledger
        self.advise = advise
        self.dry = dry
        self._advised = False

    def make(self, job: Job, begin: Callable[[Job], Progress] | None = None) -> Outcome:
        """Take all steps; a failure is an outcome."""
        if settled := self.settled(job):
            return settled
        try:
            ready = self.prepare(job)
            fetched = self.fetch(ready)
            progress = begin(job) if begin else None
            if job.format == "tiff" and not self._fits_whole(ready.route, fetched.picture):
                return self._streamed(ready, fetched, progress)
            return self.store(ready, fetched, *self.enlarge(ready, fetched, progress))
        except SrzooError as error:
            return Outcome(job, problem=error)

    def settled(self, job: Job) -> Outcome | None:
        """The outcome of a job for which nothing is to be done."""
        return Outcome(job, problem=job.problem) if job.problem or job.kept else None

    def prepare(self, job: Job) -> Ready:
        """Refuse what cannot be done: that costs no decoding and no computing."""
        start = time.perf_counter()
        if job.data:
            job.data.seek(0)
        size = images.read_size(job.data or job.source, max_pixels=self.options.max_pixels)
        route = self.options.sizing.plan(size, self.upscaler.scales)
        images.check_writable(job.target, route.size, job.format)
        streamed = False
        try:
            plans = self.upscaler.plans(route, format=job.format)
        except MemoryBudgetError:
            if job.format != "tiff":
                raise
            plans, streamed = self.upscaler.plans(route, streamed=True), True
        if job.sink is None:
            (outputs.check_folder if self.dry else outputs.make_folder)(job.target.parent)
        exact = all(plan.exact for plan in plans)
        return Ready(job, route, exact, streamed, time.perf_counter() - start)

    def fits(self, ready: Ready) -> bool:
        """Whether it can be computed as planned beside what is in memory now."""
        try:
            plans = self.upscaler.plans(ready.route, format=ready.job.format)
            return all(plan.exact for plan in plans)
        except MemoryBudgetError:
            return False

    def _fits_whole(self, route: Route, picture: Picture) -> bool:
        channels = picture.pixels.size // picture.pixels[..., :1].size
        try:
            self.upscaler.plans(
                route, picture.pixels.itemsize, channels=channels + (picture.alpha is not None),
                held=True, format="tiff",
            )  # fmt: skip
        except MemoryBudgetError:
            return False
        return True

    def room(self) -> int:
        """Bytes that pictures may take which are read ahead or not written yet."""
        if self.upscaler.memory is None:
            return int(0.3 * planner.free())
        return (self.upscaler.memory - psutil.Process().memory_info().rss) // 2

    def fetch(self, ready: Ready) -> Fetched:
        """Decode the picture."""
        start = time.perf_counter()
        job = ready.job
        times = self._times(job)  # before it is read, which changes the one of access
        input = ledger.taken(job.source) if self.ledger is not None else None
        if job.data:
            job.data.seek(0)
        picture = images.read(job.data or job.source, max_pixels=self.options.max_pixels)
        advice = None
        if self.advise and not self._advised:
            advice = self.advise(job.data or job.source, picture)
            self._advised = advice is not None
        if self.options.strip:
            picture = images.stripped(picture)
        return Fetched(picture, input, advice, ready.seconds + time.perf_counter() - start, times)

    def _times(self, job: Job) -> tuple[int, int] | None:
        if job.data or not self.options.keep_times:
            return None
        try:
            stat = job.source.stat()
        except OSError as error:
            raise PictureError(
                f"cannot read {job.source}: {error.strerror}", "Restore the file"
            ) from error
        return stat.st_atime_ns, stat.st_mtime_ns

    def enlarge(
        self, ready: Ready, fetched: Fetched, progress: Progress | None
    ) -> tuple[Picture, float]:
        """Run the model; give back the result, and the seconds it took."""
        start = time.perf_counter()
        result = self.upscaler.to_size(fetched.picture, ready.route, progress)
        return result, time.perf_counter() - start

    def store(self, ready: Ready, fetched: Fetched, result: Picture, seconds: float) -> Outcome:
        """Encode and write the result; it takes its name when it is whole and in the ledger."""
        start = time.perf_counter()
        job = ready.job
        try:
            with self._published(job, fetched) as file:
                written = images.write(
                    self._stamped(result), file, job.format, self.options.quality
                )
        except SrzooError as error:
            return Outcome(job, problem=error)
        seconds += fetched.seconds + time.perf_counter() - start
        return self._outcome(ready, fetched, written.lost, seconds)

    def _streamed(self, ready: Ready, fetched: Fetched, progress: Progress | None) -> Outcome:
        """Compute and write at once, from top to bottom."""
        start = time.perf_counter()
        job, picture = ready.job, self._stamped(fetched.picture)
        strips = self.upscaler.strips(picture, ready.route, progress)
        with self._published(job, fetched) as file:
            writer = tiff.Writer(
                file, ready.route.size, picture, picture.pixels.dtype, tile=tiff.TILE, big=True
            )
            with contextlib.closing(writer):
                for rows in strips:
                    if picture.alpha is None:
                        writer.put(rows)
                    else:
                        colour = rows[:, :, 0] if picture.pixels.ndim == 2 else rows[:, :, :-1]
                        writer.put(colour, rows[:, :, -1])
                writer.finish()
        seconds = fetched.seconds + time.perf_counter() - start
        lost = (*picture.lost, "written as a tiled BigTIFF: the whole did not fit into memory")
        return self._outcome(ready, fetched, lost, seconds)

    def _outcome(
        self, ready: Ready, fetched: Fetched, lost: tuple[str, ...], seconds: float
    ) -> Outcome:
        notes = lost if ready.exact else (*lost, BLENDED)
        return Outcome(
            ready.job,
            ready.route.source,
            ready.route.size,
            seconds,
            notes,
            route=ready.route,
            advice=fetched.advice,
        )

    def _stamped(self, picture: Picture) -> Picture:
        if not self.options.provenance:
            return picture
        return images.stamped(picture, self.upscaler.name, invented=self.options.invented)

    def _published(self, job: Job, fetched: Fetched) -> AbstractContextManager[BinaryIO]:
        if job.sink is not None:
            return outputs.to_sink(job.target, job.sink)
        if self.ledger is None or fetched.input is None:
            return outputs.to_file(job.target, times=fetched.times)
        book, input = self.ledger, fetched.input

        def record(stat: os.stat_result) -> None:
            settings = {**self.settings, "format": job.format}
            source = str(job.source)
            book.record(job.target, Entry(source, input, settings, stat.st_size, stat.st_mtime_ns))

        return outputs.to_file(job.target, record, fetched.times)


def not_begun(job: Job, reason: SrzooError) -> Outcome:
    """The outcome of a job that is not worth trying any more."""
    problem = PictureError(
        f"{job.source} was not begun: {reason.what}", "Mend that, and give the same command again"
    )
    return Outcome(job, problem=problem, begun=False)


def hopeless(outcome: Outcome) -> SrzooError | None:
    """The problem, if it is one that all later pictures would have too: a full disk."""
    error: BaseException | None = outcome.problem
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return outcome.problem
        error = error.__cause__
    return None
