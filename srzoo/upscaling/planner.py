"""Memory: what stands in it while a picture is enlarged, and the tiles that fit beside that.

All arithmetic of bytes is here, and it is the same for every engine: an engine says what a
pixel takes (``bytes_per_pixel``), what a call takes besides (``bytes_aside``), how far its
network looks (``reach``) and, where it has a memory of its own, how much of that is free.

While a picture is enlarged, there stand in memory: the process as it is; the picture; the
result, or one strip of it where it is streamed; and what the engine needs for one tile. When
it is written, the encoder's copy stands in the place of the tile.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..errors import MemoryBudgetError
from ..images import decoding, vips
from . import sizing
from .memory import free as free
from .memory import used

if TYPE_CHECKING:
    from ..contracts import Runner
    from .sizing import Route

Tile = int | str

SMALLEST = 16
"""No tile is planned smaller than this, in LR pixels a side."""
BLEND = 32
"""Overlap, in LR pixels, of tiles that cannot be exact."""
EDGE = 8
"""LR pixels that a picture is continued by, mirrored, so that its edges have a neighbourhood."""
LOOK = 2
"""How far, in LR pixels, the neighbourhood goes by which values are bounded."""
WORKING_MEMORY = 1_500_000_000
"""Bytes of host memory that tiles take unless more is allowed: larger is no faster."""
SLACK = 80_000_000
"""Bytes for what cannot be planned: what the allocator keeps of blocks that are free again."""
LOOSE = 1.03
"""The same, as a factor on what tiles take."""
ENCODERS = {
    "tiff": (0.1, 0.1), "png": (1.4, 1.8), "jpg": (1.4, 2.4), "webp": (4.5, 9.8),
    "avif": (7.5, 7.5), "heic": (7.2, 9.5),
}  # fmt: skip
"""Copies of the result in colour that stand beside it while it is encoded, without and with alpha.

Measured: see tests/bench/memory.py.
"""
ENCODER = 2.4
"""The same, where the format is not known yet."""
DECODER = 3.0
"""Copies of the picture beside it while Pillow decodes it."""
THRIFTY = 130_000_000
"""Bytes that pyvips takes instead, which decodes large pictures where it is installed."""
WRITER_ROWS = 1000
"""Rows of the result that a streaming writer holds, all copies counted."""
SPARE = 1.02
"""Tiles may cost so much more computing than the best ones, if they take less memory."""
FILL = 110
"""Bytes for each LR pixel of a tile while colour is extended under transparency."""


@dataclass(frozen=True)
class Plan:
    """How one picture is cut.

    Attributes:
        scale: the factor.
        tile: (height, width) of a tile's own part, in LR pixels.
        margin: LR pixels added on each inner side: what the network sees, or the overlap.
        edge: LR pixels that the picture is continued by at its own edges.
        exact: True if the tiles give exactly what the whole picture would.
        bytes: what the process will take at its peak, estimated.
        working: how many of them a tile takes, and has given back when the next one begins.
        area: LR pixels that go through the network, margins and edges counted.
        tiles: how many there are.
    """

    scale: int
    tile: tuple[int, int]
    margin: int
    edge: int
    exact: bool
    bytes: int
    working: int
    area: int
    tiles: int


@dataclass(frozen=True)
class Work:
    """One pass over one picture.

    Attributes:
        size: (width, height) of what comes in.
        scale: the factor.
        channels: of the picture, 1 to 4, its alpha counted.
        itemsize: bytes of one value.
        held: whether the picture is in memory already, so that the process has it.
        kept: bytes of the result that stand in memory while it is made.
        strips: copies of a strip, full width and one tile high, that stand beside it.
        passing: bytes of rows on their way through a resize and a writer.
        decoded: bytes of the decoder's copies, which are gone when tiles begin.
        encoded: bytes of the encoder's copies, which come when the tiles are gone.
        reserve: bytes left to others in this process.
    """

    size: tuple[int, int]
    scale: int
    channels: int = 3
    itemsize: int = 1
    held: bool = False
    kept: int = 0
    strips: int = 0
    passing: int = 0
    decoded: int = 0
    encoded: int = 0
    reserve: int = 0

    @property
    def standing(self) -> int:
        """Bytes that stand all the while, besides the process as it is now."""
        return self.reserve + self.kept + self.passing + (0 if self.held else self._raw)

    @property
    def _raw(self) -> int:
        return self.size[0] * self.size[1] * self.channels * self.itemsize

    def strip_row(self) -> int:
        """Bytes that the strips take for each LR row of a tile."""
        return self.strips * self.size[0] * self.scale**2 * self.channels * self.itemsize


@dataclass(frozen=True)
class Estimate:
    """What a piece of work comes to.

    Attributes:
        seconds: of computing; reading and writing are not counted.
        size: (width, height) of the result.
        bytes: of the result as it is in memory; files are smaller.
    """

    seconds: float
    size: tuple[int, int]
    bytes: int


def works(
    route: Route,
    itemsize: int,
    channels: int,
    *,
    streamed: bool,
    held: bool = False,
    format: str | None = None,
    reserve: int = 0,
) -> list[Work]:
    """What is to be done on a way to a size: one work for each pass, or one for a resize alone.

    Args:
        route: the way.
        itemsize: bytes of a value.
        channels: 1 to 4, alpha counted.
        streamed: whether the result is written strip by strip as it is made.
        held: whether the picture is in memory already, and the result only has to be made.
        format: a key of ``images.FORMATS``, if it is known what is written.
        reserve: bytes left to others in this process.
    """
    value = channels * itemsize
    first = route.source[0] * route.source[1] * value
    found: list[Work] = []
    size, scales = route.source, route.passes or (1,)
    for number, scale in enumerate(scales):
        last = number == len(scales) - 1
        width, height = route.size if last else (size[0] * scale, size[1] * scale)
        made = 0 if streamed and last else width * height
        copies = ENCODERS[format][channels in (2, 4)] if format else ENCODER
        # A strip stands once, and with alpha once more, unless the result itself takes it.
        in_strips = last and (streamed or route.resized)
        found.append(
            Work(
                size,
                scale,
                channels,
                itemsize,
                held=held and number == 0,
                kept=made * value + (0 if held or number == 0 else first),
                strips=(1 + (channels in (2, 4))) * in_strips,
                passing=_passing(route, channels, itemsize, streamed) if last else 0,
                decoded=0 if held or number else _decoder(route.source, value),
                encoded=0 if held or not last else int(copies * made * max(channels, 3) * itemsize),
                reserve=reserve,
            )
        )
        size = width, height
    return found


def _passing(route: Route, channels: int, itemsize: int, streamed: bool) -> int:
    """Bytes of rows that a resize and a writer hold."""
    found = 0
    if streamed:
        found += WRITER_ROWS * route.size[0] * channels * itemsize
    if route.resized:
        rows = sizing.rows_held(route.made, route.size)
        found += rows * route.made[0] * (2 * channels * itemsize + 8)
    return found


def _decoder(size: tuple[int, int], value: int) -> int:
    """Bytes of the copies that a decoder makes of a picture with ``value`` bytes a pixel."""
    pixels = size[0] * size[1]
    if pixels >= decoding.LARGE and vips.library() is not None:
        return THRIFTY
    return int(DECODER * pixels * value)


def plan(work: Work, runner: Runner, *, tile: Tile = "auto", memory: int | None = None) -> Plan:
    """How a picture will be cut.

    Exact tiles wherever the network's reach is bounded and does not outgrow the tile; else
    tiles that overlap and blend.

    Args:
        work: what is to be done.
        runner: what does it.
        tile: "auto" (as large as the memory allows), "off", or a side in LR pixels.
        memory: bytes that the whole process may take; None for 60 % of what is free.

    Raises:
        TooLargeError: not even small tiles fit into the memory it may use.
    """
    process = used()
    fixed = process + SLACK + work.standing
    # Decoders and encoders make copies when there are no tiles, and the first no result either.
    aside = max(work.encoded, work.decoded - work.kept)
    budget = process + int(0.6 * free()) if memory is None else memory
    room = budget - fixed
    device = runner.free_memory()
    if device is not None:
        room = min(room, int(0.8 * device))
    elif memory is None and tile == "auto":
        room = min(room, WORKING_MEMORY)
    found = _cut(work, runner, tile, room)
    peak = fixed + max(found.bytes, aside)
    if found.bytes > room or peak > budget:
        least = fixed + max(_cut(work, runner, SMALLEST, 0).bytes, aside)
        raise TooLargeError(peak, budget, least)
    return replace(found, bytes=peak)


class TooLargeError(MemoryBudgetError):
    """No plan fits.

    Attributes:
        needed: bytes that the best plan takes.
        budget: bytes there are.
        least: bytes with which there is a plan.
    """

    def __init__(self, needed: int, budget: int, least: int) -> None:
        super().__init__(
            f"it needs about {gb(needed)} and may use {gb(budget)}",
            f"Give --memory {gb(least, above=True)} or more",
        )
        self.needed = needed
        self.budget = budget
        self.least = least


def area(work: Work, runner: Runner, *, tile: Tile = "auto") -> int:
    """LR pixels that go through the network if memory is plenty."""
    return _cut(work, runner, tile, WORKING_MEMORY).area


def gb(amount: int, *, above: bool = False) -> str:
    """ "1.5GB", as ``--memory`` reads it; rounded up, and a bit more, where it is to be enough."""
    if above:
        return f"{math.ceil(amount * 1.02 / 1e8) / 10:.1f}GB"
    return f"{amount / 1e9:.2f}GB" if amount < 10e9 else f"{amount / 1e9:.0f}GB"


def _cut(work: Work, runner: Runner, tile: Tile, room: int) -> Plan:
    """The plan that computes least and fits into ``room``, or the smallest there is.

    Its ``bytes`` are those of the tiles and strips alone.
    """
    width, height = work.size
    reach, side = runner.reach, tile if isinstance(tile, int) else None
    whole = _costs(work, runner, (height, width), margin=reach or LOOK, exact=True)
    covers = side is not None and side >= max(width, height)
    if tile == "off" or covers or (side is None and whole.bytes <= room):
        return whole
    if reach is not None:
        found = _best(work, runner, side, room, margin=max(reach, LOOK), exact=True)
        if found and reach <= (side or max(found.tile)):
            return found
    found = _best(work, runner, side, room, margin=BLEND, exact=False)
    return found or _costs(work, runner, (SMALLEST, SMALLEST), margin=SMALLEST // 2, exact=False)


def _best(
    work: Work, runner: Runner, side: int | None, room: int, *, margin: int, exact: bool
) -> Plan | None:
    """Tiles of the side asked for; else those that fit and compute least, or None."""
    if side is not None:
        return _costs(work, runner, (side, side), margin=margin, exact=exact)
    shapes = ((rows, columns) for rows in _parts(work.size[1]) for columns in _parts(work.size[0]))
    plans = (_costs(work, runner, shape, margin=margin, exact=exact) for shape in shapes)
    fitting = [found for found in plans if found.bytes <= room]
    least = min((found.area for found in fitting), default=0)
    # Of those that are hardly slower, the one that takes least memory.
    near = (found for found in fitting if found.area <= SPARE * least)
    return min(near, key=lambda found: found.bytes, default=None)


def _parts(length: int) -> list[int]:
    """Lengths of equal parts of a side: all of it, half, a third, then about 10 % less each."""
    counts, count = [1], 1
    while math.ceil(length / count) > SMALLEST:
        count = max(count + 1, int(count * 1.1))
        counts.append(count)
    return list(dict.fromkeys(max(math.ceil(length / count), SMALLEST) for count in counts))


def _costs(work: Work, runner: Runner, tile: tuple[int, int], *, margin: int, exact: bool) -> Plan:
    """The plan with these tiles; ``bytes`` are those of a tile and the strips."""
    width, height = work.size
    rows, columns = min(tile[0], height), min(tile[1], width)
    halves = [own // 2 for own, all_ in ((rows, height), (columns, width)) if own < all_]
    if not exact:
        margin = min([margin, *halves])
    edge = EDGE if runner.reach is None else min(max(runner.reach, LOOK), EDGE)
    down, across = math.ceil(height / rows), math.ceil(width / columns)
    seen = margin if exact else margin + LOOK
    tallest = rows + 2 * (seen if down > 1 else edge)
    widest = columns + 2 * (seen if across > 1 else edge)
    area = (height + 2 * edge + 2 * seen * (down - 1)) * (
        width + 2 * edge + 2 * seen * (across - 1)
    )
    working = tallest * widest * _per_pixel(work, runner) + runner.bytes_aside(work.scale)
    taken = working + rows * work.strip_row()
    if not exact:  # the float32 sum of the tiles of one row, full width
        taken += (rows + 2 * margin) * width * work.scale**2 * work.channels * 4
    return Plan(
        scale=work.scale,
        tile=(rows, columns),
        margin=margin if halves else 0,
        edge=edge,
        exact=exact or not halves,
        bytes=taken,
        working=working,
        area=area,
        tiles=down * across,
    )


def _per_pixel(work: Work, runner: Runner) -> int:
    """Bytes for each LR pixel of a tile: the engine's, and the tile's own arrays around it."""
    # The tile as floats, twice; afterwards the engine's result, and once more where tiles blend.
    before, after = 24 + runner.bytes_per_pixel(work.scale), (12 + 12) * work.scale**2
    return int(LOOSE * (max(before, after) + (FILL if work.channels in (2, 4) else 0)))
