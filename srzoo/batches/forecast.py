"""How long a batch will take, and how large it will be, before it begins."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..common.amounts import duration
from ..errors import PictureError, SrzooError
from .one_picture import Outcome, way

if TYPE_CHECKING:
    from ..upscaling.memory_needs import Way
    from .batch import Job
    from .one_picture import Item, PictureMaker
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
    alone: Item | None = None

    def __str__(self) -> str:
        what = f"{self.pictures} pictures"
        if self.alone:
            route = self.alone.way.route
            what = "{}x{} to {}x{}".format(*route.source, *route.size) + f" ({route})"
            what += ", streamed into a tiled BigTIFF" if self.alone.way.streamed else ""
        return f"{what}: about {duration(self.seconds)}, {_size(self.bytes)} uncompressed"


def forecast(todo: list[Job], maker: PictureMaker, always: bool = False) -> Forecast | None:
    """A forecast; None where there is little to do, or nothing can be known.

    Args:
        todo: what is to be done.
        maker: what will do it; its model is tried on a small tile.
        always: however little there is to do.
    """
    sample = _sample(todo)
    found: list[Item] = []
    for job in sample:
        try:
            found.append(maker.foresee(job))
        except Exception:  # noqa: BLE001
            continue  # it will be told in its turn
    pixels = sum(math.prod(item.way.route.source) for item in found)
    if not found or not (always or pixels * len(todo) >= LITTLE * len(sample)):
        return None
    try:
        seconds = sum(maker.upscaler.seconds(item.plans) for item in found)
    except Exception:  # noqa: BLE001 - the first picture will tell of it
        return None
    share = len(todo) / len(sample)
    return Forecast(
        round(len(found) * share),
        share * seconds,
        int(share * sum(item.way.result for item in found)),
        found[0] if len(todo) == 1 else None,
    )


def dry_run(jobs: list[Job], maker: PictureMaker) -> Generator[Outcome]:
    """What a run would come to, from the pictures' headers; nothing is written.

    Args:
        jobs: what ``batch.plan_batch`` found.
        maker: one that is ``dry``; its model is tried on a small tile.

    Returns:
        An outcome for each job, in their order; seconds are estimates of what the model takes.
        Damage behind a header is not seen.
    """
    for job in jobs:
        if settled := maker.skipped(job):
            yield settled
            continue
        try:
            item = maker.prepare(job)
            seconds = maker.upscaler.seconds(item.plans)
        except SrzooError as error:
            yield Outcome(job, problem=error)
            continue
        except Exception as error:  # noqa: BLE001 - one odd file is one that would fail
            what = f"cannot enlarge {job.source}: {type(error).__name__}: {error}"
            yield Outcome(job, problem=PictureError(what, "Leave it out"))
            continue
        yield Outcome(job, item.way.route, seconds)


def ways(todo: list[Job], options: Options, scales: tuple[int, ...]) -> dict[Job, Way]:
    """The ways of some of the pictures, from their headers; no model is needed.

    What cannot be read is left out.
    """
    found: dict[Job, Way] = {}
    for job in _sample(todo):
        try:
            found[job] = way(job, options, scales)
        except Exception:  # noqa: BLE001 - it will be told in its turn
            continue
    return found


def pixels(todo: list[Job], ways: Mapping[Job, Way]) -> int:
    """How many pixels the model will be given, over all pictures and passes.

    Args:
        todo: what is to be done.
        ways: as :func:`ways` found them.
    """
    found = 0
    for each in ways.values():
        area = math.prod(each.route.source)
        for scale in each.route.passes:
            found += area
            area *= scale**2
    return round(found * len(todo) / max(1, len(_sample(todo))))


def _sample(todo: list[Job]) -> list[Job]:
    return todo[:: max(1, -(-len(todo) // SAMPLE))]


def _size(bytes: int) -> str:
    return f"{bytes / 1e6:.0f} MB" if bytes < 1e9 else f"{bytes / 1e9:.1f} GB"
