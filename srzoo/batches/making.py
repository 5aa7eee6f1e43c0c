"""One picture's way through a model, in steps that different threads may take."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import images
from ..common import memory, troubles
from ..errors import MemoryBudgetError, PictureError, SrzooError
from ..images import tiff
from ..upscaling.sizing import Route
from ..upscaling.work import decoder, encoder
from . import ledger, outputs
from .batch import Batch, Job
from .ledger import Entry, Input, Ledger, Settings
from .options import Options as Options

if TYPE_CHECKING:
    from ..images import Picture
    from ..upscaling.planner import Plan
    from ..upscaling.upscaler import Progress, Upscaler

    Advise = Callable[[Path | BinaryIO, Picture], str | None]

BLENDED = "tiles were blended, not exact: the network looks further than a tile"
HOPELESS = {*troubles.FULL, errno.EROFS}


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


@dataclass
class Ready:
    """A job that nothing stands against. What is assumed of its picture is made true by reading.

    Attributes:
        exact: whether tiles give what the whole picture would.
        streamed: whether the result does not fit into memory as a whole.
        itemsize: bytes of a value.
        channels: 1 to 4, alpha counted.
        lossless: whether it comes from a WebP without loss.
        plans: how each pass is cut, once that is known for good.
    """

    job: Job
    route: Route
    exact: bool
    streamed: bool
    seconds: float
    itemsize: int = 1
    channels: int = 3
    lossless: bool = False
    plans: tuple[Plan, ...] = ()

    @property
    def weight(self) -> int:
        """Bytes of the picture and its result, and in decoder and encoder."""
        (width, height), (across, down) = self.route.source, self.route.size
        value = self.channels * self.itemsize
        read = width * height * value + decoder(self.route.source, value, self.reads)
        copies = encoder(
            self.route.size, self.channels, self.itemsize, self.job.format, lossless=self.lossless
        )
        return read + across * down * value + copies

    @property
    def reads(self) -> str | None:
        """What the file is, by its ending, as decoders are told apart."""
        return images.key_of(self.job.source)


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
        self._bare = 0  # bytes of the process with its model, and no pictures
        self._planned = False

    def make(self, job: Job, begin: Callable[[Job], Progress] | None = None) -> Outcome:
        """Take all steps; a failure is an outcome."""
        if settled := self.settled(job):
            return settled
        try:
            ready = self.prepare(job)
            fetched = self.fetch(ready)
            progress = begin(job) if begin else None
            if not self._fits_whole(ready):
                return self._streamed(ready, fetched, progress)
            return self.store(ready, fetched, *self.enlarge(ready, fetched, progress))
        except Exception as error:  # noqa: BLE001 - one odd file is one failed picture
            return self.failed(job, error)

    def failed(self, job: Job, error: Exception) -> Outcome:
        """The outcome of a job that an error of any kind has ended.

        Raises:
            BrokenPipeError: whoever reads the result has enough.
        """
        if job.sink is not None and isinstance(error, BrokenPipeError):
            raise error
        what = f"cannot enlarge {job.source}"
        return Outcome(job, problem=troubles.told(error, what, self._logs()))

    def _logs(self) -> Path | None:
        return self.ledger.folder if self.ledger else None

    def settled(self, job: Job) -> Outcome | None:
        """The outcome of a job for which nothing is to be done."""
        return Outcome(job, problem=job.problem) if job.problem or job.kept else None

    def prepare(self, job: Job) -> Ready:
        """Refuse what cannot be done: that costs no decoding and no computing."""
        start = time.perf_counter()
        if job.data:
            job.data.seek(0)
        asked = images.Asked(self.options.max_pixels, job.page, self.options.force_damaged)
        header = images.read_header(job.data or job.source, asked)
        route = self.options.sizing.plan(header.size, self.upscaler.scales)
        images.check_writable(job.target, route.size, job.format)
        ready = Ready(
            job, route, exact=True, streamed=False, seconds=0.0, itemsize=header.bits // 8,
            channels=header.channels,
        )  # fmt: skip
        before = memory.used()
        plan = partial(self.upscaler.plans, route, ready.itemsize, channels=ready.channels)
        try:
            plans = plan(format=job.format, reads=ready.reads)
        except MemoryBudgetError:
            if job.format != "tiff":
                raise
            plans, ready.streamed = plan(streamed=True, reads=ready.reads), True
        if plans and not self._planned:
            self._bare += max(0, memory.used() - before)
            self._planned = True
        ready.exact = all(plan.exact for plan in plans)
        if job.sink is None:
            (outputs.check_folder if self.dry else outputs.make_folder)(job.target.parent)
        ready.seconds = time.perf_counter() - start
        return ready

    def fits(self, ready: Ready, beside: int = 0) -> bool:
        """Whether a picture that is read can be computed exactly, as what it has proved to be.

        Args:
            ready: the job.
            beside: bytes that others may come to, which are being read or written.
        """
        reserve = max(0, self._bare + beside - memory.used())
        try:
            ready.plans = self._plans(ready, reserve=reserve)
        except MemoryBudgetError:
            return False
        return all(plan.exact for plan in ready.plans)

    def _fits_whole(self, ready: Ready) -> bool:
        """Plan again for a picture that is read; False if its result has to be streamed.

        Raises:
            MemoryBudgetError: it does not fit, and cannot be streamed.
        """
        try:
            ready.plans, ready.streamed = self._plans(ready), False
        except MemoryBudgetError:
            if ready.job.format != "tiff":
                raise
            ready.plans, ready.streamed = self._plans(ready, streamed=True), True
        ready.exact = all(plan.exact for plan in ready.plans)
        return not ready.streamed

    def _plans(self, ready: Ready, *, streamed: bool = False, reserve: int = 0) -> tuple[Plan, ...]:
        return self.upscaler.plans(
            ready.route, ready.itemsize, channels=ready.channels, streamed=streamed, held=True,
            format=ready.job.format, reserve=reserve, lossless=ready.lossless,
        )  # fmt: skip

    def room(self) -> int:
        """Bytes that pictures may take which are read ahead or not written yet."""
        self._bare = memory.used()
        if self.upscaler.memory is None:
            return int(0.3 * memory.free())
        return (self.upscaler.memory - self._bare) // 2

    def fetch(self, ready: Ready) -> Fetched:
        """Decode the picture."""
        start = time.perf_counter()
        job = ready.job
        times = self._times(job)  # before it is read, which changes the one of access
        input = ledger.taken(job.source) if self.ledger is not None else None
        if job.data:
            job.data.seek(0)
        options = self.options
        picture = images.read(
            job.data or job.source, max_pixels=options.max_pixels, page=job.page,
            force_damaged=options.force_damaged,
        )  # fmt: skip
        ready.itemsize, ready.channels = picture.pixels.itemsize, picture.channels
        kept = job.format == "webp" and self.options.quality is None
        ready.lossless = picture.lossless and kept
        advice = self._advice(job, picture) if ready.route.passes else None
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

    def _advice(self, job: Job, picture: Picture) -> str | None:
        if self.advise is None or self._advised:
            return None
        try:
            advice = self.advise(job.data or job.source, picture)
        except Exception as error:  # noqa: BLE001 - advice is no reason to fail
            troubles.log(error, f"cannot advise on {job.source}", self._logs())
            return None
        self._advised = advice is not None
        return advice

    def enlarge(
        self, ready: Ready, fetched: Fetched, progress: Progress | None
    ) -> tuple[Picture, float]:
        """Run the model; give back the result, and the seconds it took."""
        start = time.perf_counter()
        result = self.upscaler.to_size(fetched.picture, ready.route, progress, plans=ready.plans)
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
        except Exception as error:  # noqa: BLE001 - as in make
            return self.failed(job, error)
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
            settings = {**self.settings, **job.settings}
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
        if isinstance(error, OSError) and error.errno in HOPELESS:
            return outcome.problem
        error = error.__cause__
    return None
