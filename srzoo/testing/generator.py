"""The contract tests of generators."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ..contracts import Generator, Printed, nn_module
from ..networks import folders
from ..networks.runner import ModuleRunner
from ..plugins import kinds
from ..plugins.plugin import Use
from ..upscaling.planner import SMALLEST
from ..upscaling.upscaler import Upscaler
from ._case import Case, go_back, picture, seeded, sets_no_seed, unreached
from ._promise import basic, has, run_all, suite
from ._reach import (
    CELLS,
    ON_A_GRID,
    can_be_copied,
    fitting,
    grid,
    keeps_type,
    least,
    ran,
    reach_is_not_too_large,
    reach_is_not_too_small,
    runs_of,
    same_by_itself,
    same_each_time,
    same_wherever_it_begins,
    states_its_reach,
)
from ._tail import (
    features_then_reconstruct,
    is_split_or_whole,
    takes_a_scale,
    the_tail_looks_no_further,
)

ODD_SIZES = ((7, 5), (1, 9), (13, 16))


def _module(case: Case) -> Generator:
    return seeded(kinds.generators, case)


@basic
def is_a_generator(case: Case) -> None:
    """It is an ``nn.Module`` with ``scales``, ``reach``, and optionally ``multiple``."""
    net = _module(case)
    write = "write `scales = (2,)`, the factors that it enlarges by"
    scales: object = has(case, net, "scales", write)
    assert isinstance(scales, tuple), f"{case}.scales is {scales!r}, not a tuple: {write}"
    assert scales, f"{case}.scales is empty: {write}"
    whole = all(
        isinstance(each, int) and not isinstance(each, bool) and each >= 1
        for each in cast("tuple[object, ...]", scales)
    )
    assert whole, f"{case}.scales is {scales!r}, not whole numbers of at least 1: {write}"
    grid(case, net)
    own = type(nn_module(net)).forward is not nn.Module.forward
    assert own, f"{case} has no forward: write `def forward(self, x, scale=None)`"
    takes_a_scale(case, net, "forward", "x")
    states_its_reach(case, net)


def states_papers(case: Case) -> None:
    """``paper`` is an address; each of ``printed`` matches a network that it can build."""
    kind: Any = kinds.generators.get(case.name)
    paper: object = getattr(kind, "paper", "")
    fine = isinstance(paper, str) and (not paper or paper.startswith(("https://", "http://")))
    assert fine, f"{case}.paper is {paper!r}, not an address: write `paper = 'https://...'`"
    printed: object = getattr(kind, "printed", ())
    mend = "write `printed = (Printed(...),)`"
    assert isinstance(printed, tuple), f"{case}.printed is {printed!r}, not a tuple: {mend}"
    for each in cast("tuple[object, ...]", printed):
        fine = isinstance(each, Printed)
        assert fine, f"{case}.printed has {each!r}, which is not a Printed: {mend}"
        assert isinstance(each, Printed)
        kinds.generators.check_use(Use(case.name, each.args))


def _sized(case: Case, net: Generator, sizes: Sequence[tuple[int, int]], batch: int) -> None:
    fresh = runs_of(_module(case), net.scales)
    for (run, scale), (again, _) in zip(runs_of(net, net.scales), fresh, strict=True):
        for height, width in sizes:
            x = fitting(net, *least(net, height, width), batch)
            y = ran(case, run, x, again)
            want = (batch, 3, scale * x.shape[2], scale * x.shape[3])
            if tuple(y.shape) == want:
                for given, what in ((y, "a picture"), (run(0 * x), "a black picture")):
                    mend = "it may divide by zero"
                    fine = given.isfinite().all()
                    assert fine, (
                        f"{case} x{scale} returned values that are not finite for {what}: {mend}"
                    )
                continue
            size = tuple(y.shape[2:])
            others = [s for s in net.scales if size == (s * x.shape[2], s * x.shape[3])]
            hint = f": that is x{others[0]}; does it use `scale`?" if others else ""
            if not hint and size < want[2:]:
                hint = ": pad its convolutions by half their kernel"
            elif not hint and (cell := _period(run, scale)) > 1:
                hint = f". {ON_A_GRID.format(f'multiple = {cell}, its period in LR pixels')}"
            raise AssertionError(f"{case} x{scale} returned {tuple(y.shape)}, not {want}{hint}")


def _period(run: Callable[[torch.Tensor], torch.Tensor], scale: int) -> int:
    """The least side whose multiples all give the right shape; 0 if none does."""
    for cell in range(1, CELLS + 1):
        with contextlib.suppress(Exception):
            sides = [run(picture(cell * n, cell * n)).shape[2:] for n in (1, 2, 3)]
            if sides == [(scale * cell * n, scale * cell * n) for n in (1, 2, 3)]:
                return cell
    return 0


@basic
@torch.no_grad()
def shape_at_each_scale(case: Case) -> None:
    """B x 3 x H x W becomes B x 3 x sH x sW, for all sizes on the grid, and in batches."""
    _sized(case, _module(case), ODD_SIZES, 2)


@torch.no_grad()
def one_pixel(case: Case) -> None:
    """It accepts a picture of one pixel; on a grid, of one cell."""
    _sized(case, _module(case), [(1, 1)], 1)


@torch.no_grad()
def values_are_unclamped(case: Case) -> None:
    """Values outside 0..1 are returned as they are; a tanh inside the network is allowed."""
    net = _module(case)
    draw = torch.Generator().manual_seed(1)
    for weight in net.parameters():  # some are initialised with zeros
        noise = 0.1 / max(1, weight[:1].numel()) ** 0.5 if weight.dim() else 0.1
        weight.add_(noise * torch.randn(weight.shape, generator=draw))
    x = 2 * (fitting(net, 16, 16, 2) > 0.5).float() - 0.5
    for run, scale in runs_of(net, net.scales):
        y = run(x)
        cut = float(((y == 0) | (y == 1)).float().mean())
        clamped = cut > 0.02 and y.min() >= 0 and y.std() > 0
        mend = "leave out the clamp: srzoo clips values when it writes pictures"
        assert not clamped, f"{case} x{scale} clips {100 * cut:.0f} % of its values: {mend}"


@torch.no_grad()
def scale_may_be_left_out(case: Case) -> None:
    """With a single scale, ``forward(x)`` is ``forward(x, scale)``."""
    net = _module(case)
    if len(net.scales) == 1:
        x = fitting(net, *least(net, 6, 5))
        same = torch.equal(net(x), net(x, net.scales[0]))
        mend = f"without a scale it should enlarge by {net.scales[0]}"
        assert same, f"{case}: forward(x) is not forward(x, {net.scales[0]}): {mend}"


@torch.no_grad()
def keeps_dtype(case: Case) -> None:
    """float64 and bfloat16 networks return their type, and the input is not changed."""
    net = _module(case)
    x = fitting(net, *least(net, 6, 5))
    for run, _ in runs_of(net, net.scales):
        keeps_type(case, net, run, x)


@torch.no_grad()
def reach_bounds_the_receptive_field(case: Case) -> None:
    """A NaN spreads no further than ``reach``."""
    net = _module(case)
    reach_is_not_too_small(case, net, runs_of(net, net.scales))


@torch.no_grad()
def same_wherever_a_picture_begins(case: Case) -> None:
    """The stated grid is true: tiles may begin at all multiples of it."""
    net = _module(case)
    if net.reach is None:
        return
    for scale in net.scales:
        same_wherever_it_begins(case, net, lambda x, scale=scale: net(x, scale), factor=scale)


@torch.no_grad()
def reach_is_no_larger(case: Case) -> None:
    """A NaN spreads as far as ``reach``: a larger value would make tiles overlap more."""
    net = _module(case)
    reach_is_not_too_large(case, net, runs_of(net, net.scales))


@basic
@torch.no_grad()
def deterministic(case: Case) -> None:
    """In eval mode the same picture gives the same values, and no state changes."""
    net = _module(case)
    for run, scale in runs_of(net, net.scales):
        same_each_time(case, net, run, fitting(net, 9, 8), f"{case} x{scale}")


@basic
@torch.no_grad()
def each_picture_by_itself(case: Case) -> None:
    """A picture gives the same values alone, in a batch, and in any memory layout."""
    net = _module(case)
    for run, scale in runs_of(net, net.scales):
        same_by_itself(case, run, fitting(net, *least(net, 6, 9), 3), f"{case} x{scale}")


def weights_depend_on_the_seed(case: Case) -> None:
    """Building it sets no seed, and the generator can be copied."""
    sets_no_seed(kinds.generators, case)
    can_be_copied(case, _module(case))


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter gets a gradient from at least one scale."""
    net = _module(case).train()
    if not list(net.parameters()):
        return
    for scale in net.scales:
        go_back(case, net(fitting(net, 8, 8, 2), scale))
    names = ", ".join(unreached(net))
    mend = "leave out what forward does not use, or write `requires_grad_(False)`"
    assert not names, f"{case}: no gradient reaches {names}: {mend}"


@torch.no_grad()
def survives_a_model_folder(case: Case) -> None:
    """Saved as a model folder and loaded again, it gives the same values."""
    net = _module(case)
    name = case.name.rpartition(":")[2] if case.name.startswith("srzoo:") else case.name
    with tempfile.TemporaryDirectory() as folder:
        saved = folders.save(net, Path(folder) / "model", generator=name, args=case.args)
        again = folders.build(saved)
        for scale in net.scales:
            x = fitting(net, 9, 8)
            same = torch.equal(net(x, scale), again(x, scale))
            mend = "constants that are drawn or learned belong in `register_buffer`"
            assert same, f"{case} x{scale} differs after saving and loading: {mend}"


def tiled_equals_whole(case: Case) -> None:
    """With a bounded reach, tiles of any size give the whole picture's values; others blend."""
    net = _module(case)
    runner = ModuleRunner(net)
    side = max(SMALLEST, net.reach or 0) // 2 * 2 + 1
    values = picture(side + 6, 2 * side + 5)[0].permute(1, 2, 0).numpy()
    for scale in net.scales:
        whole = Upscaler(runner, net.scales, str(case), tile="off")(values, scale)
        tiled = Upscaler(runner, net.scales, str(case), tile=side)
        plan = tiled.plan((2 * side + 5, side + 6), scale)
        wanted = net.reach is not None or plan.tiles == 1
        assert plan.exact == wanted, f"{case}: planned {plan}"
        apart = np.abs(tiled(values, scale) - whole)
        assert np.isfinite(apart).all(), f"{case} x{scale} gives non-finite values in tiles"
        error = float(apart.max()) if plan.exact else 0.0  # blended tiles may differ by any amount
        assert error <= 1e-5, f"{case} x{scale}: tiles differ from the whole picture by {error:g}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "generator",
    is_a_generator,
    is_split_or_whole,
    shape_at_each_scale,
    deterministic,
    each_picture_by_itself,
    reach_bounds_the_receptive_field,
    one_pixel,
    values_are_unclamped,
    scale_may_be_left_out,
    keeps_dtype,
    same_wherever_a_picture_begins,
    reach_is_no_larger,
    states_papers,
    weights_depend_on_the_seed,
    the_tail_looks_no_further,
    features_then_reconstruct,
    gradients_reach_every_parameter,
    survives_a_model_folder,
    tiled_equals_whole,
)


def check_generator(case: Case) -> None:
    """Run every generator check on one case.

    Raises:
        AssertionError: the first broken rule.
    """
    run_all(CHECKS, case)
