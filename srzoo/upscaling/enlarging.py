"""Upscales decoded pictures: cuts tiles, runs the engine, stitches; exact, with bounded memory.

Inputs and outputs are numpy arrays, so an engine without torch does not import torch. ``planner``
cuts a picture into tiles, ``sizing`` finds the passes to a size, ``tiles`` does the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ..images import Picture
from ..images.bicubic import Interpolation
from ..models import scales
from . import planner, settings, sizing, tiles, together
from .memory_needs import PictureNeeds
from .planner import Tile, TilePlan
from .sizing import Route
from .stitching import Stitcher, Ticks
from .tiles import TileSource

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ..common.progress import Progress
    from ..contracts import Runner


class PictureUpscaler:
    """A model that is ready to upscale decoded pictures; several threads may share one.

    Args:
        runner: the model, prepared by an engine. It is first used when a picture passes through
            the model.
        scales: the factors of the model.
        name: the model's name, for messages.
        tile: "auto" (as large as the memory allows), "off", or a side in LR pixels, which is
            rounded up to the network's grid.
        memory: limit for the whole process in bytes, or a text like "2GB"; None for 60 % of the
            free memory.
        strength: the model's share of the result, 0 to 1; the rest is bicubic interpolation.

    Raises:
        SrzooError: ``tile``, ``memory`` or ``strength`` is invalid.
    """

    def __init__(
        self,
        runner: Runner,
        scales: tuple[int, ...],
        name: str,
        *,
        tile: Tile = "auto",
        memory: int | str | None = None,
        strength: float = 1.0,
    ) -> None:
        self.runner = runner
        self.scales = scales
        self.name = name
        self.tile: Tile = settings.check_tile(tile)
        self.memory = settings.check_memory(memory)
        self.strength = settings.check_strength(strength)
        # With strength 0 the network need not run.
        self._engine: Runner = runner if self.strength else Interpolation()
        self._stitcher = Stitcher(self._engine, name, self.strength or 1.0)

    def upscale(
        self, picture: Picture, scale: int | None = None, progress: Progress | None = None
    ) -> Picture:
        """Upscale a decoded picture; gray, 16 bits and alpha are kept."""
        factor = self.factor(scale)
        return self.to_size(picture, single_pass(picture.size, factor), progress)

    def to_size(
        self,
        picture: Picture,
        route: Route,
        progress: Progress | None = None,
        *,
        plans: tuple[TilePlan, ...] = (),
    ) -> Picture:
        """Upscale a decoded picture to another size.

        Args:
            picture: the picture to upscale. It is returned unchanged if it already has the size.
            route: from the picture's size to the result's.
            progress: called with (tiles done, tiles in all).
            plans: the result of :meth:`plans` for it; computed if None.

        Returns:
            The result. If R = G = B everywhere in the picture, so it is in the result.

        Raises:
            MemoryBudgetError: it does not fit into the permitted memory.
        """
        if not route.passes and not route.resized:
            return picture
        plans = plans or self._plans_for(picture, route, streamed=False)
        tick = Ticks(progress, sum(plan.tiles for plan in plans), picture.alpha is not None)
        gray = _is_gray(picture)
        if not route.resized:
            for plan in plans:
                picture = self._pass(picture, plan, tick, gray=gray)
            return picture
        width, height = route.size
        pixels = np.empty((height, width, *picture.pixels.shape[2:]), picture.pixels.dtype)
        alpha = None if picture.alpha is None else np.empty((height, width), picture.alpha.dtype)
        top = 0
        for rows in self._rows(picture, route, plans, tick, gray=gray):
            below = top + len(rows)
            colour = rows if alpha is None else rows[:, :, :-1]
            pixels[top:below] = colour.reshape(pixels[top:below].shape)
            if alpha is not None:
                alpha[top:below] = rows[:, :, -1]
            top = below
        return replace(picture, pixels=pixels, alpha=alpha)

    def some(self, pictures: list[Picture], route: Route) -> list[Picture]:
        """Upscale the first of several pictures of one size: as many as fit into one call.

        It is one picture if the engine supports no batches or a picture is cut into tiles.
        """
        several = len(pictures) > 1 and pictures[0].alpha is None
        plain = len(route.passes) == 1 and not route.resized
        if several and plain and together.takes_batches(self._engine):
            plan = self._plans_for(pictures[0], route, streamed=False)[0]
            count = together.how_many(plan, self._engine, self.memory)
            if count > 1:
                sources = [_sources(one, gray=_is_gray(one))[0] for one in pictures[:count]]
                made = self._stitcher.together(sources, plan)
                return [Picture(pixels) for pixels in made]
        return [self.to_size(pictures[0], route)]

    def strips(
        self,
        picture: Picture,
        to: int | Route | None = None,
        progress: Progress | None = None,
        *,
        plans: tuple[TilePlan, ...] = (),
    ) -> Iterator[NDArray[Any]]:
        """The result from top to bottom in strips of rows, equal to those of the whole result.

        Args:
            picture: the picture to upscale; memory contains it and one strip.
            to: a scale, or the route to a size.
            progress: called with (tiles done, tiles in all).
            plans: the result of :meth:`plans` for it, streamed; computed if None.

        Returns:
            Rows h x W (gray) or h x W x 3; with alpha as the last channel, h x W x 2 or 4.

        Raises:
            MemoryBudgetError: it does not fit; raised before any work.
        """
        route = to if isinstance(to, Route) else single_pass(picture.size, self.factor(to))
        plans = plans or self._plans_for(picture, route, streamed=True)
        tick = Ticks(progress, sum(plan.tiles for plan in plans), picture.alpha is not None)
        return self._rows(picture, route, plans, tick, gray=_is_gray(picture))

    def plan(
        self,
        size: tuple[int, int],
        scale: int | None = None,
        itemsize: int = 1,
        *,
        streamed: bool = False,
        channels: int = 3,
    ) -> TilePlan:
        """The tiles for a picture of (width, height) LR pixels, before it is read.

        Raises:
            MemoryBudgetError: not even small tiles fit into the permitted memory.
        """
        route = single_pass(size, self.factor(scale))
        return self.plans(PictureNeeds(route, itemsize, channels, streamed))[0]

    def plans(self, needs: PictureNeeds) -> tuple[TilePlan, ...]:
        """The tiles for the picture in each pass.

        Raises:
            MemoryBudgetError: it does not fit; the message names the setting to change.
        """
        return self._planned(needs, to_file=True)

    def _planned(self, needs: PictureNeeds, *, to_file: bool) -> tuple[TilePlan, ...]:
        return planner.plan_passes(
            self._mixed(needs), self._engine, tile=self.tile, memory=self.memory, to_file=to_file
        )

    def still_fit(self, plans: tuple[TilePlan, ...], needs: PictureNeeds) -> bool:
        """Whether an earlier result of :meth:`plans` still fits into the memory."""
        return planner.still_fit(plans, self._mixed(needs), self._engine, memory=self.memory)

    def seconds(self, plans: tuple[TilePlan, ...]) -> float:
        """Estimated computing time, from the tiles that ran so far, or from a small test tile."""
        return sum(plan.area * self._stitcher.pace(plan.scale) for plan in plans)

    def _mixed(self, needs: PictureNeeds) -> PictureNeeds:
        return replace(needs, mixed=True) if 0 < self.strength < 1 else needs

    def _plans_for(self, picture: Picture, route: Route, *, streamed: bool) -> tuple[TilePlan, ...]:
        itemsize = picture.pixels.itemsize
        needs = PictureNeeds(route, itemsize, picture.channels, streamed, loaded=True)
        return self._planned(needs, to_file=False)

    def _rows(
        self,
        picture: Picture,
        route: Route,
        plans: tuple[TilePlan, ...],
        tick: Ticks,
        *,
        gray: bool,
    ) -> Iterator[NDArray[Any]]:
        for plan in plans[:-1]:
            picture = self._pass(picture, plan, tick, gray=gray)
        sources = _sources(picture, gray=gray)
        if not plans and not route.resized:
            sources = [replace(source, alpha=None) for source in sources]
        planes = [
            self._stitcher.bands(source, plans[-1], tick) if plans else tiles.whole_rows(source)
            for source in sources
        ]
        strips = tiles.join_channels(planes)
        yield from sizing.resized(strips, route.model_size, route.size) if route.resized else strips

    def _pass(self, picture: Picture, plan: TilePlan, tick: Ticks, *, gray: bool) -> Picture:
        """One whole pass over a picture."""
        made: list[NDArray[Any]] = []
        for source in _sources(picture, gray=gray):
            width, height = (side * plan.scale for side in source.size)
            out = np.empty((height, width, *source.channels), source.pixels.dtype)
            for _ in self._stitcher.bands(source, plan, tick, out):
                pass
            made.append(out)
        return replace(picture, pixels=made[0], alpha=made[1] if len(made) > 1 else None)

    def factor(self, scale: int | None) -> int:
        """The scale to use: the requested one, or the only one of the model.

        Raises:
            PictureError: the model does not have that scale, or has several.
        """
        return scales.choose(self.name, self.scales, scale)


def single_pass(size: tuple[int, int], factor: int) -> Route:
    """A route of one pass."""
    return Route((factor,), (size[0] * factor, size[1] * factor), size)


def _is_gray(picture: Picture) -> bool:
    """Whether a colour picture has R = G = B everywhere."""
    return picture.pixels.ndim == 3 and tiles.all_gray(picture.pixels)


def _sources(picture: Picture, *, gray: bool) -> list[TileSource]:
    """The colours, and alpha, whose values stay in the range of their neighbours.

    Alpha passes through the model like a gray picture, so its edges are as sharp as those of the
    colours. It cannot ring, and opaque and fully transparent areas stay exactly so.
    """
    colours = TileSource(picture.pixels, picture.alpha, gray=gray)
    if picture.alpha is None:
        return [colours]
    return [colours, TileSource(picture.alpha, slack=0, freedom=0, look=1, flat=True)]
