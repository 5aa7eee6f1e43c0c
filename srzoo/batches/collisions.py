"""Pictures whose results would have the same name."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PictureError

if TYPE_CHECKING:
    from .job import Job


def refuse(jobs: list[Job], into: Path | None) -> None:
    """Refuse two results of the same name, as any file system compares names.

    Args:
        jobs: the possible ones.
        into: the folder of their results; None for beside their pictures.

    Raises:
        PictureError: two results would be the same file, or one would be the other's folder.
    """
    owners: dict[tuple[str, str], Job] = {}
    folders: dict[tuple[str, str], Job] = {}
    for job in jobs:
        for key in _names_above(job, into):
            folders.setdefault(key, job)
        key = _key(job.target, into)
        other = owners.setdefault(key, job)
        if other is not job and other.source == job.source:
            what = f"all pages of {job.source} would become {job.target}"
            raise PictureError(what, "Write {page} into --name")
        if other is not job:
            raise PictureError(
                f"{other.source} and {job.source} would both become {job.target}"
                + (f" (or {other.target})" if other.target != job.target else ""),
                "Rename one, or give them one at a time with -o",
            )
    for key, job in owners.items():
        if key in folders:
            raise PictureError(
                f"{job.source} would become {job.target}, the folder of {folders[key].target}",
                "Rename one, or give them one at a time with -o",
            )


def _key(path: Path, into: Path | None) -> tuple[str, str]:
    """Equal for paths that some file system treats as one: case, and é as one sign or two."""
    if into is None:
        # These folders exist, and are different, however similar their names are.
        base, name = os.path.realpath(path.parent), path.name
    else:
        base, name = "", str(path.relative_to(into))
    return base, unicodedata.normalize("NFC", name.casefold())


def _names_above(job: Job, into: Path | None) -> Iterator[tuple[str, str]]:
    if into is not None:
        for folder in job.target.parents:
            if folder == into:
                break
            yield _key(folder, into)
