"""Forecast of a batch: its time and size, before it starts."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..common.amounts import duration
from ..errors import PictureError, SrzooError
from .one_picture import PictureOutcome, read_needs

if TYPE_CHECKING:
    from ..upscaling.memory_needs import PictureNeeds
    from .job import Job
    from .one_picture import PictureInWork, PictureMaker
    from .options import Options

MAX_SAMPLE = 100
"""The largest number of pictures that are examined; of more, a sample."""
MIN_PIXELS = 2_000_000
"""Pixels of input below which there is no forecast, as it would take longer than the work."""


@dataclass(frozen=True)
class Forecast:
    """The forecast of a batch.

    Attributes:
        pictures: the number of pictures to make.
        seconds: estimated time of the model.
        bytes: of the results, uncompressed.
        single: the picture, if there is only one.
    """

    pictures: int
    seconds: float
    bytes: int
    single: PictureInWork | None = None

    def __str__(self) -> str:
        what = f"{self.pictures} pictures"
        if self.single:
            route = self.single.needs.route
            what = "{}x{} to {}x{}".format(*route.source, *route.size) + f" ({route})"
            what += ", streamed into a tiled BigTIFF" if self.single.needs.streamed else ""
        return f"{what}: about {duration(self.seconds)}, {_size(self.bytes)} uncompressed"


def forecast(jobs: list[Job], maker: PictureMaker, always: bool = False) -> Forecast | None:
    """A forecast; None if there is little to do, or nothing is known.

    Args:
        jobs: the jobs.
        maker: makes the pictures; its model is timed on a small tile.
        always: also if there is little to do.
    """
    sample = _sample(jobs)
    found: list[PictureInWork] = []
    for job in sample:
        try:
            found.append(maker.prepare_ahead(job))
        except Exception:  # noqa: BLE001
            continue  # an error is reported with its picture
    pixels = sum(math.prod(item.needs.route.source) for item in found)
    if not found or not (always or pixels * len(jobs) >= MIN_PIXELS * len(sample)):
        return None
    try:
        seconds = sum(maker.upscaler.seconds(item.plans) for item in found)
    except Exception:  # noqa: BLE001 - the first picture will report it
        return None
    share = len(jobs) / len(sample)
    return Forecast(
        round(len(found) * share),
        share * seconds,
        int(share * sum(item.needs.result_bytes for item in found)),
        found[0] if len(jobs) == 1 else None,
    )


def dry_run(jobs: list[Job], maker: PictureMaker) -> Generator[PictureOutcome]:
    """The outcomes of a run, estimated from the pictures' headers; nothing is written.

    Args:
        jobs: from ``batch.plan_batch``.
        maker: with ``dry``; its model is timed on a small tile.

    Returns:
        An outcome for each job, in their order; seconds are estimates of the model's time. Damage
        beyond a header is not detected.
    """
    for job in jobs:
        if settled := maker.settled_outcome(job):
            yield settled
            continue
        try:
            item = maker.prepare(job)
            seconds = maker.upscaler.seconds(item.plans)
        except SrzooError as error:
            yield PictureOutcome(job, problem=error)
            continue
        except Exception as error:  # noqa: BLE001 - an invalid file fails alone
            what = f"cannot enlarge {job.source}: {type(error).__name__}: {error}"
            yield PictureOutcome(job, problem=PictureError(what, "Leave it out"))
            continue
        yield PictureOutcome(job, item.needs.route, seconds)


def sample_needs(
    jobs: list[Job], options: Options, scales: tuple[int, ...]
) -> dict[Job, PictureNeeds]:
    """The needs of a sample of the pictures, from their headers; no model is needed.

    Unreadable pictures are left out.
    """
    found: dict[Job, PictureNeeds] = {}
    for job in _sample(jobs):
        try:
            found[job] = read_needs(job, options, scales)
        except Exception:  # noqa: BLE001 - an error is reported with its picture
            continue
    return found


def estimate_pixels(jobs: list[Job], needs: Mapping[Job, PictureNeeds]) -> int:
    """The estimated number of the model's input pixels, over all pictures and passes.

    Args:
        jobs: the jobs.
        needs: from :func:`sample_needs`.
    """
    found = 0
    for each in needs.values():
        area = math.prod(each.route.source)
        for scale in each.route.passes:
            found += area
            area *= scale**2
    return round(found * len(jobs) / max(1, len(_sample(jobs))))


def _sample(jobs: list[Job]) -> list[Job]:
    return jobs[:: max(1, -(-len(jobs) // MAX_SAMPLE))]


def _size(bytes: int) -> str:
    return f"{bytes / 1e6:.0f} MB" if bytes < 1e9 else f"{bytes / 1e9:.1f} GB"
