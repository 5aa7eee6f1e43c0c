"""Checks the claims of a card by measuring them again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contracts.optional import tolerance_of
from ..errors import ModelError, SrzooError
from ..exporting import engine
from ..models.folder import ModelFolder
from ..models.readme import README
from ..upscaling import loading
from . import layouts, results, sets
from .evaluation import Value, build_metric, evaluate

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

    from ..common.progress import Progress
    from ..contracts import Metric


@dataclass(frozen=True)
class Claim:
    """One result of a card's metadata.

    Attributes:
        data: the set of pictures and its degradation, for tables.
        label: the metric's name and options, for tables.
        dataset, scale, degradation, seed, self_ensemble: as in ``evaluation.Result``.
        metric, value, protocol: as in ``evaluation.Value``.
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
class CheckedClaim:
    """A claim, and the value measured now.

    Attributes:
        holds: False if the value is worse than claimed by more than ``tolerance``, or not a number.
        protocol: of the value measured now, for comparison with the claim's.
    """

    claim: Claim
    measured: float
    tolerance: float
    holds: bool
    protocol: str


def read(folder: ModelFolder) -> list[Claim]:
    """The claims of a model's card.

    Raises:
        ModelError: the card cannot be read, or its metadata is broken or contains no results.
    """
    path = folder.path / README
    return [_claim(result, path) for result in results.read(folder)]


def check(
    folder: ModelFolder,
    *,
    root: Path | None = None,
    tolerances: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> list[CheckedClaim]:
    """Measure every claim of a card again.

    Args:
        folder: the model.
        root: the folder with the sets of pictures; None for ``$SRZOO_DATA``.
        tolerances: how much worse than claimed each metric may be; by default as the metric states.
        progress: called with (pictures done, pictures in all), from the beginning for each set.

    Raises:
        SrzooError: a set of pictures is missing, or has other LR pictures than the claim.
    """
    groups: dict[tuple[Any, ...], list[Claim]] = {}
    judges: dict[str, Metric] = {}
    for claim in read(folder):
        how = claim.dataset, claim.scale, claim.degradation, claim.seed, claim.self_ensemble
        groups.setdefault(how, []).append(claim)
        if claim.metric not in judges:  # a missing metric raises an error before any work
            judges[claim.metric] = build_metric(claim.metric, root)
    places = {claims[0].dataset: _place(claims[0].dataset, root) for claims in groups.values()}
    model = loading.load(folder.path, engine=engine.reference())
    found: list[CheckedClaim] = []
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
                f"the LR pictures of {claim.dataset} were {then} for the claim, but are {now} now",
                f"Check {places[claim.dataset]}",
            )
        values = {value.metric: value for value in row.values}
        for claim in claims:
            usual = tolerance_of(judges[claim.metric], claim.value)
            tolerance = (tolerances or {}).get(claim.metric, usual)
            found.append(_compare(claim, values[claim.metric], tolerance))
    return found


def _place(dataset: str, root: Path | None) -> Path:
    """The folder of a set: below ``root``, or ``root`` itself if it has that name."""
    if root is not None and layouts.name_of(root) == dataset:
        return root
    return sets.set_folder(dataset, root)


def _compare(claim: Claim, value: Value, tolerance: float) -> CheckedClaim:
    worse = claim.value - value.value
    if not value.higher_is_better:
        worse = -worse
    # False for NaN too; two equal infinite values hold.
    holds = worse <= tolerance or value.value == claim.value
    return CheckedClaim(claim, value.value, tolerance, holds, value.protocol)


def _claim(result: EvalResult, path: Path) -> Claim:
    data, args = result.dataset_args or {}, result.metric_args or {}
    value: object = result.metric_value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ModelError(
            f"{path}: {result.metric_type} on {result.dataset_name} is {value!r}, not a number",
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
        metric=results.metric_of(result),
        value=float(value),
        protocol=str(args.get("protocol", "")),
    )
