"""Validation: runs held-out pictures through the averaged weights; values and a sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..evaluating.degrading import degrade
from ..evaluating.judging import MetricQueue, PendingValues
from ..images.sheet import draw
from ..networks.runner import ModuleRunner
from ..plugins import kinds
from ..upscaling.upscaler import Upscaler
from .guarded_metrics import ask
from .parts import Parts

SHOWN = 4
"""Pictures on the contact sheet."""


def validate(parts: Parts, sheet: Path | None) -> dict[str, float]:
    """Mean metrics over the validation pictures; with several scales, one value for each.

    Args:
        parts: of the run; its averaged weights are evaluated.
        sheet: the file for a sheet LR | bicubic | SR | HR, or None.
    """
    modes = [(module, module.training) for module in parts.ema.modules()]
    upscaler = Upscaler(ModuleRunner(parts.ema, parts.device), parts.scales, "the model")
    metrics = parts.metrics
    judging = MetricQueue(metrics, ask=ask)  # in threads while the next picture is upscaled
    values: dict[str, float] = {}
    rows: list[tuple[str, list[np.ndarray]]] = []
    shrink = kinds.degradations.build(parts.recipe.data.degradation)
    for scale in parts.scales:
        judged: list[PendingValues] = []
        for number, name in enumerate(parts.validation.names):
            hr = parts.validation.hr(number)
            height, width = (side // scale * scale for side in hr.shape[:2])
            hr = hr[:height, :width]
            if parts.validation.has_lr(number, scale):
                lr = parts.validation.lr(number, scale)
            else:
                chance = np.random.default_rng([parts.recipe.train.seed, number])
                called = parts.recipe.data.degradation.name
                lr = degrade(hr, scale, shrink, called, chance, name)
            sr = upscaler.array(lr, scale)
            judged.append(judging.add(sr, hr, scale))
            if scale == max(parts.scales) and number < SHOWN:
                rows.append((name, [lr, sr, hr]))
        found = [one.values() for one in judged]
        if scale == max(parts.scales):
            first = next(iter(metrics))
            rows = [(f"{name}  {first} {found[at][first]:.4g}", shown)
                    for at, (name, shown) in enumerate(rows)]  # fmt: skip
        end = f"_x{scale}" if len(parts.scales) > 1 else ""
        values |= {f"{key}{end}": float(np.mean([each[key] for each in found])) for key in metrics}
    if sheet:
        draw(sheet, rows)
    for module, training in modes:  # frozen modules stay in eval mode
        module.training = training
    return values


def is_better(parts: Parts, values: dict[str, float], best: tuple[int, float] | None) -> bool:
    """Whether the first metric is better than that of the best checkpoint so far."""
    value = next(iter(values.values()))
    if best is None:
        return True
    metric = next(iter(parts.metrics.values()))
    return value > best[1] if metric.higher_is_better else value < best[1]
