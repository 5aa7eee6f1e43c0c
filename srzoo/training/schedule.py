"""The learning rate: a pure function of the step, so that no state has to be saved."""

from __future__ import annotations

import math

from ..recipes.recipe import Schedule


def factor(schedule: Schedule, step: int, steps: int) -> float:
    """The factor on the learning rate at a step (from 0) of a run of ``steps``."""
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    if schedule.name == "step":
        return _step(schedule, step)
    if schedule.name == "cosine_restarts":
        return _cosines(schedule, step)
    share = (step - schedule.warmup) / max(1, steps - schedule.warmup)
    if schedule.name == "linear":
        return schedule.floor + (1 - schedule.floor) * (1 - share)
    if schedule.name == "cosine":
        return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * share))
    return 1.0


def _step(schedule: Schedule, step: int) -> float:
    """BasicSR's MultiStepRestartLR: a milestone on a restart does not count."""
    begun = sum(step >= restart for restart in schedule.restarts)
    since = schedule.restarts[begun - 1] if begun else -1
    weight = schedule.restart_weights[begun - 1] if begun and schedule.restart_weights else 1.0
    return weight * schedule.gamma ** sum(since < at <= step for at in schedule.at)


def _cosines(schedule: Schedule, step: int) -> float:
    """BasicSR's CosineAnnealingRestartLR: a period's last value is at the step that ends it."""
    start = number = 0
    while number < len(schedule.periods) - 1 and step > start + schedule.periods[number]:
        start += schedule.periods[number]
        number += 1
    share = min(1.0, (step - start) / schedule.periods[number])
    weight = schedule.restart_weights[number] if schedule.restart_weights else 1.0
    return schedule.floor + weight * 0.5 * (1 - schedule.floor) * (1 + math.cos(math.pi * share))


def ema_decay(decay: float, step: int) -> float:
    """The averaging factor at a step (from 0): smaller at first, so that random weights fade."""
    return min(decay, (1 + step) / (10 + step))
