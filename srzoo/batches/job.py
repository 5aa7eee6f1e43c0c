"""One picture of a batch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from ..errors import SrzooError
from .ledger import Settings


@dataclass(frozen=True)
class Job:
    """One picture to make, or the reason why it cannot or need not be made.

    Attributes:
        source: the picture.
        target: the result.
        format: a key of ``images.FORMATS``.
        problem: why it cannot be made.
        skip_reason: why the target is kept ("done before", "exists").
        data: bytes from a pipe; then ``source`` is only a name.
        sink: a stream for the result; then ``target`` is only a name.
        page: the page or frame of the file, from 1; None for a file with only one.
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
        """This job's own settings that affect the result, for the ledger."""
        return {"format": self.format, "page": self.page}
