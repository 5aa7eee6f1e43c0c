"""The contract tests of a generator that splits into a body and a tail."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import nn

from ..contracts import has_linear_tail, splits
from ..networks.fold import Foldable
from ..plugins import kinds
from ._case import Case, seeded
from ._promise import basic, can, has
from ._reach import fitting, least, spread


def takes_a_scale(case: Case, net: Any, name: str, first: str) -> None:
    """Check that a method takes a scale as a positional argument, as the core passes it."""
    parameters = [*inspect.signature(getattr(net, name)).parameters.values()]
    if any(each.kind is each.VAR_POSITIONAL for each in parameters):
        return
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    write = f"write `def {name}(self, {first}, scale=None)`"
    shown = ", ".join(str(p.replace(annotation=p.empty)) for p in parameters)
    if len(places) < 2 and any(p.name == "scale" for p in parameters):
        raise AssertionError(f"{case}.{name} takes no positional scale: {write}")
    assert len(places) >= 2, f"{case}.{name} takes ({shown}), but no scale: {write}"
    needed = [p.name for p in parameters if p.default is p.empty and p not in places[:2]]
    assert not needed, f"{case}.{name} needs {', '.join(needed)} besides a scale: {write}"
    fine = len(net.scales) > 1 or places[1].default is not places[1].empty
    assert fine, f"{case}.{name} cannot be called without its one scale: {write}"


@basic
def is_split_or_whole(case: Case) -> None:
    """``features`` and ``reconstruct`` are both defined or both missing; ``tail_reach`` needs both.

    A generator without ``tail_reach`` runs as a whole, whatever methods it has.
    """
    net: Any = seeded(kinds.generators, case)
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
        mend = "define features, reconstruct and tail_reach, or none of them"
        can(case, net, name, mend)
        takes_a_scale(case, net, name, what)
    mend = "write `tail_reach = N`, how many LR pixels on each side reconstruct looks; from 1"
    reach: object = has(case, net, "tail_reach", mend)
    fine = isinstance(reach, int) and not isinstance(reach, bool) and reach >= 1
    assert fine, f"{case}.tail_reach is {reach!r}: {mend}"


@torch.no_grad()
def the_tail_looks_no_further(case: Case) -> None:
    """An output pixel of ``reconstruct`` depends on features up to ``tail_reach`` away."""
    net: Any = seeded(kinds.generators, case)
    if not splits(net):
        return
    looked: list[int] = []
    for scale in net.scales:
        x = fitting(net, *least(net, 9, 8))
        f = net.features(x, scale)
        if f.shape[2:] != x.shape[2:]:
            continue  # on a grid; the contract asks no grid of a tail

        def run(f: torch.Tensor, net: Any = net, scale: int = scale) -> torch.Tensor:
            return net.reconstruct(f, scale)

        away = spread(net, run, f.shape[1], scale, net.tail_reach) or 0
        looked.append(away)
        write = f"write `tail_reach = {away}`"
        say = f"{case} x{scale}: tail_reach is {away}, but it states {net.tail_reach}: {write}"
        assert away <= net.tail_reach, say
    away = max(1, *looked) if looked else net.tail_reach
    write = f"write `tail_reach = {away}`"
    assert away == net.tail_reach, (
        f"{case}: tail_reach is {away}, but it states {net.tail_reach}: {write}"
    )


@torch.no_grad()
def features_then_reconstruct(case: Case) -> None:
    """``reconstruct(features(x))`` is ``forward(x)``, and affine if ``linear_tail`` is True."""
    net: Any = seeded(kinds.generators, case)
    if not splits(net):
        return
    for scale in net.scales:
        x = fitting(net, *least(net, 6, 5))
        f = net.features(x, scale)
        y = net.reconstruct(f, scale)
        mend = "in forward, write `return self.reconstruct(self.features(x, scale), scale)`"
        same = torch.equal(y, net(x, scale))
        assert same, f"{case} x{scale}: reconstruct(features(x)) is not forward(x): {mend}"
        if has_linear_tail(net):
            same = f.shape[2:] == x.shape[2:]
            assert same, f"{case} x{scale}: linear_tail needs features of the picture's size"
            zero = net.reconstruct(torch.zeros_like(f), scale)
            twice = net.reconstruct(2 * f, scale)
            error = float((twice - zero - 2 * (y - zero)).abs().max())
            no = "write `linear_tail = False`, or leave it out"
            assert error < 1e-4, f"{case} x{scale}: the tail is off affine by {error:g}: {no}"
            side = 2 * net.tail_reach + 5
            x = fitting(net, side, side)
            folded = Foldable(net, folded=True)(x, scale)
            border = scale * net.tail_reach
            inside = net(x, scale)[..., border:-border, border:-border]
            error = float((folded - inside).abs().max())
            why = f"reconstruct is not the same at every pixel: {no}"
            assert error < 1e-5, f"{case} x{scale}: the folded tail is off by {error:g}: {why}"
