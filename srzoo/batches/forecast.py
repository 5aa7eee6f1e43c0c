"""How long a batch will take, and how large it will be, before it begins."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .. import images
from ..errors import PictureError, SrzooError
from .making import Outcome

if TYPE_CHECKING:
    from .batch import Job
    from .making import Maker, Ready
    from .options import Options

SAMPLE = 100
"""Pictures that are looked at; of more, some here and there."""
LITTLE = 2_000_000
"""Pixels of input that are not worth a forecast: it would take longer than they do."""


@dataclass(frozen=True)
class Forecast:
    """What is to come.

    Attributes:
        pictures: how many will be made.
        seconds: that the model will run, estimated.
        bytes: of the results, uncompressed.
        alone: the only one, if there is one.
    """

    pictures: int
    seconds: float
    bytes: int
    alone: Ready | None = None

    def __str__(self) -> str:
        what = f"{self.pictures} pictures"
        if self.alone:
            route = self.alone.route
            what = "{}x{} to {}x{}".format(*route.source, *route.size) + f" ({route})"
            what += ", streamed into a tiled BigTIFF" if self.alone.streamed else ""
        return f"{what}: about {told(self.seconds)}, {_size(self.bytes)} uncompressed"


def of(todo: list[Job], maker: Maker, always: bool = False) -> Forecast | None:
    """A forecast; None where there is little to do, or nothing can be known.

    Args:
        todo: what is to be done.
        maker: what will do it; its model is tried on a small tile.
        always: however little there is to do.
    """
    sample = todo[:: max(1, -(-len(todo) // SAMPLE))]
    found: list[Ready] = []
    for job in sample:
        try:
            found.append(maker.prepare(job))
        except Exception:  # noqa: BLE001
            continue  # it will be told in its turn
    pixels = sum(ready.route.source[0] * ready.route.source[1] for ready in found)
    if not found or not (always or pixels * len(todo) >= LITTLE * len(sample)):
        return None
    try:
        parts = [maker.upscaler.estimate(ready.route) for ready in found]
    except Exception:  # noqa: BLE001 - the first picture will tell of it
        return None
    share = len(todo) / len(sample)
    return Forecast(
        round(len(found) * share),
        share * sum(part.seconds for part in parts),
        int(share * sum(part.bytes for part in parts)),
        found[0] if len(todo) == 1 else None,
    )


def dry(jobs: list[Job], maker: Maker) -> Generator[Outcome]:
    """What a run would come to, from the pictures' headers; nothing is written.

    Args:
        jobs: what ``batch.plan`` found.
        maker: one that is ``dry``; its model is tried on a small tile.

    Returns:
        An outcome for each job, in their order; seconds are estimates of what the model takes.
        Damage behind a header is not seen.
    """
    for job in jobs:
        if settled := maker.settled(job):
            yield settled
            continue
        try:
            route = maker.prepare(job).route
            seconds = maker.upscaler.estimate(route).seconds
        except SrzooError as error:
            yield Outcome(job, problem=error)
            continue
        except Exception as error:  # noqa: BLE001 - one odd file is one that would fail
            what = f"cannot enlarge {job.source}: {type(error).__name__}: {error}"
            yield Outcome(job, problem=PictureError(what, "Leave it out"))
            continue
        yield Outcome(job, route.source, route.size, seconds, route=route)


def work(todo: list[Job], options: Options, scales: tuple[int, ...]) -> int:
    """How many pixels the model will be given, over all pictures and passes; reads headers.

    What cannot be read counts nothing. No model is needed.
    """
    sample = todo[:: max(1, -(-len(todo) // SAMPLE))]
    pixels = 0
    for job in sample:
        try:
            if job.data:
                job.data.seek(0)
            asked = images.Asked(options.max_pixels, job.page, options.force_damaged)
            size = images.read_header(job.data or job.source, asked).size
            route = options.sizing.plan(size, scales)
        except Exception:  # noqa: BLE001 - it will be told in its turn
            continue
        area = size[0] * size[1]
        for scale in route.passes:
            pixels += area
            area *= scale**2
    return round(pixels * len(todo) / max(1, len(sample)))


def _size(bytes: int) -> str:
    return f"{bytes / 1e6:.0f} MB" if bytes < 1e9 else f"{bytes / 1e9:.1f} GB"


def told(seconds: float) -> str:
    """A time as it is told: 12 s, 3 min, 1.5 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
