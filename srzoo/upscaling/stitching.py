"""One pass over a picture: runs each tile through the engine, and stitches the results."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common import memory
from ..contracts import multiple_of, on_grid
from ..errors import ModelError
from ..exporting.lazy import LazyRunner
from ..images import bicubic
from ..images.rectangles import Rectangle
from ..plugins import importing, origin
from ..plugins.packages import OWN
from . import tiles
from .planner import LOOK, SLACK, SMALLEST
from .tiles import TileSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..common.progress import Progress
    from ..contracts import F32, Runner
    from .planner import TilePlan

TIDY_EVERY = 0.5
"""Seconds between two releases of freed memory: one takes as long as a small tile."""
PROBES = 4 * SMALLEST, 12 * SMALLEST
"""Sides of the pictures for measuring the speed: the larger for fast models, and small enough for
small budgets."""


class Ticks:
    """Counts tiles for a progress function; alpha counts as a second picture."""

    def __init__(self, progress: Progress | None, tiles: int, alpha: bool) -> None:
        self.progress = progress
        self.total = tiles * (2 if alpha else 1)
        self.done = 0

    def __call__(self) -> None:
        """Count one more tile."""
        self.done += 1
        if self.progress:
            self.progress(self.done, self.total)


class Stitcher:
    """Runs tiles, stitches them, and records the speed.

    Several threads may share one. The runner is not used before the first tile.

    Args:
        runner: the model, prepared by an engine.
        name: the model's name, for messages.
        strength: the model's share, 0 to 1; the rest is bicubic interpolation.
    """

    def __init__(self, runner: Runner, name: str, strength: float = 1.0) -> None:
        self.runner = runner
        self.name = name
        self.strength = strength
        self._lock = threading.Lock()
        self._spent: dict[int, tuple[int, float]] = {}  # LR pixels and seconds, by scale
        self._tidied = 0.0  # when freed memory was last released

    def bands(
        self,
        source: TileSource,
        plan: TilePlan,
        tick: Ticks,
        out: NDArray[Any] | None = None,
    ) -> Iterator[NDArray[Any]]:
        """One pass over a source: rows of the result from top to bottom, into ``out`` if given."""
        if not plan.exact:
            yield from self._blended(source, plan, tick, out)
            return
        factor, width = plan.scale, source.size[0]
        for row in tiles.rows_of(source.size, plan):
            strip = Rectangle(0, row[0].y, width, row[0].height)
            above, below = strip.y * factor, strip.bottom * factor
            if out is None:
                shape = (below - above, width * factor, *source.channels)
                band = np.empty(shape, source.pixels.dtype)
            else:
                band = out[above:below]
            for own in row:
                self._fill(own.relative_to(strip, factor).cut(band), source, own, plan)
                self._tidy(plan)
                tick()
            yield band
            del band  # free it before the next one

    def _fill(
        self, target: NDArray[Any], source: TileSource, own: Rectangle, plan: TilePlan
    ) -> None:
        """Write an exact tile to its place."""
        grown = own.grown(plan.margin or plan.edge, source.size, plan.edge, plan.multiple)
        tiles.quantize_into(self._tile(source, own, grown, plan.scale), target)

    def _blended(
        self, source: TileSource, plan: TilePlan, tick: Ticks, out: NDArray[Any] | None
    ) -> Iterator[NDArray[Any]]:
        """Overlapping tiles: yield sums of weighted tiles when they are complete."""
        factor, margin = plan.scale, plan.margin
        width, height = source.size
        channels = 1 if source.gray or not source.channels else 3
        total, first = np.zeros((0, width * factor, channels), np.float32), 0
        for row in tiles.rows_of(source.size, plan):
            low = row[0].bottom if row[0].bottom == height else row[0].bottom - margin
            last = row[0].grown(margin, source.size).bottom
            more = np.zeros(((last - first) * factor - len(total), *total.shape[1:]), np.float32)
            total = np.concatenate([total, more])
            strip = Rectangle(0, first, width, last - first)
            for own in row:
                used = own.grown(margin, source.size)
                grown = own.grown(margin + LOOK, source.size, plan.edge, plan.multiple)
                y = self._tile(source, used, grown, factor)
                sums = used.relative_to(strip, factor).cut(total)
                sums += y * tiles.ramps(used, own, margin, factor)
                del y  # free it before the next one
                self._tidy(plan)
                tick()
            done = (low - first) * factor
            if out is None:
                band = np.empty((done, width * factor, *source.channels), source.pixels.dtype)
            else:
                band = out[first * factor : low * factor]
            tiles.quantize_into(np.clip(total[:done], 0, 1), band)
            total, first = total[done:].copy(), low
            yield band
            del band

    def together(self, sources: Sequence[TileSource], plan: TilePlan) -> list[NDArray[Any]]:
        """Run pictures of one size, each a single exact tile, in one call of the network."""
        width, height = sources[0].size
        own = Rectangle(0, 0, width, height)
        grown = own.grown(plan.margin or plan.edge, (width, height), plan.edge, plan.multiple)
        made: list[NDArray[Any]] = []
        for source, y in zip(sources, self._tiles(sources, own, grown, plan.scale), strict=True):
            shape = (height * plan.scale, width * plan.scale, *source.channels)
            made.append(np.empty(shape, source.pixels.dtype))
            tiles.quantize_into(y, made[-1])
        self._tidy(plan)
        return made

    def _tile(self, source: TileSource, own: Rectangle, grown: Rectangle, factor: int) -> F32:
        """Float32 sH x sW x C for ``own``; the network gets ``grown``."""
        value = source.constant(grown) if source.flat else None
        if value is not None:
            return np.full((own.height * factor, own.width * factor, 1), value, np.float32)
        return self._tiles([source], own, grown, factor)[0]

    def _tiles(
        self, sources: Sequence[TileSource], own: Rectangle, grown: Rectangle, factor: int
    ) -> list[F32]:
        """The same for one place of several pictures of one size."""
        start = time.perf_counter()
        seen = Rectangle(own.x - LOOK, own.y - LOOK, own.width + 2 * LOOK, own.height + 2 * LOOK)
        xs = [source.cut(grown) for source in sources]
        made: list[F32] = []
        for source, x, whole in zip(sources, xs, self._run_network(xs, factor), strict=True):
            y = own.relative_to(grown, factor).cut(whole)
            if x.shape[2] == 1:
                y = y.mean(axis=2, keepdims=True)
            around = seen.relative_to(grown).cut(x)
            y = tiles.clip_to_neighbours(y, around, source, factor)
            if self.strength < 1:
                plain = tiles.clip_to_neighbours(
                    bicubic.enlarge(around, factor), around, source, factor
                )
                y *= np.float32(self.strength)
                plain *= np.float32(1 - self.strength)
                y += plain
            made.append(y)
        with self._lock:
            pixels, seconds = self._spent.get(factor, (0, 0.0))
            more = sum(x.shape[0] * x.shape[1] for x in xs)
            self._spent[factor] = pixels + more, seconds + time.perf_counter() - start
        return made

    def _run_network(self, xs: Sequence[F32], factor: int) -> list[F32]:
        """Run tiles of one size, h x w x 1 or 3, through the network: float32 sH x sW x 3 each."""
        height, width = xs[0].shape[:2]
        planes = np.empty((len(xs), 3, height, width), np.float32)
        for plane, x in zip(planes, xs, strict=True):
            plane[:] = x.transpose(2, 0, 1)
        runner = self.runner.open() if isinstance(self.runner, LazyRunner) else self.runner
        with importing.blamed(runner):
            y = runner(planes, factor)
        expected = (len(xs), 3, height * factor, width * factor)
        if (got := getattr(y, "shape", f"a {type(y).__name__}")) != expected:
            raise ModelError(
                f"{self.name}{_made_by(runner)} returned {got}, not {expected}", "Report this"
            )
        if not np.isfinite(y).all():
            raise ModelError(
                f"{self.name}{_made_by(runner)} returned values that are not finite",
                'Use precision="fp32"',
            )
        return [one.transpose(1, 2, 0) for one in y]

    def _tidy(self, plan: TilePlan) -> None:
        """Between two tiles, release freed memory if the next tile may need it."""
        needed = memory.used() + plan.working + SLACK  # the slack is for use inside a tile
        if needed <= plan.bytes:
            return
        now = time.monotonic()
        with self._lock:
            if now <= self._tidied + TIDY_EVERY:
                return
            self._tidied = now
        memory.give_back()

    def pace(self, scale: int) -> float:
        """Seconds per LR pixel, from the tiles that ran so far or from test tiles."""
        with self._lock:
            found = self._spent.get(scale)
        if found is None:
            found = self._timed(scale)
            with self._lock:
                self._spent.setdefault(scale, found)
        pixels, seconds = found
        return seconds / pixels

    def _timed(self, scale: int) -> tuple[int, float]:
        """LR pixels and seconds of a test tile."""
        trial = Stitcher(self.runner, self.name, self.strength)
        multiple, found = multiple_of(self.runner), (1, 0.0)
        for side in (on_grid(side, multiple) for side in PROBES):
            source, whole = (
                TileSource(np.zeros((side, side, 3), np.uint8)),
                Rectangle(0, 0, side, side),
            )
            edge = on_grid(LOOK, multiple)
            tries: list[tuple[int, float]] = []
            for _ in range(2):  # the first run warms up
                trial._spent.clear()
                trial._tile(source, whole, whole.grown(edge, source.size, edge), scale)
                tries.append(trial._spent[scale])
            found = min(tries)
            if found[1] > 0.05:
                break
        return found


def _made_by(runner: Runner) -> str:
    """The third-party plugins involved in a result, in brackets; empty if there are none."""
    network: Any = runner.model
    parts = (runner, network, getattr(network, "generator", None))
    plugins = dict.fromkeys(plugin for part in parts for plugin in origin.made_of(part))
    others = [str(plugin) for plugin in plugins if plugin.dist != OWN]
    return f" ({', '.join(others)})" if others else ""
