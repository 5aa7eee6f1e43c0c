"""What every generator has to keep."""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from ..contracts import Generator, Printed, has_linear_tail, splits
from ..networks import folders
from ..networks.fold import Foldable
from ..networks.runner import ModuleRunner
from ..plugins import kinds
from ..plugins.plugin import Use
from ..upscaling.upscaler import SMALLEST, Upscaler
from ._case import Case, go_back, picture, seeded, unreached
from ._promise import can, has, run_all, suite
from ._reach import (
    fitting,
    grid,
    least,
    ran,
    reach_is_not_too_large,
    reach_is_not_too_small,
    runs_of,
    same_wherever_it_begins,
    spread,
    states_its_reach,
)

ODD_SIZES = ((7, 5), (1, 9), (13, 16))


def _module(case: Case) -> Generator:
    return seeded(kinds.generators, case)


def is_a_generator(case: Case) -> None:
    """It is an ``nn.Module`` with ``scales``, ``reach``, and perhaps ``multiple``."""
    net = _module(case)
    write = "write `scales = (2,)`, the factors that it enlarges by"
    scales: object = has(case, net, "scales", write)
    assert isinstance(scales, tuple), f"{case}.scales is {scales!r}, not a tuple: {write}"
    assert scales, f"{case}.scales is empty: {write}"
    whole = all(
        isinstance(each, int) and not isinstance(each, bool) and each >= 1
        for each in cast("tuple[object, ...]", scales)
    )
    assert whole, f"{case}.scales is {scales!r}, not of whole numbers from 1: {write}"
    grid(case, net)
    _takes_a_scale(case, net, "forward", "x")
    states_its_reach(case, net)


def _takes_a_scale(case: Case, net: Any, name: str, first: str) -> None:
    """The core calls each method with a scale, by place."""
    parameters = [*inspect.signature(getattr(net, name)).parameters.values()]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    write = f"write `def {name}(self, {first}, scale=None)`"
    told = ", ".join(p.name for p in parameters)
    assert len(places) >= 2, f"{case}.{name} takes ({told}), and no scale: {write}"
    needed = [p.name for p in parameters if p.default is p.empty and p not in places[:2]]
    assert not needed, f"{case}.{name} needs {', '.join(needed)} besides a scale: {write}"
    fine = len(net.scales) > 1 or places[1].default is not places[1].empty
    assert fine, f"{case}.{name} cannot be called without its one scale: {write}"


def is_split_or_whole(case: Case) -> None:
    """``features``, ``reconstruct`` and ``tail_reach`` are all there, or none is."""
    net: Any = _module(case)
    called = {
        name
        for name in ("features", "reconstruct")
        if callable(getattr(net, name, None)) and not isinstance(getattr(net, name), nn.Module)
    }
    linear = bool(getattr(net, "linear_tail", False))
    if not hasattr(net, "tail_reach") and len(called) != 1:
        without = "without features, reconstruct and tail_reach"
        assert not linear, f"{case} has a linear_tail {without}: write `tail_reach = N`"
        return
    for name, what in (("features", "x"), ("reconstruct", "f")):
        mend = "a generator that is split has features, reconstruct and tail_reach; else none"
        can(case, net, name, mend)
        _takes_a_scale(case, net, name, what)
    mend = "write `tail_reach = N`, how many LR pixels on each side reconstruct looks; from 1"
    reach: object = has(case, net, "tail_reach", mend)
    fine = isinstance(reach, int) and not isinstance(reach, bool) and reach >= 1
    assert fine, f"{case}.tail_reach is {reach!r}: {mend}"


def states_papers(case: Case) -> None:
    """``paper`` is an address; each of ``printed`` is of a network that it can build."""
    kind: Any = kinds.generators.get(case.name)
    paper: object = getattr(kind, "paper", "")
    fine = isinstance(paper, str) and (not paper or paper.startswith(("https://", "http://")))
    assert fine, f"{case}.paper is {paper!r}, and no address"
    printed: object = getattr(kind, "printed", ())
    assert isinstance(printed, tuple), f"{case}.printed is {printed!r}, and no tuple"
    for each in cast("tuple[object, ...]", printed):
        assert isinstance(each, Printed), f"{case}.printed has {each!r}, which is no Printed"
        kinds.generators.check_use(Use(case.name, each.args))


def _sized(case: Case, net: Generator, sizes: Sequence[tuple[int, int]], batch: int) -> None:
    for run, scale in runs_of(net, net.scales):
        for height, width in sizes:
            x = fitting(net, *least(net, height, width), batch)
            y = ran(case, run, x)
            want = (batch, 3, scale * x.shape[2], scale * x.shape[3])
            if tuple(y.shape) == want:
                assert y.isfinite().all(), f"{case} x{scale} gave values that are not finite"
                continue
            size = tuple(y.shape[2:])
            others = [s for s in net.scales if size == (s * x.shape[2], s * x.shape[3])]
            hint = f": that is x{others[0]}; does it look at `scale`?" if others else ""
            raise AssertionError(f"{case} x{scale} gave {tuple(y.shape)}, not {want}{hint}")


@torch.no_grad()
def shape_at_each_scale(case: Case) -> None:
    """B x 3 x H x W becomes B x 3 x sH x sW, for all sizes on the grid, and in batches."""
    _sized(case, _module(case), ODD_SIZES, 2)


@torch.no_grad()
def one_pixel(case: Case) -> None:
    """A picture of one pixel is a picture; on a grid, one of one cell."""
    _sized(case, _module(case), [(1, 1)], 1)


@torch.no_grad()
def values_are_unclamped(case: Case) -> None:
    """Values beyond 0..1 come out as they are; a tanh that never gives any is no clamp."""
    net = _module(case)
    draw = torch.Generator().manual_seed(1)
    for weight in net.parameters():  # some begin with zeros
        noise = 0.1 / max(1, weight[:1].numel()) ** 0.5 if weight.dim() else 0.1
        weight.add_(noise * torch.randn(weight.shape, generator=draw))
    x = 2 * (fitting(net, 16, 16, 2) > 0.5).float() - 0.5
    for run, scale in runs_of(net, net.scales):
        y = run(x)
        cut = float(((y == 0) | (y == 1)).float().mean())
        clamped = cut > 0.02 and y.min() >= 0 and y.std() > 0
        mend = "leave out the clamp: srzoo bounds values when it writes pictures"
        assert not clamped, f"{case} x{scale} cuts {100 * cut:.0f} % of its values off: {mend}"


@torch.no_grad()
def scale_may_be_left_out(case: Case) -> None:
    """Where there is one scale, ``forward(x)`` is ``forward(x, scale)``."""
    net = _module(case)
    if len(net.scales) == 1:
        x = fitting(net, *least(net, 6, 5))
        assert torch.equal(net(x), net(x, net.scales[0])), f"{case}: scale=None differs"


@torch.no_grad()
def keeps_dtype(case: Case) -> None:
    """float64 and bfloat16 networks give what they are given, and the input stays as it is."""
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        net = _module(case).to(dtype)
        x = fitting(net, *least(net, 6, 5)).to(dtype)
        before = x.clone()
        y = net(x, net.scales[0])
        assert y.dtype == dtype, f"{case} turned {dtype} into {y.dtype}"
        assert torch.equal(x, before), f"{case} changed its input in place"


@torch.no_grad()
def reach_bounds_the_receptive_field(case: Case) -> None:
    """A pixel that is not a number spoils nothing further away than ``reach``."""
    net = _module(case)
    reach_is_not_too_small(case, net, runs_of(net, net.scales))


@torch.no_grad()
def same_wherever_a_picture_begins(case: Case) -> None:
    """What is stated of the grid is true: tiles may begin at all its multiples."""
    net = _module(case)
    if net.reach is None:
        return
    for scale in net.scales:
        same_wherever_it_begins(case, net, lambda x, scale=scale: net(x, scale), factor=scale)


@torch.no_grad()
def reach_is_no_larger(case: Case) -> None:
    """Some pixel is spoilt as far away as ``reach`` says: a larger one makes tiles overlap more."""
    net = _module(case)
    reach_is_not_too_large(case, net, runs_of(net, net.scales))


@torch.no_grad()
def deterministic(case: Case) -> None:
    """In eval mode the same picture gives the same values."""
    net = _module(case)
    x = fitting(net, 9, 8)
    for scale in net.scales:
        assert torch.equal(net(x, scale), net(x, scale)), f"{case} x{scale} is not deterministic"


@torch.no_grad()
def the_tail_looks_no_further(case: Case) -> None:
    """What ``reconstruct`` gives of a pixel depends on features as far away as ``tail_reach``."""
    net = _module(case)
    if not splits(net):
        return
    for scale in net.scales:
        x = fitting(net, *least(net, 9, 8))
        f = net.features(x, scale)
        if f.shape[2:] != x.shape[2:]:
            continue  # on a grid, of which a tail is not asked

        def run(f: torch.Tensor, net: Any = net, scale: int = scale) -> torch.Tensor:
            return net.reconstruct(f, scale)

        away = spread(net, run, f.shape[1], scale, net.tail_reach) or 0
        write = f"write `tail_reach = {away}`"
        say = f"{case} x{scale}: tail_reach is {away}, you say {net.tail_reach}: {write}"
        assert away <= net.tail_reach, say


@torch.no_grad()
def features_then_reconstruct(case: Case) -> None:
    """``reconstruct(features(x))`` is ``forward(x)``, and affine if ``linear_tail`` says so."""
    net = _module(case)
    if not splits(net):
        return
    for scale in net.scales:
        x = fitting(net, *least(net, 6, 5))
        f = net.features(x, scale)
        y = net.reconstruct(f, scale)
        assert torch.equal(y, net(x, scale)), f"{case} x{scale}: not forward()"
        if has_linear_tail(net):
            same = f.shape[2:] == x.shape[2:]
            assert same, f"{case} x{scale}: linear_tail needs features of the picture's size"
            zero = net.reconstruct(torch.zeros_like(f), scale)
            twice = net.reconstruct(2 * f, scale)
            error = float((twice - zero - 2 * (y - zero)).abs().max())
            assert error < 1e-4, f"{case} x{scale}: the tail is off affine by {error:g}"
            side = 2 * net.tail_reach + 5
            x = fitting(net, side, side)
            folded = Foldable(net, folded=True)(x, scale)
            border = scale * net.tail_reach
            inside = net(x, scale)[..., border:-border, border:-border]
            error = float((folded - inside).abs().max())
            assert error < 1e-5, f"{case} x{scale}: the folded tail is off by {error:g}"


def gradients_reach_every_parameter(case: Case) -> None:
    """Each trainable parameter gets a gradient from some scale."""
    net = _module(case).train()
    if not list(net.parameters()):
        return
    for scale in net.scales:
        go_back(case, net(fitting(net, 8, 8, 2), scale))
    assert not unreached(net), f"{case}: no gradient reaches {', '.join(unreached(net))}"


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
            assert same, f"{case} x{scale} differs after saving and loading"


def tiled_equals_whole(case: Case) -> None:
    """Where the reach is bounded, odd tiles too give the whole picture; else they blend."""
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
        error = float(np.abs(tiled(values, scale) - whole).max())
        limit = 1e-5 if plan.exact else 0.2
        assert error <= limit, f"{case} x{scale}: tiles are off the whole picture by {error:g}"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "generator",
    is_a_generator,
    is_split_or_whole,
    states_papers,
    shape_at_each_scale,
    one_pixel,
    values_are_unclamped,
    scale_may_be_left_out,
    keeps_dtype,
    reach_bounds_the_receptive_field,
    same_wherever_a_picture_begins,
    reach_is_no_larger,
    deterministic,
    the_tail_looks_no_further,
    features_then_reconstruct,
    gradients_reach_every_parameter,
    survives_a_model_folder,
    tiled_equals_whole,
)


def check_generator(case: Case) -> None:
    """Run every generator check on one case.

    Raises:
        AssertionError: the first promise that is broken.
    """
    run_all(CHECKS, case)
