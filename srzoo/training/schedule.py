"""How the learning rate moves: a pure function of the step, so that nothing has to be saved."""

from __future__ import annotations

import math

from ..recipe import Schedule


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """What the learning rate is multiplied by at a step (from 0) of a run of ``steps``."""
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if schedule.name == "step":
        return schedule.gamma ** sum(step >= at for at in schedule.at)
    if schedule.name == "cosine":
        share = (step - schedule.warmup) / max(1, steps - schedule.warmup)
        return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * share))
    return 1.0


def ema_decay(decay: float, step: int) -> float:
    """The averaging factor at a step (from 0): smaller at first, so that random weights fade."""
    return min(decay, (1 + step) / (10 + step))
