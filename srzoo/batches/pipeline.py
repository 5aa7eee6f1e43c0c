"""Runs a batch: reads ahead in threads, computes in this one, and writes in threads.

A picture takes four steps (:class:`PictureMaker`). :func:`run` runs them in sequence, or overlaps
those of several pictures; the files are the same byte for byte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from ..common import memory
from ..errors import MemoryBudgetError, SrzooError
from .one_picture import PictureInWork, PictureMaker, PictureOutcome, not_begun, stops_all

if TYPE_CHECKING:
    from ..common.progress import Progress
    from .job import Job

    Begin = Callable[[Job], Progress]

MAX_JOBS = 8
"""The largest default number of pictures read, and written, at a time: more are not faster."""


def default_jobs() -> int:
    """The default number of pictures to read and write at a time on this machine."""
    # Two even on one processor, as reading and writing are mostly waiting.
    return min(MAX_JOBS, max(2, memory.processors()))


def run(
    jobs: list[Job], maker: PictureMaker, at_a_time: int = 1, begin: Begin | None = None
) -> Generator[PictureOutcome]:
    """Run the jobs; a failure is an outcome and does not stop the others.

    Only a full disk does: later jobs are reported as not begun. To stop early, close the iterator
    (``contextlib.closing``): pictures that are being written are finished, the others leave no
    files.

    Args:
        jobs: from ``batch.plan_batch``; its ledger, if any, must be open.
        maker: makes one picture.
        at_a_time: pictures that are read, and written, at a time in addition to the one that is
            computed; 1 for a sequence without threads.
        begin: called with the job that is being computed; its result is called with (tiles
            done, tiles in all).

    Returns:
        An outcome for each job, in their order.
    """
    if at_a_time == 1:
        return _run_one_by_one(jobs, maker, begin)
    return _Pipeline(jobs, maker, at_a_time, begin).outcomes()


def _run_one_by_one(
    jobs: list[Job], maker: PictureMaker, begin: Begin | None
) -> Generator[PictureOutcome]:
    reason: SrzooError | None = None
    for job in jobs:
        if reason:
            yield maker.settled_outcome(job) or not_begun(job, reason)
            continue
        outcome = maker.make(job, begin)
        reason = stops_all(outcome)
        yield outcome


Reading = tuple[PictureInWork, Future[None]]
"""A picture that is being read."""


class _Pipeline:
    """The pictures that are read, computed and written.

    Threads read and write; the caller's thread does everything else.
    """

    def __init__(
        self, jobs: list[Job], maker: PictureMaker, count: int, begin: Begin | None
    ) -> None:
        self.pending = deque(jobs)
        self.maker = maker
        self.count = count
        self.begin = begin
        self.free_bytes = maker.memory_for_waiting()
        self.reading: deque[Reading | PictureOutcome] = deque()
        self.writing: deque[tuple[Future[PictureOutcome], int]] = deque()
        self.readers = ThreadPoolExecutor(count, "srzoo-read")
        self.writers = ThreadPoolExecutor(count, "srzoo-write")

    def outcomes(self) -> Generator[PictureOutcome]:
        """Run until everything is done, and yield the outcomes in order."""
        try:
            while self.pending or self.reading or self.writing:
                self._read_ahead()
                enough = not self.reading or len(self.writing) > self.count
                if self.writing and (enough or self.writing[0][0].done()):
                    outcome = self.writing.popleft()[0].result()
                    if reason := stops_all(outcome):
                        self._skip_the_rest(reason)
                    yield outcome
                elif self.reading:
                    self._compute(self.reading.popleft())
                else:
                    # Too large to be in memory with others, and now there are none.
                    outcome = self.maker.make(self.pending.popleft(), self.begin)
                    if reason := stops_all(outcome):
                        self._skip_the_rest(reason)
                    yield outcome
        finally:
            self.readers.shutdown(cancel_futures=True)
            self.writers.shutdown(cancel_futures=True)

    def _read_ahead(self) -> None:
        """Start reading the next pictures, as long as all those in memory fit."""
        while self.pending and len(self.reading) < self.count:
            entry = self._start_reading(self.pending[0])
            if entry is None:
                return
            self.pending.popleft()
            self.reading.append(entry)

    def _start_reading(self, job: Job) -> Reading | PictureOutcome | None:
        """Start reading one picture; None if it must wait until no other is in memory."""
        if settled := self.maker.settled_outcome(job):
            return settled
        try:
            item = self.maker.prepare(job)
        except MemoryBudgetError:
            return None
        except Exception as error:  # noqa: BLE001 - an invalid file fails alone
            return self.maker.failed_outcome(job, error)
        # Less memory changes the tiles, which gives the same result only if they are exact.
        if (
            item.needs.streamed
            or not item.exact
            or self._bytes_in_flight() + item.bytes > self.free_bytes
        ):
            return None
        return item, self.readers.submit(self.maker.decode, item)

    def _bytes_in_flight(self) -> int:
        """Bytes of all pictures and results in memory."""
        reading = sum(
            each[0].bytes for each in self.reading if not isinstance(each, PictureOutcome)
        )
        return reading + sum(weight for future, weight in self.writing if not future.done())

    def _compute(self, entry: Reading | PictureOutcome) -> None:
        if isinstance(entry, PictureOutcome):
            self._add_outcome(entry)
            return
        item, reading = entry
        try:
            reading.result()
            if not self.maker.fits(item, self._bytes_in_flight()):
                self._continue_one_by_one(entry)
                return
            self.maker.enlarge(item, self.begin(item.job) if self.begin else None)
        except (MemoryBudgetError, MemoryError):
            self._continue_one_by_one(entry)  # without others it may fit
            return
        except Exception as error:  # noqa: BLE001 - as above
            self._add_outcome(self.maker.failed_outcome(item.job, error))
            return
        self.writing.append((self.writers.submit(self.maker.store, item), item.bytes))

    def _add_outcome(self, outcome: PictureOutcome) -> None:
        future: Future[PictureOutcome] = Future()
        future.set_result(outcome)
        self.writing.append((future, 0))

    def _continue_one_by_one(self, first: Reading) -> None:
        """Memory is short: continue with one picture at a time."""
        entries = [first, *self.reading]
        wait([each[1] for each in entries if not isinstance(each, PictureOutcome)])
        self.pending.extendleft(map(_job, reversed(entries)))
        self.reading.clear()
        self.free_bytes = 0

    def _skip_the_rest(self, reason: SrzooError) -> None:
        """Skip pictures that are not computed; those that are computed are still written."""
        self.pending.extendleft(map(_job, reversed(self.reading)))
        self.reading.clear()
        for job in self.pending:
            self._add_outcome(self.maker.settled_outcome(job) or not_begun(job, reason))
        self.pending.clear()


def _job(entry: Reading | PictureOutcome) -> Job:
    return entry.job if isinstance(entry, PictureOutcome) else entry[0].job
