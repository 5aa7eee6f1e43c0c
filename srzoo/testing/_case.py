from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor

from ..contracts import Module, PluginFacts, multiple_of, on_grid, stated
from ..plugins import kinds
from ..plugins.registry import Registry, Use

N = TypeVar("N", bound=Module)


@dataclass(frozen=True)
class Case:
    """One plugin with one set of arguments."""

    name: str
    args: dict[str, Any] = field(default_factory=dict[str, Any])

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.args.items())})"


def cases(kind: str) -> list[Case]:
    """Every registered plugin of a kind with each of its ``examples`` (none: its defaults)."""
    registry = kinds.kind(kind)
    found: list[Case] = []
    for plugin in registry:
        target = registry.get(plugin.full_name)
        examples = stated(target, PluginFacts).examples
        found += [Case(plugin.full_name, dict(args)) for args in examples]
    return found


def seeded(registry: Registry[N], case: Case, seed: int = 0) -> N:
    """The network of a case in eval mode, its random weights drawn from ``seed``."""
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        torch.manual_seed(seed)  # pyright: ignore[reportUnknownMemberType]
        return registry.build(Use(case.name, case.args)).eval()


def picture(height: int, width: int, batch: int = 1, channels: int = 3) -> Tensor:
    """Random values in 0..1, the same ones for the same size."""
    values = torch.Generator().manual_seed(height * 1000 + width)
    return torch.rand(batch, channels, height, width, generator=values)


ON_A_GRID = "A network on a grid (pixel-unshuffle, windows, pooling) has to say so: write {}"
"""What mends a network whose values go by where a picture begins."""
CELLS = 16
"""Grids that are tried, to say which it is."""


def grid(case: Case, net: object) -> int:
    """The grid that a network or a block states."""
    multiple: object = getattr(net, "multiple", 1)
    fine = isinstance(multiple, int) and not isinstance(multiple, bool) and multiple >= 1
    assert fine, f"{case}.multiple is {multiple!r}, not a whole number from 1"
    return multiple_of(net)


def fitting(net: object, height: int, width: int, batch: int = 1, channels: int = 3) -> Tensor:
    """Random values as of :func:`picture`, whole cells of a network's grid."""
    multiple = multiple_of(net)
    return picture(on_grid(height, multiple), on_grid(width, multiple), batch, channels)


def ran(case: Case, run: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """What a network makes of a picture; if it fails, perhaps for its size."""
    try:
        return run(x)
    except (RuntimeError, ValueError) as error:
        height, width = x.shape[2:]
        reason = next(iter(str(error).splitlines()), "")
        mend = ON_A_GRID.format("multiple = N, its period in LR pixels")
        raise AssertionError(f"{case} fails on {height}x{width} pixels: {reason}. {mend}") from None


def same_wherever_it_begins(
    case: Case, net: Any, run: Callable[[Tensor], Tensor], channels: int = 3, factor: int = 1
) -> None:
    """A picture that begins, or ends, a cell further inside has the same values there.

    In one picture all values are numbers; in another one is none, and what it spoils has to move
    with the picture too: weights that are zero to begin with hide nothing then.

    Args:
        case: what is tried.
        net: a network or block with a bounded ``reach``.
        run: B x C x H x W to B x C' x sH x sW.
        channels: C.
        factor: s.
    """
    cell, reach = grid(case, net), int(net.reach)

    def told_apart(spare: int) -> Callable[[int, int], bool]:
        """By a picture that has so many cells more than are spoilt by its edges."""
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

    differs = told_apart(2)
    if not differs(cell, 0) and not differs(0, cell):
        return
    differs = told_apart(CELLS)
    # Also counted from the other end, where what is padded inside may be.
    found = [k for k in range(2, CELLS) if not differs(k * cell, 0) and not differs(0, k * cell)]
    mend = f"multiple = {found[0] * cell}" if found else "multiple = N, its period in LR pixels"
    raise AssertionError(
        f"{case} gives other values inside a picture that begins or ends {cell} pixels further"
        f" inside, though it states reach {reach}. {ON_A_GRID.format(mend)}"
    )


def spread(
    net: Any, run: Callable[[Tensor], Tensor], channels: int = 3, factor: int = 1
) -> int | None:
    """How many pixels away a value that is not a number spoils others, wherever in a cell it lies.

    Args:
        net: a network or block with a bounded ``reach``.
        run: B x C x H x W to B x C' x sH x sW.
        channels: C.
        factor: s.

    Returns:
        The largest distance; None if nothing is spoilt.
    """
    cell = multiple_of(net)
    side = on_grid(2 * net.reach + 5, cell) + 2 * (cell - 1)
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


def unreached(module: Module) -> list[str]:
    """The trainable parameters that the last backward pass gave no gradient."""
    return [
        name
        for name, parameter in module.named_parameters()
        if parameter.requires_grad and parameter.grad is None
    ]
