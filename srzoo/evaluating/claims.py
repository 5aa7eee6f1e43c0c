"""What a card claims, measured again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ModelError, SrzooError
from ..models.folder import ModelFolder
from ..upscaling import loading
from . import layouts, results, sets
from .evaluation import Progress, Value, evaluate, metric

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

TOLERANCES = {"psnr": 0.02, "ssim": 0.001}
"""How much worse a measured value may be than the claim, by how the metric's name begins."""
RELATIVE = 0.01
"""The same for all other metrics, as a part of the claim."""


@dataclass(frozen=True)
class Claim:
    """One result of a card's metadata.

    Attributes:
        data: the set of pictures and what was done to it, for tables.
        label: the metric's name and what was done besides, for tables.
        dataset, scale, degradation, seed, self_ensemble: as in ``evaluate.Result``.
        metric, value, protocol: as in ``evaluate.Value``.
    """

    data: str
    label: str
    dataset: str
    scale: int | None
    degradation: str | None
    seed: int | None
    self_ensemble: bool
    metric: str
    value: float
    protocol: str


@dataclass(frozen=True)
class Check:
    """A claim, and what was measured now.

    Attributes:
        holds: False where the value is worse than claimed by more than ``tolerance``, or is
            no number.
        protocol: what was measured now, to be compared with the claim's.
    """

    claim: Claim
    measured: float
    tolerance: float
    holds: bool
    protocol: str


def read(folder: ModelFolder) -> list[Claim]:
    """The claims of a model's card.

    Raises:
        ModelError: the card cannot be read, its metadata is broken, or claims no number.
    """
    path = folder.path / results.README
    return [_claim(result, path) for result in results.read(folder)]


def check(
    folder: ModelFolder,
    *,
    root: Path | None = None,
    tolerances: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> list[Check]:
    """Measure every claim of a card again.

    Args:
        folder: the model.
        root: a folder that holds the sets of pictures; None for ``$SRZOO_DATA``.
        tolerances: how much worse a metric may be than claimed, where not the usual.
        progress: is told (pictures done, pictures in all), for each set anew.

    Raises:
        SrzooError: a set of pictures is missing, or is not as it was for the claim.
    """
    groups: dict[tuple[Any, ...], list[Claim]] = {}
    for claim in read(folder):
        how = claim.dataset, claim.scale, claim.degradation, claim.seed, claim.self_ensemble
        groups.setdefault(how, []).append(claim)
        metric(claim.metric, root)  # one that is not there is found before any work
    places = {claims[0].dataset: _place(claims[0].dataset, root) for claims in groups.values()}
    model = loading.load(folder.path)
    found: list[Check] = []
    for claims in groups.values():
        claim = claims[0]
        (row,) = evaluate(
            [model],
            [places[claim.dataset]],
            scale=claim.scale,
            metrics=[claim.metric for claim in claims],
            self_ensemble=claim.self_ensemble,
            degradation=claim.degradation,
            seed=claim.seed or 0,
            root=root,
            progress=progress,
        ).rows
        if row.degradation != claim.degradation:
            then, now = (
                f"made by {d}" if d else "files" for d in (claim.degradation, row.degradation)
            )
            raise SrzooError(
                f"the LR pictures of {claim.dataset} were {then} for the claim, and are {now} now",
                f"Look into {places[claim.dataset]}",
            )
        values = {value.metric: value for value in row.values}
        found += [_compared(claim, values[claim.metric], tolerances or {}) for claim in claims]
    return found


def _place(dataset: str, root: Path | None) -> Path:
    """Where a set lies: below ``root``, or ``root`` itself if that is its name."""
    if root is not None and layouts.name_of(root) == dataset:
        return root
    return sets.named(dataset, root)


def _compared(claim: Claim, value: Value, tolerances: Mapping[str, float]) -> Check:
    tolerance = tolerances.get(claim.metric, _tolerance(claim))
    worse = claim.value - value.value
    if not value.higher_is_better:
        worse = -worse
    # Also false where either is not a number; two infinite values are equal.
    holds = worse <= tolerance or value.value == claim.value
    return Check(claim, value.value, tolerance, holds, value.protocol)


def _tolerance(claim: Claim) -> float:
    known = [size for name, size in TOLERANCES.items() if claim.metric.startswith(name)]
    return known[0] if known else abs(claim.value) * RELATIVE


def _claim(result: EvalResult, path: Path) -> Claim:
    data, args = result.dataset_args or {}, result.metric_args or {}
    value: object = result.metric_value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelError(
            f"{path}: {result.metric_type} on {result.dataset_name} is {value!r}, no number",
            "Measure it: srzoo evaluate --write-card",
        )
    row, label = results.label(result)
    return Claim(
        data=row,
        label=label,
        dataset=result.dataset_name,
        scale=data.get("scale"),
        degradation=data.get("degradation"),
        seed=data.get("seed"),
        self_ensemble=bool(args.get("self_ensemble", False)),
        metric=result.metric_type,
        value=float(value),
        protocol=str(args.get("protocol", "")),
    )
