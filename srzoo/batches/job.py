"""One picture of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import SrzooError
from .ledger import Settings


@dataclass(frozen=True)
class Job:
    """One picture to be made, or the reason why it cannot be, or need not be.

    Attributes:
        source: the picture.
        target: what it becomes.
        format: a key of ``images.FORMATS``.
        problem: why it cannot be made.
        skip_reason: why the target stays as it is ("done before", "exists").
        data: what came through a pipe; ``source`` is its name then.
        sink: where the result is written to instead of to a file; ``target`` is its name then.
        page: which page or frame of the file, from 1; None where there is but one.
    """

    source: Path
    target: Path
    format: str
    problem: SrzooError | None = None
    skip_reason: str | None = None
    data: BinaryIO | None = None
    sink: BinaryIO | None = None
    page: int | None = None

    @property
    def settings(self) -> Settings:
        """What decides how this one comes out, besides what is common to all, for the ledger."""
        return {"format": self.format, "page": self.page}
