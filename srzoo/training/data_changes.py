"""Changes of the data since a run stopped; the run's folder records the state of the data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..common import files, kept_folders
from .sets import GuardedDataset, fingerprint_of

if TYPE_CHECKING:
    from ..contracts import Dataset

FILE = "data.json"

State = dict[str, Any]
"""The state of each dataset, by its plugin and arguments, from :func:`snapshot`."""


def snapshot(dataset: Dataset, place: str, name: str) -> dict[str, Any]:
    """The facts that show whether a dataset has changed.

    Args:
        dataset: the dataset.
        place: its key in the recipe, such as "data.train".
        name: of its plugin.

    Raises:
        SrzooError: the set has no fingerprint.
    """
    return {
        "called": f"{place} ({name})",
        "pictures": len(GuardedDataset(dataset)),
        "fingerprint": fingerprint_of(dataset, name),
    }


def write(run: Path, now: State) -> None:
    """Record the state of a run's data, replacing the earlier state of the same datasets."""
    run.mkdir(parents=True, exist_ok=True)
    with files.atomic_write(run / FILE) as file:
        file.write(kept_folders.seal({"sets": {**read(run), **now}}))


def read(run: Path) -> State:
    """The recorded state; empty if it is missing or damaged."""
    found = (kept_folders.check_seal(run / FILE) or {}).get("sets")
    return cast("State", found) if isinstance(found, dict) else {}


def describe_changes(before: State, now: State) -> list[str]:
    """A sentence for each dataset that has changed."""
    return [
        _changed_settings(before[key], facts)
        for key, facts in now.items()
        if isinstance(before.get(key), Mapping)
        and before[key].get("fingerprint") != facts["fingerprint"]
    ]


def _changed_settings(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    then, count = before.get("pictures"), now["pictures"]
    how = (
        f"it had {then} pictures, and now has {count}"
        if then != count
        else "names, sizes or modification times of its files differ"
    )
    return (
        f"{now['called']} has changed since this run stopped: {how}; the rest of the run"
        " differs from an uninterrupted one"
    )
