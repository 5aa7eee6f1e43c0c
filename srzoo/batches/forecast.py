"""How long a batch will take, and how large it will be, before it begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .batch import Job
    from .making import Maker, Ready

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
        return f"{what}: about {_time(self.seconds)}, {_size(self.bytes)} uncompressed"


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


def _size(bytes: int) -> str:
    return f"{bytes / 1e6:.0f} MB" if bytes < 1e9 else f"{bytes / 1e9:.1f} GB"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
