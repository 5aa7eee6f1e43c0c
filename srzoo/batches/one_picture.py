"""One picture's way through a model, in steps that different threads may take."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import images
from ..common import memory, troubles
from ..errors import MemoryBudgetError, PictureError, SrzooError
from ..images.tiff import tiffwriter
from ..upscaling.memory_needs import Way
from ..upscaling.sizing import Route
from . import ledger, outputs
from .batch import Batch, Job
from .ledger import Entry, InputSnapshot, Ledger, Settings
from .options import Options as Options

if TYPE_CHECKING:
    from ..common.progress import Progress
    from ..images import Picture
    from ..upscaling.planner import TilePlan
    from ..upscaling.upscaler import Upscaler

    Advise = Callable[[Path | BinaryIO, Picture], str | None]

BLENDED = "tiles were blended, not exact: the network looks further than a tile"
HOPELESS = {*troubles.FULL, errno.EROFS}


@dataclass(frozen=True)
class Outcome:
    """What became of one job: how its picture came to its size, or why it did not.

    Attributes:
        route: from which size to which; None where nothing was made.
        advice: what was noticed about the picture.
        begun: False if it was not tried, as an earlier failure made it hopeless.
    """

    job: Job
    route: Route | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    problem: SrzooError | None = None
    advice: str | None = None
    begun: bool = True


@dataclass
class Item:
    """A picture on its way. What is assumed of it is made true by reading.

    Attributes:
        way: to its size, as far as memory is concerned.
        plans: how each pass is cut.
        seconds: that it took so far.
        picture: once it is read; its result, once that is made.
        input: which picture it was, for the ledger.
        times: of access and of change, in nanoseconds, to keep.
        advice: what was noticed about it.
    """

    job: Job
    way: Way
    plans: tuple[TilePlan, ...]
    seconds: float = 0.0
    picture: Picture | None = None
    input: InputSnapshot | None = None
    times: tuple[int, int] | None = None
    advice: str | None = None

    @property
    def exact(self) -> bool:
        """Whether tiles give what the whole picture would."""
        return all(plan.exact for plan in self.plans)

    @property
    def weight(self) -> int:
        """Bytes of the picture and its result, and in decoder and encoder."""
        return self.way.weight

    @property
    def decoded(self) -> Picture:
        """The picture; it has been read."""
        assert self.picture is not None
        return self.picture


def way(job: Job, options: Options, scales: tuple[int, ...]) -> Way:
    """A picture's way to its size, from its header.

    Raises:
        PictureError: it is no picture, there is no way, or the format cannot hold the result.
    """
    if job.data:
        job.data.seek(0)
    header = images.read_header(job.data or job.source, options.asked(job.page))
    route = options.sizing.route(header.size, scales)
    images.check_writable(job.target, route.size, job.format)
    reads = images.key_of(job.source)
    return Way(route, header.bits // 8, header.channels, format=job.format, reads=reads)


class PictureMaker:
    """Makes pictures. All but :meth:`fetch` and :meth:`store` is for one thread only.

    Args:
        upscaler: the model.
        options: how.
        work: gives the settings, and the ledger that is written, if there is one.
        advise: is asked about pictures until it has something to say; folders are
            mostly of one kind.
        dry: write nothing and create no folder: it only says what would be made.
        ways: what :func:`way` found for some of the jobs: their headers are not read again.
    """

    def __init__(
        self,
        upscaler: Upscaler,
        options: Options,
        work: Batch,
        advise: Advise | None = None,
        *,
        dry: bool = False,
        ways: Mapping[Job, Way] | None = None,
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
        self._ways = dict(ways or {})
        self._foreseen: dict[Job, Item] = {}

    def make(self, job: Job, begin: Callable[[Job], Progress] | None = None) -> Outcome:
        """Take all steps; a failure is an outcome."""
        if settled := self.skipped(job):
            return settled
        try:
            item = self.prepare(job)
            self.fetch(item)
            progress = begin(job) if begin else None
            self._fit_alone(item)
            if item.way.streamed:
                return self._streamed(item, progress)
            self.enlarge(item, progress)
            return self.store(item)
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
        return Outcome(job, problem=troubles.explain(error, what, self._logs()))

    def _logs(self) -> Path | None:
        return self.ledger.folder if self.ledger else None

    def skipped(self, job: Job) -> Outcome | None:
        """The outcome of a job for which nothing is to be done."""
        return Outcome(job, problem=job.problem) if job.problem or job.kept else None

    def foresee(self, job: Job) -> Item:
        """What :meth:`prepare` finds, and will give back when it is asked the next time."""
        if job not in self._foreseen:
            self._foreseen[job] = self.prepare(job)
        return self._foreseen[job]

    def prepare(self, job: Job) -> Item:
        """Refuse what cannot be done: that costs no decoding and no computing."""
        if item := self._foreseen.pop(job, None):
            return item
        start = time.perf_counter()
        found = self._ways.pop(job, None) or way(job, self.options, self.upscaler.scales)
        before = memory.used()
        item = self._planned_item(Item(job, found, ()))
        if item.plans and not self._planned:
            self._bare += max(0, memory.used() - before)
            self._planned = True
        if job.sink is None:
            (outputs.check_folder if self.dry else outputs.make_folder)(job.target.parent)
        item.seconds = time.perf_counter() - start
        return item

    def _planned_item(self, item: Item) -> Item:
        """The same, cut to be made whole, or to be streamed where only that fits.

        Raises:
            MemoryBudgetError: it does not fit, and cannot be streamed.
        """
        for streamed in (False, True):
            item.way = replace(item.way, streamed=streamed)
            try:
                item.plans = self.upscaler.plans(item.way)
            except MemoryBudgetError:
                if streamed or item.job.format != "tiff":
                    raise
            else:
                break
        return item

    def _fit_alone(self, item: Item) -> None:
        """Plan a picture that is read again, unless it fits as it is planned.

        Raises:
            MemoryBudgetError: it does not fit, and cannot be streamed.
        """
        # Without the decoder's copies what had to be streamed may fit as a whole.
        if item.way.streamed or not self.upscaler.still_fit(item.plans, item.way):
            self._planned_item(item)

    def fits(self, item: Item, beside: int = 0) -> bool:
        """Whether a picture that is read can be computed exactly, as what it has proved to be.

        Args:
            item: the picture.
            beside: bytes that others may come to, which are being read or written.
        """
        reserve = max(0, self._bare + beside - memory.used())
        item.way = replace(item.way, reserve=reserve)
        if not self.upscaler.still_fit(item.plans, item.way):
            try:
                item.plans = self.upscaler.plans(item.way)
            except MemoryBudgetError:
                return False
        return item.exact

    def memory_for_waiting(self) -> int:
        """Bytes that pictures may take which are read ahead or not written yet."""
        self._bare = memory.used()
        if self.upscaler.memory is None:
            return int(0.3 * memory.free())
        return (self.upscaler.memory - self._bare) // 2

    def fetch(self, item: Item) -> None:
        """Decode the picture."""
        start = time.perf_counter()
        job, options = item.job, self.options
        item.times = self._times(job)  # before it is read, which changes the one of access
        item.input = ledger.snapshot(job.source) if self.ledger is not None else None
        if job.data:
            job.data.seek(0)
        picture = images.read(
            job.data or job.source, max_pixels=options.max_pixels, page=job.page,
            force_damaged=options.force_damaged,
        )  # fmt: skip
        self._proved(item, picture)
        item.advice = self._advice(job, picture) if item.way.route.passes else None
        item.picture = images.stripped(picture) if options.strip else picture
        item.seconds += time.perf_counter() - start

    def _proved(self, item: Item, picture: Picture) -> None:
        """Have a picture's way begin with what was read; other plans than those are void."""
        assumed, job = item.way, item.job
        itemsize, channels = picture.pixels.itemsize, picture.channels
        route = assumed.route
        if picture.size != route.source:  # another picture has taken its place meanwhile
            route = self.options.sizing.route(picture.size, self.upscaler.scales)
            images.check_writable(job.target, route.size, job.format)
        if (route, itemsize, channels) != (assumed.route, assumed.itemsize, assumed.channels):
            item.plans = ()
        kept = job.format == "webp" and self.options.quality is None
        item.way = replace(
            assumed, route=route, itemsize=itemsize, channels=channels, held=True,
            lossless=picture.lossless and kept,
        )  # fmt: skip

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

    def enlarge(self, item: Item, progress: Progress | None) -> None:
        """Run the model: the picture becomes its result."""
        start = time.perf_counter()
        route = item.way.route
        item.picture = self.upscaler.to_size(item.decoded, route, progress, plans=item.plans)
        item.seconds += time.perf_counter() - start

    def store(self, item: Item) -> Outcome:
        """Encode and write the result; it takes its name when it is whole and in the ledger."""
        start = time.perf_counter()
        job = item.job
        try:
            with self._published(item) as file:
                result = self._stamped(item.decoded)
                written = images.write(result, file, job.format, self.options.quality)
        except Exception as error:  # noqa: BLE001 - as in make
            return self.failed(job, error)
        item.seconds += time.perf_counter() - start
        return self._outcome(item, written.lost)

    def _streamed(self, item: Item, progress: Progress | None) -> Outcome:
        """Compute and write at once, from top to bottom."""
        start = time.perf_counter()
        picture, route = self._stamped(item.decoded), item.way.route
        strips = self.upscaler.strips(picture, route, progress, plans=item.plans)
        with self._published(item) as file:
            writer = tiffwriter.Writer(
                file, route.size, picture, picture.pixels.dtype, tile=tiffwriter.TILE, big=True
            )
            with contextlib.closing(writer):
                for rows in strips:
                    if picture.alpha is None:
                        writer.put(rows)
                    else:
                        colour = rows[:, :, 0] if picture.pixels.ndim == 2 else rows[:, :, :-1]
                        writer.put(colour, rows[:, :, -1])
                writer.finish()
        item.seconds += time.perf_counter() - start
        lost = (*picture.lost, "written as a tiled BigTIFF: the whole did not fit into memory")
        return self._outcome(item, lost)

    def _outcome(self, item: Item, lost: tuple[str, ...]) -> Outcome:
        notes = lost if item.exact else (*lost, BLENDED)
        return Outcome(item.job, item.way.route, item.seconds, notes, advice=item.advice)

    def _stamped(self, picture: Picture) -> Picture:
        if not self.options.provenance:
            return picture
        return images.stamped(picture, self.upscaler.name, invented=self.options.invented)

    def _published(self, item: Item) -> AbstractContextManager[BinaryIO]:
        job = item.job
        if job.sink is not None:
            return outputs.to_sink(job.target, job.sink)
        if self.ledger is None or item.input is None:
            return outputs.to_file(job.target, times=item.times)
        book, input = self.ledger, item.input

        def record(stat: os.stat_result) -> None:
            settings = {**self.settings, **job.settings}
            source = str(job.source)
            book.record(job.target, Entry(source, input, settings, stat.st_size, stat.st_mtime_ns))

        return outputs.to_file(job.target, record, item.times)


def not_begun(job: Job, reason: SrzooError) -> Outcome:
    """The outcome of a job that is not worth trying any more."""
    problem = PictureError(
        f"{job.source} was not begun: {reason.what}", "Mend that, and give the same command again"
    )
    return Outcome(job, problem=problem, begun=False)


def stops_all(outcome: Outcome) -> SrzooError | None:
    """The problem, if it is one that all later pictures would have too: a full disk."""
    error: BaseException | None = outcome.problem
    while error is not None:
        if isinstance(error, OSError) and error.errno in HOPELESS:
            return outcome.problem
        error = error.__cause__
    return None
