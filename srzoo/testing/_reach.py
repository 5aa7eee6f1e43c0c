"""Measures the reach, the grid and the valid sizes of networks."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from torch import Tensor

from ..contracts import multiple_of, on_grid
from ..plugins.importing import described
from ._case import Case, picture
from ._promise import a_kind, chance_left_alone, has, mend_of

ON_A_GRID = "A network on a grid (pixel-unshuffle, windows, pooling) must state it: write {}"
"""The fix for a network whose values depend on where a picture begins."""
CELLS = 16
"""Grids that are tried, to find the network's own."""


WHOLE = 8
"""The least side of pictures for networks that use the whole picture (``reach`` None)."""
WIDE = 240, 249
"""Sides of a picture that are multiples of no grid up to 8."""
FAR = 48
"""The largest reach that is measured, in pixels."""


def grid(case: Case, net: object) -> int:
    """The grid that a network or a block states."""
    multiple: object = getattr(net, "multiple", 1)
    fine = isinstance(multiple, int) and not isinstance(multiple, bool) and multiple >= 1
    mend = "write multiple = N, its period in LR pixels, or leave it out"
    assert fine, f"{case}.multiple is {multiple!r}, not a whole number of at least 1: {mend}"
    return multiple_of(net)


def states_its_reach(case: Case, net: object, channels: int = 3) -> None:
    """Check that ``reach`` is a whole number from 0, or None."""
    mend = "write `reach = N`, how many pixels on each side it looks; None for the whole picture"
    if not hasattr(net, "reach"):
        scales = cast("tuple[int, ...]", getattr(net, "scales", ()))
        with contextlib.suppress(Exception):
            mend = f"write `reach = {_farthest(net, runs_of(net, scales), channels)}`"
    reach: object = has(case, net, "reach", mend)
    fine = reach is None or (isinstance(reach, int) and not isinstance(reach, bool) and reach >= 0)
    assert fine, f"{case}.reach is {reach!r}: {mend}"


def least(net: Any, height: int, width: int) -> tuple[int, int]:
    """A size, enlarged to the least one for a network that uses the whole picture."""
    low = 1 if net.reach is not None else WHOLE
    return max(height, low), max(width, low)


def fitting(net: object, height: int, width: int, batch: int = 1, channels: int = 3) -> Tensor:
    """Random values as of :func:`picture`, enlarged to whole cells of a network's grid."""
    multiple = multiple_of(net)
    return picture(on_grid(height, multiple), on_grid(width, multiple), batch, channels)


def ran(
    case: Case,
    run: Callable[[Tensor], Tensor],
    x: Tensor,
    fresh: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    """Run a network on a picture; if it fails, find out whether the size is the reason.

    Args:
        case: the case that is checked.
        run: the network.
        x: B x C x H x W.
        fresh: the same network, newly built.

    Raises:
        AssertionError: it fails because of the size, the number of pictures, their memory layout or
            an earlier call; or it returns something other than a tensor.
    """
    try:
        y: object = run(x)
    except Exception as error:
        if mend := _mend(run, x, error, fresh):
            size, reason = "x".join(map(str, x.shape[2:])), described(error).splitlines()[0]
            who = f"{case} fails on {size} pixels: {reason.rstrip('.')}. {mend}"
            raise AssertionError(who) from error
        raise
    assert isinstance(y, Tensor), f"{case} returned {a_kind(y)}: return the picture, a tensor"
    return y


def _mend(
    run: Callable[[Tensor], Tensor],
    x: Tensor,
    error: Exception,
    fresh: Callable[[Tensor], Tensor] | None,
) -> str:
    """The fix for a network that fails on a size; empty if it fails on all sizes."""

    def takes(x: Tensor, run: Callable[[Tensor], Tensor] = run) -> bool:
        with contextlib.suppress(Exception), torch.no_grad():
            run(x)
            return True
        return False

    def runs(height: int, width: int) -> bool:
        return takes(x.new_zeros(len(x), x.shape[1], height, width))

    if fresh and takes(x, fresh):
        return "A newly built one does not fail: keep no state from one picture to the next"
    if not x.is_contiguous() and takes(x.contiguous()):
        return "The input is a transposed or cropped view: write `reshape` for `view`"
    if len(x) > 1 and takes(x[:1]):
        return "It works for a single picture: write `x.shape[0]` in place of 1"

    if runs(WIDE[1], WIDE[1]):
        if "adding" in str(error):  # torch: "Padding size should be less than ..."
            return "Reflection needs more pixels than it adds: pad with zeros, or mode='replicate'"
        return "Pictures may be as small as one pixel"
    if not runs(WIDE[0], WIDE[0]) and not runs(2 * WIDE[0], 2 * WIDE[0]):
        return ""
    sides = (cell for cell in range(2, 2 * CELLS + 1) if runs(cell, 3 * cell) and runs(cell, cell))
    cell = next(sides, None)
    return ON_A_GRID.format(f"multiple = {cell or 'N'}, its period in LR pixels")


def same_each_time(
    case: Case, net: Any, run: Callable[[Tensor], Tensor], x: Tensor, who: str
) -> None:
    """Check that in eval mode the same picture gives the same values, and no state changes.

    Raises:
        AssertionError: it does not; ``who`` begins the message.
    """
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    with chance_left_alone(case, "in eval mode a network uses no random numbers"):
        first, again = run(x), run(x)
    mend = "use dropout and noise in train mode only, and keep no state from a picture"
    assert torch.equal(first, again), f"{who} is not deterministic in eval mode: {mend}"
    for name, tensor in net.state_dict().items():
        same = torch.equal(tensor, before[name])
        assert same, f"{who} changes {name} in eval mode: do so where `self.training` is true"


def same_by_itself(case: Case, run: Callable[[Tensor], Tensor], x: Tensor, who: str) -> None:
    """Check that a picture gives the same values alone, in a batch, and in any memory layout.

    Args:
        case: the case that is checked.
        run: the network in eval mode.
        x: at least two pictures.
        who: the beginning of the message.

    Raises:
        AssertionError: it does not.
    """
    want = run(x)
    limit = 1e-4 * max(1.0, float(want.abs().max()))
    alone = run(x[:1])
    mend = "in eval mode a result does not depend on the rest of the batch (batch statistics?)"
    same = float((alone - want[:1]).abs().max()) <= limit
    assert same, f"{who} gives other values for a picture in a batch than alone: {mend}"
    for turned in (
        x.contiguous(memory_format=torch.channels_last),
        x.transpose(2, 3).contiguous().transpose(2, 3),
    ):
        y = ran(case, run, turned)
        mend = "write `reshape` for `view`, and leave out `as_strided`"
        same = float((y - want).abs().max()) <= limit
        assert same, f"{who} depends on the memory layout of the picture: {mend}"


def keeps_type(case: Case, net: Any, run: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """Check that a float64 or bfloat16 network takes and returns that type, and keeps its input.

    Raises:
        AssertionError: it does not.
    """
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        net.to(dtype)
        given = x.to(dtype)
        before = given.clone()
        try:
            y = run(given)
        except Exception as error:
            name, reason = str(dtype).removeprefix("torch."), described(error).splitlines()[0]
            mend = mend_of(error) or ". Compute in the type of the weights"
            who = f"{case} fails after conversion to {name}: {reason.rstrip('.')}{mend}"
            raise AssertionError(who) from error
        mend = "leave out `.float()`, and make constants in the input's type"
        assert y.dtype == dtype, f"{case} turned {dtype} into {y.dtype}: {mend}"
        same = torch.equal(given, before)
        assert same, f"{case} changed its input in place: work on a copy"


def can_be_copied(case: Case, net: object) -> None:
    """Check that a network can be copied: averaged weights and folded networks are deep copies.

    Raises:
        AssertionError: it cannot be copied.
    """
    try:
        copy.deepcopy(net)
    except Exception as error:
        mend = "keep no locks, files or generators in its attributes"
        raise AssertionError(f"{case} cannot be copied: {described(error)}: {mend}") from error


def same_wherever_it_begins(
    case: Case, net: Any, run: Callable[[Tensor], Tensor], channels: int = 3, factor: int = 1
) -> None:
    """Check that a picture has the same values when it begins, or ends, one cell further inside.

    One picture has finite values everywhere. A second one contains a NaN, and what the NaN reaches
    must move with the picture too: this finds dependencies that weights of zero would hide.

    Args:
        case: the case that is checked.

    Args:
        case: what is tried.
        net: a network or block with a bounded ``reach``.
        run: B x C x H x W to B x C' x sH x sW.
        channels: C.
        factor: s.
    """
    cell, reach = grid(case, net), int(net.reach)

    def compared(spare: int) -> Callable[[int, int], bool]:
        """Compare pictures that are this many cells larger than what their edges influence."""
        side = on_grid(2 * reach + 8, cell) + spare * cell
        x = picture(side, side, 2, channels)
        x[1, :, side // 2, side // 2] = float("nan")
        want = ran(case, run, x)

        def differs(cut: int, at_the_end: int) -> bool:
            y = ran(case, run, x[:, :, cut : side - at_the_end, cut : side - at_the_end])
            low, high = cut + reach, side - at_the_end - reach
            inner, same = (slice((low - by) * factor, (high - by) * factor) for by in (0, cut))
            one, other = want[:, :, inner, inner], y[:, :, same, same]
            apart = float((one[0] - other[0]).abs().max())
            size = max(1.0, float(one[0].abs().max()))
            return apart > 1e-5 * size or not torch.equal(one[1].isnan(), other[1].isnan())

        return differs

    differs = compared(2)
    if not differs(cell, 0) and not differs(0, cell):
        return
    differs = compared(CELLS)
    # Counted from the other end too, where the network may pad.
    found = [k for k in range(2, CELLS) if not differs(k * cell, 0) and not differs(0, k * cell)]
    mend = f"multiple = {found[0] * cell}" if found else "multiple = N, its period in LR pixels"
    raise AssertionError(
        f"{case} gives other values inside a picture that begins or ends {cell} pixels further"
        f" inside, though it states reach {reach}. {ON_A_GRID.format(mend)}"
    )


def spread(
    net: Any,
    run: Callable[[Tensor], Tensor],
    channels: int = 3,
    factor: int = 1,
    bound: int | None = None,
) -> int | None:
    """How many pixels away a NaN spreads, from any place in a cell.

    Args:
        net: a network or block.
        run: B x C x H x W to B x C' x sH x sW.
        channels: C.
        factor: s.
        bound: the largest distance that is measured; None for ``reach``. A result beyond it means
            "more".

    Returns:
        The largest distance; None if the NaN does not reach the output.
    """
    cell = multiple_of(net)
    side = on_grid(2 * (net.reach if bound is None else bound) + 5, cell) + 2 * (cell - 1)
    side, middle = on_grid(side, cell), side // 2
    places = sorted({middle + phase for phase in (0, 1, cell // 2, cell - 1) if phase < cell})
    x = picture(side, side, len(places), channels)
    for number, place in enumerate(places):
        x[number, :, place, place] = float("nan")
    found: list[int] = []
    for spoilt, place in zip(run(x).isnan().any(dim=1), places, strict=True):
        at = spoilt.nonzero() // factor
        found += [int((at - place).abs().max())] if len(at) else []
    return max(found, default=None)


Runs = Sequence[tuple[Callable[[Tensor], Tensor], int]]
"""A network at each of its scales, with the scale."""


def runs_of(net: Any, scales: Sequence[int]) -> Runs:
    """A generator at each scale; a block, which has no scales, once."""

    def at(scale: int) -> Callable[[Tensor], Tensor]:
        return lambda x: net(x, scale)

    return [(at(scale), scale) for scale in scales] or [(net, 1)]


def reach_is_not_too_small(case: Case, net: Any, runs: Runs, channels: int = 3) -> None:
    """Check that a NaN spreads no further than ``reach``.

    Raises:
        AssertionError: it does; the message has the measured reach. Or ``reach`` is too large to
            measure.
    """
    stated: int | None = net.reach
    if stated is None:
        return
    away = _spread_at(net, runs, channels, min(stated, FAR))
    assert away >= 0, f"{case}: the output does not depend on the input"
    if stated > FAR >= away + multiple_of(net):
        raise AssertionError(_write(case, stated, away))
    if away > FAR:
        away = _spread_at(net, runs, channels, stated)
    if stated < away:
        raise AssertionError(_write(case, stated, _farthest(net, runs, channels)))


def reach_is_not_too_large(case: Case, net: Any, runs: Runs, channels: int = 3) -> None:
    """Check that a NaN spreads as far as ``reach``; on a grid, nearly.

    Raises:
        AssertionError: it does not.
    """
    stated: int | None = net.reach
    if stated is None or stated > FAR:
        return
    away = _spread_at(net, runs, channels, stated)
    if away < 0:
        return  # another check reports that the output does not depend on the input
    if stated > away + multiple_of(net) - 1:
        raise AssertionError(_write(case, stated, away))


def _write(case: Case, stated: int, found: int | None) -> str:
    what = "the whole picture" if found is None else found
    return f"{case}: reach is {what}, but it states {stated}: write `reach = {found}`"


def _spread_at(net: Any, runs: Runs, channels: int, bound: int) -> int:
    """The largest distance at any scale; -1 if the NaN does not reach the output."""
    found = [spread(net, run, channels, scale, bound) for run, scale in runs]
    return max((each for each in found if each is not None), default=-1)


def _farthest(net: Any, runs: Runs, channels: int) -> int | None:
    """The measured reach; None if it is the whole picture, or more than is measured."""
    for bound in (4, 12, FAR):
        if 0 <= (found := _spread_at(net, runs, channels, bound)) <= bound:
            return found
    return None
