"""Several pictures of one size in one call of the network, if it supports batches and they fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..common.memory import free, used
from ..plugins import importing
from .planner import WORKING_MEMORY

if TYPE_CHECKING:
    from ..contracts import Runner
    from .planner import TilePlan

LARGEST = 2**18
"""LR pixels of a call over all its pictures: more is not faster."""


def takes_batches(runner: Runner) -> bool:
    """Whether an engine supports batches; most do not."""
    with importing.blamed(runner):
        return getattr(runner, "batches", False) is True


def how_many(plan: TilePlan, runner: Runner, memory: int | None) -> int:
    """How many pictures, each a single tile, pass through the network in one call.

    Args:
        plan: of one of them.
        runner: the engine's runner.
        memory: bytes that the whole process may use; None for 60 % of the free memory.
    """
    if plan.tiles != 1:
        return 1
    budget = used() + int(0.6 * free()) if memory is None else memory
    spare = budget - plan.bytes
    with importing.blamed(runner):
        there = runner.free_memory()
    if there is not None:
        spare = min(spare, int(0.8 * there) - plan.tile_bytes)
    elif memory is None:
        spare = min(spare, WORKING_MEMORY - plan.tile_bytes)
    fit = 1 + max(0, spare) // max(1, plan.tile_bytes)
    return max(1, min(fit, LARGEST // max(1, plan.area)))
