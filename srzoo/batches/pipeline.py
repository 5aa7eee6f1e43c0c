"""Pictures through a model: read ahead in threads, computed here, written behind in threads.

One picture's way is four steps (:class:`PictureMaker`). :func:`run` takes them one after the
other, or lets those of several pictures overlap; the files are the same byte for byte.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from ..common import memory
from ..errors import MemoryBudgetError, SrzooError
from .one_picture import Item, Outcome, PictureMaker, not_begun, stops_all

if TYPE_CHECKING:
    from ..common.progress import Progress
    from .batch import Job

    Begin = Callable[[Job], Progress]

MOST = 8
"""Pictures read, and as many written, at a time by default: more keep no machine busier."""


def default_jobs() -> int:
    """How many pictures to read and write at a time on this machine."""
    # Two even on one processor: reading and writing is waiting, too.
    return min(MOST, max(2, memory.processors()))


def run(
    jobs: list[Job], maker: PictureMaker, at_a_time: int = 1, begin: Begin | None = None
) -> Generator[Outcome]:
    """Do the jobs; a failure is an outcome and does not stop the others.

    Only a full disk does: what follows is told as not begun. To stop early, close the iterator
    (``contextlib.closing``): pictures that are being written are finished, the others leave
    nothing behind.

    Args:
        jobs: what ``batch.plan_batch`` found; its ledger, if any, must be open.
        maker: makes one picture.
        at_a_time: pictures that are read, and written, at a time beside the one that is
            computed; 1 for one picture after the other, with no threads.
        begin: is told which picture is being computed; what it returns is told the tiles.

    Returns:
        An outcome for each job, in their order.
    """
    if at_a_time == 1:
        return _in_turn(jobs, maker, begin)
    return _Line(jobs, maker, at_a_time, begin).outcomes()


def _in_turn(jobs: list[Job], maker: PictureMaker, begin: Begin | None) -> Generator[Outcome]:
    reason: SrzooError | None = None
    for job in jobs:
        if reason:
            yield maker.skipped(job) or not_begun(job, reason)
            continue
        outcome = maker.make(job, begin)
        reason = stops_all(outcome)
        yield outcome


Reading = tuple[Item, Future[None]]
"""A picture that is being read."""


class _Line:
    """The pictures on their way. Only reading and writing leaves the caller's thread."""

    def __init__(
        self, jobs: list[Job], maker: PictureMaker, count: int, begin: Begin | None
    ) -> None:
        self.todo = deque(jobs)
        self.maker = maker
        self.count = count
        self.begin = begin
        self.room = maker.memory_for_waiting()
        self.ahead: deque[Reading | Outcome] = deque()
        self.behind: deque[tuple[Future[Outcome], int]] = deque()
        self.readers = ThreadPoolExecutor(count, "srzoo-read")
        self.writers = ThreadPoolExecutor(count, "srzoo-write")

    def outcomes(self) -> Generator[Outcome]:
        """Run until everything is done, and tell it in order."""
        try:
            while self.todo or self.ahead or self.behind:
                self._read_ahead()
                enough = not self.ahead or len(self.behind) > self.count
                if self.behind and (enough or self.behind[0][0].done()):
                    outcome = self.behind.popleft()[0].result()
                    if reason := stops_all(outcome):
                        self._give_up(reason)
                    yield outcome
                elif self.ahead:
                    self._compute(self.ahead.popleft())
                else:
                    # Too large to have others beside it, and now there are none.
                    outcome = self.maker.make(self.todo.popleft(), self.begin)
                    if reason := stops_all(outcome):
                        self._give_up(reason)
                    yield outcome
        finally:
            self.readers.shutdown(cancel_futures=True)
            self.writers.shutdown(cancel_futures=True)

    def _read_ahead(self) -> None:
        """Begin to read what comes next, as long as all that is on its way fits."""
        while self.todo and len(self.ahead) < self.count:
            begun = self._begun(self.todo[0])
            if begun is None:
                return
            self.todo.popleft()
            self.ahead.append(begun)

    def _begun(self, job: Job) -> Reading | Outcome | None:
        """Begin to read one picture; None if it has to wait until nothing else is in memory."""
        if settled := self.maker.skipped(job):
            return settled
        try:
            item = self.maker.prepare(job)
        except MemoryBudgetError:
            return None
        except SrzooError as error:
            return Outcome(job, problem=error)
        except Exception as error:  # noqa: BLE001 - one odd file is one failed picture
            return self.maker.failed(job, error)
        # With less memory other tiles would be taken: the same result only if they are exact.
        if item.way.streamed or not item.exact or self._held() + item.weight > self.room:
            return None
        return item, self.readers.submit(self.maker.fetch, item)

    def _held(self) -> int:
        """Bytes of all pictures and results on their way."""
        ahead = sum(each[0].weight for each in self.ahead if not isinstance(each, Outcome))
        return ahead + sum(weight for future, weight in self.behind if not future.done())

    def _compute(self, begun: Reading | Outcome) -> None:
        if isinstance(begun, Outcome):
            self._settle(begun)
            return
        item, reading = begun
        try:
            reading.result()
            if not self.maker.fits(item, self._held()):
                self._take_back(begun)
                return
            self.maker.enlarge(item, self.begin(item.job) if self.begin else None)
        except (MemoryBudgetError, MemoryError):
            self._take_back(begun)  # alone it may fit
            return
        except SrzooError as error:
            self._settle(Outcome(item.job, problem=error))
            return
        except Exception as error:  # noqa: BLE001 - as above
            self._settle(self.maker.failed(item.job, error))
            return
        self.behind.append((self.writers.submit(self.maker.store, item), item.weight))

    def _settle(self, outcome: Outcome) -> None:
        future: Future[Outcome] = Future()
        future.set_result(outcome)
        self.behind.append((future, 0))

    def _take_back(self, first: Reading) -> None:
        """Memory is short: from here on one picture after the other."""
        begun = [first, *self.ahead]
        wait([each[1] for each in begun if not isinstance(each, Outcome)])
        self.todo.extendleft(map(_job, reversed(begun)))
        self.ahead.clear()
        self.room = 0

    def _give_up(self, reason: SrzooError) -> None:
        """What has not been computed will not be; what has been is still written if it can."""
        self.todo.extendleft(map(_job, reversed(self.ahead)))
        self.ahead.clear()
        for job in self.todo:
            self._settle(self.maker.skipped(job) or not_begun(job, reason))
        self.todo.clear()


def _job(begun: Reading | Outcome) -> Job:
    return begun.job if isinstance(begun, Outcome) else begun[0].job
