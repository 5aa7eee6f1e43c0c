"""What every generator has to keep."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
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
from ..plugins.registry import Use
from ..upscaling.upscaler import SMALLEST, Upscaler
from ._case import (
    Case,
    fitting,
    grid,
    picture,
    ran,
    same_wherever_it_begins,
    seeded,
    spread,
    unreached,
)

ODD_SIZES = ((7, 5), (1, 9), (13, 16))


def _module(case: Case) -> Generator:
    return seeded(kinds.generators, case)


def is_a_generator(case: Case) -> None:
    """It is an ``nn.Module`` with ``scales``, ``reach``, and perhaps ``multiple``."""
    net = _module(case)
    assert isinstance(net, nn.Module), f"{case} is a {type(net).__name__}, not an nn.Module"
    scales: object = net.scales
    assert isinstance(scales, tuple), f"{case}.scales is {scales!r}, not a tuple"
    assert scales, f"{case}.scales is empty"
    reach: object = net.reach
    assert reach is None or (isinstance(reach, int) and reach >= 0), f"{case}.reach is {reach!r}"
    grid(case, net)


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


@torch.no_grad()
def shape_at_each_scale(case: Case) -> None:
    """B x 3 x H x W becomes B x 3 x sH x sW, for all sizes on the grid, and in batches."""
    net = _module(case)
    for scale in net.scales:
        for height, width in ODD_SIZES:
            x = fitting(net, height, width, 2)
            y = ran(case, lambda x, scale=scale: net(x, scale), x)
            want = (2, 3, scale * x.shape[2], scale * x.shape[3])
            assert tuple(y.shape) == want, f"{case} x{scale} gave {tuple(y.shape)}, not {want}"


@torch.no_grad()
def one_pixel(case: Case) -> None:
    """A picture of one pixel is a picture; on a grid, one of one cell."""
    net = _module(case)
    for scale in net.scales:
        x = fitting(net, 1, 1)
        y = ran(case, lambda x, scale=scale: net(x, scale), x)
        want = (1, 3, scale * x.shape[2], scale * x.shape[3])
        assert tuple(y.shape) == want, f"{case} x{scale} gave {tuple(y.shape)}, not {want}"


@torch.no_grad()
def scale_may_be_left_out(case: Case) -> None:
    """Where there is one scale, ``forward(x)`` is ``forward(x, scale)``."""
    net = _module(case)
    if len(net.scales) == 1:
        x = fitting(net, 6, 5)
        assert torch.equal(net(x), net(x, net.scales[0])), f"{case}: scale=None differs"


@torch.no_grad()
def keeps_dtype(case: Case) -> None:
    """float64 and bfloat16 networks give what they are given, and the input stays as it is."""
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        net = _module(case).to(dtype)
        x = fitting(net, 6, 5).to(dtype)
        before = x.clone()
        y = net(x, net.scales[0])
        assert y.dtype == dtype, f"{case} turned {dtype} into {y.dtype}"
        assert torch.equal(x, before), f"{case} changed its input in place"


@torch.no_grad()
def reach_bounds_the_receptive_field(case: Case) -> None:
    """A pixel that is not a number spoils nothing further away than ``reach``."""
    net = _module(case)
    if net.reach is None:
        return
    for scale in net.scales:
        away = spread(net, lambda x, scale=scale: net(x, scale), factor=scale)
        assert away is not None, f"{case} x{scale}: the output does not depend on the input"
        assert away <= net.reach, f"{case} x{scale} reaches {away} LR pixels, not {net.reach}"


@torch.no_grad()
def same_wherever_a_picture_begins(case: Case) -> None:
    """What is stated of the grid is true: tiles may begin at all its multiples."""
    net = _module(case)
    if net.reach is None:
        return
    for scale in net.scales:
        same_wherever_it_begins(case, net, lambda x, scale=scale: net(x, scale), factor=scale)


@torch.no_grad()
def deterministic(case: Case) -> None:
    """In eval mode the same picture gives the same values."""
    net = _module(case)
    x = fitting(net, 9, 8)
    for scale in net.scales:
        assert torch.equal(net(x, scale), net(x, scale)), f"{case} x{scale} is not deterministic"


@torch.no_grad()
def features_then_reconstruct(case: Case) -> None:
    """``reconstruct(features(x))`` is ``forward(x)``, and affine if ``linear_tail`` says so."""
    net = _module(case)
    if not splits(net):
        whole = not getattr(net, "linear_tail", False)
        assert whole, f"{case} has a linear_tail without features, reconstruct and tail_reach"
        return
    for scale in net.scales:
        x = fitting(net, 6, 5)
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
            x = fitting(net, 9, 8)
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
        torch.autograd.backward(net(fitting(net, 8, 8, 2), scale).square().mean())
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


CHECKS: tuple[Callable[[Case], None], ...] = (
    is_a_generator,
    states_papers,
    shape_at_each_scale,
    one_pixel,
    scale_may_be_left_out,
    keeps_dtype,
    reach_bounds_the_receptive_field,
    same_wherever_a_picture_begins,
    deterministic,
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
    for check in CHECKS:
        check(case)
