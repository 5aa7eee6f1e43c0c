"""Memory planning: the tiles that fit into the remaining memory.

The arithmetic is the same for every engine. An engine states the memory for a pixel
(``bytes_per_pixel``) and for a call (``bytes_aside``), its network's reach (``reach``) and grid
(``multiple``), and the free memory of its device, if that has its own. A route without passes
needs no engine.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ..common.memory import free as free
from ..common.memory import used
from ..contracts import multiple_of, on_grid
from ..errors import MemoryBudgetError
from .memory_needs import FILL, PassNeeds, PictureNeeds

if TYPE_CHECKING:
    from ..contracts import Runner

Tile = int | Literal["auto", "off"]
"""How a picture is cut: as memory allows, not at all, or into tiles with this side in LR pixels."""

SMALLEST = 16
"""The least side of a tile, in LR pixels."""
BLEND = 32
"""Overlap, in LR pixels, of tiles that cannot be exact."""
EDGE = 8
"""LR pixels by which a picture is extended by reflection, so that its edges have neighbours."""
LOOK = 2
"""Side of the neighbourhood, in LR pixels, whose range bounds the values."""
WORKING_MEMORY = 1_500_000_000
"""Bytes of host memory for tiles, unless more is allowed: larger tiles are not faster."""
SLACK = 80_000_000
"""Bytes for what cannot be planned: freed blocks that the allocator keeps."""
ESTIMATE_FACTOR = 1.03
"""The same, as a factor on the memory of tiles."""
SPARE = 1.02
"""Tiles that need less memory may cost this factor more computing than the best ones."""


@dataclass(frozen=True)
class TilePlan:
    """How a picture is cut into tiles.

    Attributes:
        scale: the factor.
        tile: (height, width) of a tile without its margin, in LR pixels.
        margin: LR pixels added on each inner side: the halo, or the overlap.
        edge: LR pixels by which the picture is extended at its own edges.
        multiple: the grid: tiles begin on it, and the network gets only whole cells of it.
        exact: True if the tiles give exactly the values of the whole picture.
        bytes: estimated peak memory of the process.
        tile_bytes: the part of it for tiles and strips.
        working: the part of those for one tile, freed before the next one begins.
        area: LR pixels that pass through the network, including margins and edges.
        tiles: the number of tiles.
    """

    scale: int
    tile: tuple[int, int]
    margin: int
    edge: int
    exact: bool
    bytes: int
    tile_bytes: int
    working: int
    area: int
    tiles: int
    multiple: int = 1


NO_TILES = TilePlan(1, (0, 0), 0, 0, exact=True, bytes=0, tile_bytes=0, working=0, area=0, tiles=0)


def plan_passes(
    needs: PictureNeeds,
    runner: Runner,
    *,
    tile: Tile = "auto",
    memory: int | None = None,
    to_file: bool = True,
) -> tuple[TilePlan, ...]:
    """The tiles of each pass over a picture; arguments as for :func:`plan_tiles`.

    ``to_file`` (the result goes to a file, whose format could change) only affects the error.

    Raises:
        MemoryBudgetError: it does not fit; the message names settings that would make it fit.
    """
    found, error = _plan_each(needs, runner, tile, memory)
    if error is None:
        return tuple(found[: len(needs.route.passes)])
    (width, height), (across, down) = needs.route.source, needs.route.size
    what = f"a {width}x{height} picture to {across}x{down} ({needs.route}) needs about"
    if error.device is not None:
        raise MemoryBudgetError(
            f"{what} {format_gb(error.needed)}, and of the device's memory"
            f" {format_gb(error.device)} are free",
            'Use device="cpu"' if tile == "auto" else 'Use tile="auto", or device="cpu"',
        )
    fixes = [f'Give memory="{format_gb(error.least, above=True)}" or more']
    if (
        to_file
        and not needs.streamed
        and _plan_each(replace(needs, streamed=True), runner, tile, memory)[1] is None
    ):
        fixes.append('or write a TIFF (output="NAME.tif"), which needs less')
    if tile != "auto":
        fixes.append('or tile="auto"')
    raise MemoryBudgetError(
        f"{what} {format_gb(error.needed)} and may use {format_gb(error.budget)}", ", ".join(fixes)
    )


def still_fit(
    plans: tuple[TilePlan, ...], needs: PictureNeeds, runner: Runner, *, memory: int | None = None
) -> bool:
    """Whether an earlier plan still fits into the memory that is free now.

    Args:
        plans: of the passes; empty for a route without passes.
        needs: of the picture, which is loaded now, while other work uses memory too.
        runner, memory: as for :func:`plan_tiles`.
    """
    if len(plans) != len(needs.route.passes):
        return False
    process, device_bytes = used(), _free_on_device(runner) if plans else None
    budget = _budget(process, memory)
    tile_bytes = [plan.tile_bytes for plan in plans] or [0]
    return all(
        _peak_bytes(each, bytes, process) <= budget
        and (device_bytes is None or bytes <= device_bytes)
        for each, bytes in zip(needs.passes, tile_bytes, strict=True)
    )


def _budget(process: int, memory: int | None) -> int:
    """Bytes that the whole process may use, of which it uses ``process`` already."""
    return process + int(0.6 * free()) if memory is None else memory


def _free_on_device(runner: Runner) -> int | None:
    """Bytes for tiles in the device's own memory, if it has one."""
    device_bytes = runner.free_memory()
    return None if device_bytes is None else int(0.8 * device_bytes)


def _constant_bytes(needs: PassNeeds, process: int) -> int:
    """Bytes of the process while tiles run."""
    return process + SLACK + needs.constant_bytes


def _peak_bytes(needs: PassNeeds, tile_bytes: int, process: int) -> int:
    """Peak memory of the process if tiles and strips need ``tile_bytes``."""
    # Copies of decoders and encoders exist without tiles, those of decoders also without a result.
    aside = max(needs.encoder_bytes, needs.decoder_bytes - needs.result_bytes)
    return _constant_bytes(needs, process) + max(tile_bytes, aside)


def _plan_each(
    needs: PictureNeeds, runner: Runner, tile: Tile, memory: int | None
) -> tuple[list[TilePlan], TooLargeError | None]:
    """A plan for each pass that fits, and the error of the pass that exceeds memory the most."""
    found: list[TilePlan] = []
    refused: list[TooLargeError] = []
    for each in needs.passes:
        try:
            engine = runner if needs.route.passes else None
            found.append(plan_tiles(each, engine, tile=tile, memory=memory))
        except TooLargeError as error:
            refused.append(error)
    worst = max(refused, key=lambda error: (error.device is not None, error.least), default=None)
    return found, worst


def plan_tiles(
    needs: PassNeeds, runner: Runner | None, *, tile: Tile = "auto", memory: int | None = None
) -> TilePlan:
    """How a picture is cut.

    Tiles are exact if the network's reach is bounded and no larger than the tile; else they overlap
    and blend.

    Args:
        needs: of the pass.
        runner: runs the network; None if no pixel passes through a network.
        tile: "auto" (as large as the memory allows), "off", or a side in LR pixels, which is
            rounded up to the network's grid.
        memory: bytes that the whole process may use; None for 60 % of the free memory.

    Raises:
        TooLargeError: not even small tiles fit into the permitted memory.
    """
    # Before measuring the process: this may load the model, which then counts.
    facts = TileFacts.of(runner, needs) if runner else None
    there = _free_on_device(runner) if runner else None
    process = used()
    budget = _budget(process, memory)
    room = budget - _constant_bytes(needs, process)
    if there is not None:
        room = min(room, there)
    elif memory is None and tile == "auto":
        room = min(room, WORKING_MEMORY)
    found = _choose_plan(needs, facts, tile, room) if facts else NO_TILES
    peak = _peak_bytes(needs, found.tile_bytes, process)
    if peak > budget or (there is not None and found.tile_bytes > there):
        if facts:  # the least possible
            found = _choose_plan(needs, facts, tile, 0)
        least = _peak_bytes(needs, found.tile_bytes, process)
        lacking = runner.free_memory() if runner and there is not None else None
        on_device = there is not None and found.tile_bytes > there
        raise TooLargeError(peak, budget, least, lacking if on_device else None)
    return replace(found, bytes=peak)


class TooLargeError(MemoryBudgetError):
    """No plan fits.

    Attributes:
        needed: bytes for the best plan.
        budget: bytes that are permitted.
        least: bytes for the smallest plan.
        device: free bytes of the device, if it is the limit.
    """

    def __init__(self, needed: int, budget: int, least: int, device: int | None = None) -> None:
        super().__init__(
            f"it needs about {format_gb(needed)} and may use {format_gb(budget)}",
            f'Give memory="{format_gb(least, above=True)}" or more',
        )
        self.needed = needed
        self.budget = budget
        self.least = least
        self.device = device


def format_gb(amount: int, *, above: bool = False) -> str:
    """ "1.5GB", as ``--memory`` reads it; with ``above`` rounded up and slightly more."""
    if above:
        return f"{math.ceil(amount * 1.02 / 1e8) / 10:.1f}GB"
    return f"{amount / 1e9:.2f}GB" if amount < 10e9 else f"{amount / 1e9:.0f}GB"


@dataclass(frozen=True)
class TileFacts:
    """Facts of an engine's network for one pass.

    Attributes:
        reach: LR pixels on each side that an output pixel depends on, or None.
        multiple: the network's grid in LR pixels.
        per_pixel: bytes for each LR pixel of a tile.
        aside: bytes for a call, of any size.
    """

    reach: int | None
    multiple: int
    per_pixel: int
    fixed: int

    @classmethod
    def of(cls, runner: Runner, needs: PassNeeds) -> TileFacts:
        """Ask the engine, and add the tile's own arrays."""
        # The tile as floats, twice; then the engine's result, and once more if tiles blend.
        before, after = 24 + runner.bytes_per_pixel(needs.scale), (12 + 12) * needs.scale**2
        if needs.mixed:  # the interpolated tile, and its intermediate rows
            after += 12 * needs.scale**2 + 12 * needs.scale
        filled = FILL if needs.channels in (2, 4) else 0
        per_pixel = int(ESTIMATE_FACTOR * (max(before, after) + filled))
        return cls(runner.reach, multiple_of(runner), per_pixel, runner.bytes_aside(needs.scale))

    @property
    def context(self) -> int:
        """Margin of an exact tile, in LR pixels, on the grid."""
        return on_grid(max(self.reach or 0, LOOK), self.multiple)

    @property
    def edge(self) -> int:
        """LR pixels by which a picture is extended, on the grid."""
        wanted = EDGE if self.reach is None else min(max(self.reach, LOOK), EDGE)
        return on_grid(wanted, self.multiple)

    @property
    def smallest(self) -> int:
        """The least side of a tile, in LR pixels, on the grid."""
        return on_grid(SMALLEST, self.multiple)


def _choose_plan(needs: PassNeeds, facts: TileFacts, tile: Tile, room: int) -> TilePlan:
    """The plan that computes least within ``room`` bytes, or else the one that needs fewest bytes.

    Its ``bytes`` are still unset.
    """
    width, height = needs.size
    whole = _plan_of(needs, facts, (height, width), margin=facts.context, exact=True)
    if isinstance(tile, int):
        side = on_grid(tile, facts.multiple)
        if side >= max(width, height):
            return whole
        exact = facts.reach is not None and facts.reach <= side
        margin = facts.context if exact else BLEND
        return _plan_of(needs, facts, (side, side), margin=margin, exact=exact)
    if tile == "off" or whole.tile_bytes <= room:
        return whole
    exact = _tile_plans(needs, facts, exact=True) if facts.reach is not None else []
    if found := _best(exact, room):
        return found
    blended = _tile_plans(needs, facts, exact=False)
    if found := _best(blended, room):
        return found
    return min((whole, *exact, *blended), key=lambda found: found.tile_bytes)


def _best(plans: list[TilePlan], room: int) -> TilePlan | None:
    """The plan within ``room`` that computes least, or None."""
    fitting = [found for found in plans if found.tile_bytes <= room]
    least = min((found.area for found in fitting), default=0)
    # Among almost equally fast plans, the one with the least memory.
    near = (found for found in fitting if found.area <= SPARE * least)
    return min(near, key=lambda found: found.tile_bytes, default=None)


def _tile_plans(needs: PassNeeds, facts: TileFacts, *, exact: bool) -> list[TilePlan]:
    """The plans with tiles of all shapes; with ``exact`` only those whose tiles are exact."""
    width, height = needs.size
    margin = facts.context if exact else BLEND
    return [
        _plan_of(needs, facts, (rows, columns), margin=margin, exact=exact)
        for rows in _tile_sides(height, facts)
        for columns in _tile_sides(width, facts)
        if not exact or (facts.reach or 0) <= max(min(rows, height), min(columns, width))
    ]


def _tile_sides(length: int, facts: TileFacts) -> list[int]:
    """Equal parts of a side: the whole, half, a third, then about 10 % less each."""
    counts, count = [1], 1
    while math.ceil(length / count) > facts.smallest:
        count = max(count + 1, int(count * 1.1))
        counts.append(count)
    parts = (on_grid(math.ceil(length / count), facts.multiple) for count in counts)
    return list(dict.fromkeys(max(part, facts.smallest) for part in parts))


def _plan_of(
    needs: PassNeeds, facts: TileFacts, tile: tuple[int, int], *, margin: int, exact: bool
) -> TilePlan:
    """The plan with these tiles; its ``bytes`` are still unset."""
    width, height = needs.size
    rows, columns = min(tile[0], height), min(tile[1], width)
    halves = [own // 2 for own, all_ in ((rows, height), (columns, width)) if own < all_]
    if not exact:
        margin = min([margin, *halves])
    edge, multiple = facts.edge, facts.multiple
    down, across = math.ceil(height / rows), math.ceil(width / columns)
    seen = margin if exact else on_grid(margin + LOOK, multiple)
    tallest = on_grid(rows, multiple) + 2 * (seen if down > 1 else edge)
    widest = on_grid(columns, multiple) + 2 * (seen if across > 1 else edge)
    area = (on_grid(height, multiple) + 2 * edge + 2 * seen * (down - 1)) * (
        on_grid(width, multiple) + 2 * edge + 2 * seen * (across - 1)
    )
    working = tallest * widest * facts.per_pixel + facts.fixed
    tile_bytes = working + rows * needs.strip_row()
    if not exact:  # the float32 sum of the tiles of one row, full width
        tile_bytes += (rows + 2 * margin) * width * needs.scale**2 * needs.channels * 4
    return TilePlan(
        scale=needs.scale,
        tile=(rows, columns),
        margin=margin if halves else 0,
        edge=edge,
        exact=exact or not halves,
        bytes=0,
        tile_bytes=tile_bytes,
        working=working,
        area=area,
        tiles=down * across,
        multiple=multiple,
    )
