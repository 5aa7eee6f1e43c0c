"""One picture through a model, in steps that different threads may run."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from .. import images
from ..common import memory, troubles
from ..errors import BrokenPluginError, MemoryBudgetError, PictureError, SrzooError
from ..images.tiff import tiffwriter
from ..upscaling.memory_needs import PictureNeeds
from ..upscaling.sizing import Route
from . import ledger, outputs
from .batch import Batch
from .job import Job
from .ledger import InputSnapshot, Ledger, LedgerEntry, Settings
from .options import Options as Options

if TYPE_CHECKING:
    from ..common.progress import Progress
    from ..images import Picture
    from ..upscaling.planner import TilePlan
    from ..upscaling.upscaler import Upscaler

    Advise = Callable[[Path | BinaryIO, Picture], str | None]

BLENDED = "tiles were blended, not exact: the reach of the network exceeds a tile"
FATAL_ERRNOS = {*troubles.FULL, errno.EROFS}


@dataclass(frozen=True)
class PictureOutcome:
    """The outcome of a job: how its picture was upscaled, or why it was not.

    Attributes:
        route: the passes; None if nothing was made.
        advice: an observation about the picture.
        begun: False if it was not tried, as an earlier failure would affect it too.
    """

    job: Job
    route: Route | None = None
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    problem: SrzooError | None = None
    advice: str | None = None
    begun: bool = True


@dataclass
class PictureInWork:
    """A picture that is being made. The facts of its header are checked after decoding.

    Attributes:
        needs: the facts that determine its memory.
        plans: the tiles of each pass.
        seconds: its time so far.
        picture: the decoded picture, and later its result.
        snapshot: the picture's identity, for the ledger.
        times: of access and modification, in nanoseconds, to keep.
        advice: an observation about it.
    """

    job: Job
    needs: PictureNeeds
    plans: tuple[TilePlan, ...]
    seconds: float = 0.0
    picture: Picture | None = None
    snapshot: InputSnapshot | None = None
    times: tuple[int, int] | None = None
    advice: str | None = None

    @property
    def exact(self) -> bool:
        """Whether its tiles are exact."""
        return all(plan.exact for plan in self.plans)

    @property
    def bytes(self) -> int:
        """Bytes of the picture and its result, and in decoder and encoder."""
        return self.needs.bytes

    @property
    def loaded(self) -> Picture:
        """The decoded picture."""
        assert self.picture is not None
        return self.picture


def read_needs(job: Job, options: Options, scales: tuple[int, ...]) -> PictureNeeds:
    """The needs of a picture, from its header.

    Raises:
        PictureError: it is not a picture, there is no route, or the format cannot hold the result.
    """
    if job.data:
        job.data.seek(0)
    header = images.read_header(job.data or job.source, options.request(job.page))
    route = options.sizing.route(header.size, scales)
    images.check_writable(job.target, route.size, job.format)
    reads = images.key_of(job.source)
    return PictureNeeds(
        route, header.bits // 8, header.channels, format=job.format, input_format=reads
    )


class PictureMaker:
    """Makes pictures. Only :meth:`decode` and :meth:`store` may run in other threads.

    Args:
        upscaler: the model.
        options: for all results.
        batch: provides the settings, and the ledger to write, if there is one.
        advise: asked about pictures until it returns advice; folders mostly contain pictures of
            one kind.
        dry: write nothing and create no folder; only report what would be made.
        known_needs: results of :func:`read_needs` for some jobs, whose headers are not read
            again.
    """

    def __init__(
        self,
        upscaler: Upscaler,
        options: Options,
        batch: Batch,
        advise: Advise | None = None,
        *,
        dry: bool = False,
        known_needs: Mapping[Job, PictureNeeds] | None = None,
    ) -> None:
        self.upscaler = upscaler
        self.options = options
        self.settings: Settings = batch.settings
        self.ledger: Ledger | None = batch.ledger
        self.advise = advise
        self.dry = dry
        self._advised = False
        self._idle_memory = 0  # bytes of the process with its model, without pictures
        self._planned_once = False
        self._known_needs = dict(known_needs or {})
        self._prepared: dict[Job, PictureInWork] = {}

    def make(self, job: Job, begin: Callable[[Job], Progress] | None = None) -> PictureOutcome:
        """Run all steps; a failure is an outcome."""
        if settled := self.settled_outcome(job):
            return settled
        try:
            item = self.prepare(job)
            self.decode(item)
            progress = begin(job) if begin else None
            self._plan_in_free_memory(item)
            if item.needs.streamed:
                return self._stream(item, progress)
            self.enlarge(item, progress)
            return self.store(item)
        except Exception as error:  # noqa: BLE001 - an invalid file fails alone
            return self.failed_outcome(job, error)

    def failed_outcome(self, job: Job, error: Exception) -> PictureOutcome:
        """The outcome of a job that failed with any error.

        Raises:
            BrokenPipeError: the reader of the result has closed the pipe.
        """
        if job.sink is not None and isinstance(error, BrokenPipeError):
            raise error
        what = f"cannot enlarge {job.source}"
        if isinstance(error, BrokenPluginError):  # may be the same error for each picture
            named = BrokenPluginError(f"{job.source}: {error.what}", error.fix)
            named.__cause__ = error
            error = named
        return PictureOutcome(job, problem=troubles.explain(error, what, self._log_folder()))

    def _log_folder(self) -> Path | None:
        return self.ledger.folder if self.ledger else None

    def settled_outcome(self, job: Job) -> PictureOutcome | None:
        """The outcome of a job that needs no work."""
        return PictureOutcome(job, problem=job.problem) if job.problem or job.skip_reason else None

    def prepare_ahead(self, job: Job) -> PictureInWork:
        """The result of :meth:`prepare`, which returns it at the next call."""
        if job not in self._prepared:
            self._prepared[job] = self.prepare(job)
        return self._prepared[job]

    def prepare(self, job: Job) -> PictureInWork:
        """Refuse impossible jobs before decoding and computing."""
        if item := self._prepared.pop(job, None):
            return item
        start = time.perf_counter()
        found = self._known_needs.pop(job, None) or read_needs(
            job, self.options, self.upscaler.scales
        )
        before = memory.used()
        item = self._plan(PictureInWork(job, found, ()))
        if item.plans and not self._planned_once:
            self._idle_memory += max(0, memory.used() - before)
            self._planned_once = True
        if job.sink is None:
            (outputs.check_folder if self.dry else outputs.make_folder)(job.target.parent)
        item.seconds = time.perf_counter() - start
        return item

    def _plan(self, item: PictureInWork) -> PictureInWork:
        """Plan the picture as a whole, or streamed if only that fits.

        Raises:
            MemoryBudgetError: it does not fit, and cannot be streamed.
        """
        for streamed in (False, True):
            item.needs = replace(item.needs, streamed=streamed)
            try:
                item.plans = self.upscaler.plans(item.needs)
            except MemoryBudgetError:
                if streamed or item.job.format != "tiff":
                    raise
            else:
                break
        return item

    def _plan_in_free_memory(self, item: PictureInWork) -> None:
        """Plan a picture that is decoded again, unless its plan still fits.

        Raises:
            MemoryBudgetError: it does not fit, and cannot be streamed.
        """
        # Without the decoder's copies, a picture planned as streamed may fit as a whole.
        if item.needs.streamed or not self.upscaler.still_fit(item.plans, item.needs):
            self._plan(item)

    def fits(self, item: PictureInWork, beside: int = 0) -> bool:
        """Whether a decoded picture can be computed exactly.

        Args:
            item: the picture.
            beside: bytes for others that are being read or written.
        """
        reserved = max(0, self._idle_memory + beside - memory.used())
        item.needs = replace(item.needs, reserved=reserved)
        if not self.upscaler.still_fit(item.plans, item.needs):
            try:
                item.plans = self.upscaler.plans(item.needs)
            except MemoryBudgetError:
                return False
        return item.exact

    def memory_for_waiting(self) -> int:
        """Bytes for pictures that were read ahead or are not written yet."""
        self._idle_memory = memory.used()
        if self.upscaler.memory is None:
            return int(0.3 * memory.free())
        return (self.upscaler.memory - self._idle_memory) // 2

    def decode(self, item: PictureInWork) -> None:
        """Decode the picture."""
        start = time.perf_counter()
        job, options = item.job, self.options
        item.times = self._times(job)  # before reading, which changes the access time
        item.snapshot = ledger.snapshot(job.source) if self.ledger is not None else None
        if job.data:
            job.data.seek(0)
        picture = images.read(
            job.data or job.source, max_pixels=options.max_pixels, page=job.page,
            force_damaged=options.force_damaged,
        )  # fmt: skip
        self._update_needs(item, picture)
        item.advice = self._advice(job, picture) if item.needs.route.passes else None
        item.picture = images.strip_metadata(picture) if options.strip else picture
        item.seconds += time.perf_counter() - start

    def _update_needs(self, item: PictureInWork, picture: Picture) -> None:
        """Update the facts from the decoded picture; plans for other facts are dropped."""
        assumed, job = item.needs, item.job
        itemsize, channels = picture.pixels.itemsize, picture.channels
        route = assumed.route
        if picture.size != route.source:  # the file was replaced meanwhile
            route = self.options.sizing.route(picture.size, self.upscaler.scales)
            images.check_writable(job.target, route.size, job.format)
        if (route, itemsize, channels) != (assumed.route, assumed.itemsize, assumed.channels):
            item.plans = ()
        kept = job.format == "webp" and self.options.quality is None
        item.needs = replace(
            assumed, route=route, itemsize=itemsize, channels=channels, loaded=True,
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
            troubles.log(error, f"cannot advise on {job.source}", self._log_folder())
            return None
        self._advised = advice is not None
        return advice

    def enlarge(self, item: PictureInWork, progress: Progress | None) -> None:
        """Run the model: the picture is replaced by its result."""
        start = time.perf_counter()
        route = item.needs.route
        item.picture = self.upscaler.to_size(item.loaded, route, progress, plans=item.plans)
        item.seconds += time.perf_counter() - start

    def store(self, item: PictureInWork) -> PictureOutcome:
        """Encode and write the result; it is renamed after the ledger has recorded it."""
        start = time.perf_counter()
        job = item.job
        try:
            with self._open_target(item) as file:
                result = self._with_provenance(item.loaded)
                written = images.write(result, file, job.format, self.options.quality)
        except Exception as error:  # noqa: BLE001 - as in make
            return self.failed_outcome(job, error)
        item.seconds += time.perf_counter() - start
        return self._outcome(item, written.lost)

    def _stream(self, item: PictureInWork, progress: Progress | None) -> PictureOutcome:
        """Compute and write at the same time, from top to bottom."""
        start = time.perf_counter()
        picture, route = self._with_provenance(item.loaded), item.needs.route
        strips = self.upscaler.strips(picture, route, progress, plans=item.plans)
        with self._open_target(item) as file:
            writer = tiffwriter.TIFFWriter(
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

    def _outcome(self, item: PictureInWork, lost: tuple[str, ...]) -> PictureOutcome:
        notes = lost if item.exact else (*lost, BLENDED)
        return PictureOutcome(item.job, item.needs.route, item.seconds, notes, advice=item.advice)

    def _with_provenance(self, picture: Picture) -> Picture:
        if not self.options.provenance:
            return picture
        return images.with_provenance(picture, self.upscaler.name, invented=self.options.invented)

    def _open_target(self, item: PictureInWork) -> contextlib.AbstractContextManager[BinaryIO]:
        job = item.job
        if job.sink is not None:
            return outputs.to_sink(job.target, job.sink)
        if self.ledger is None or item.snapshot is None:
            return outputs.to_file(job.target, times=item.times)
        book, input = self.ledger, item.snapshot

        def record(stat: os.stat_result) -> None:
            settings = {**self.settings, **job.settings}
            source = str(job.source)
            book.record(
                job.target, LedgerEntry(source, input, settings, stat.st_size, stat.st_mtime_ns)
            )

        return outputs.to_file(job.target, record, item.times)


def not_begun(job: Job, reason: SrzooError) -> PictureOutcome:
    """The outcome of a job that was not tried."""
    problem = PictureError(
        f"{job.source} was not begun: {reason.what}", "Fix that, and run the same command again"
    )
    return PictureOutcome(job, problem=problem, begun=False)


def stops_all(outcome: PictureOutcome) -> SrzooError | None:
    """The problem, if it affects all later pictures too, such as a full disk."""
    error: BaseException | None = outcome.problem
    while error is not None:
        if isinstance(error, OSError) and error.errno in FATAL_ERRNOS:
            return outcome.problem
        error = error.__cause__
    return None
