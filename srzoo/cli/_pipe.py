"""``srzoo upscale - -o -``: pictures through pipes."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import PictureError

if TYPE_CHECKING:
    from ..batches.batch import Batch

PIPE = "-"
STDIN, STDOUT = Path("standard input"), Path("standard output")


class _Input(io.BytesIO):
    """What came through the pipe, by a name for messages."""

    name = str(STDIN)


def path(name: str) -> Path:
    """The path of an argument; ``./-`` is a file, and stays one."""
    return Path(os.path.abspath(name)) if Path(name) == Path(PIPE) else Path(name)


def plan(
    inputs: tuple[str, ...],
    output: str | None,
    format: str | None,
    overwrite: bool,
    skip_existing: bool,
    max_pixels: int,
) -> Batch:
    """One job, from standard input or to standard output, or both.

    Raises:
        PictureError: these do not go together, or there is no pipe.
    """
    from .. import images
    from ..batches import batch

    if len(inputs) != 1:
        raise PictureError("a pipe takes one picture", f"Give {PIPE} alone")
    if output is None:
        raise PictureError("no place is named for the result", "Give -o - or -o FILE")
    through = inputs[0] == PIPE
    source = STDIN if through else path(inputs[0])
    if output == PIPE:
        if sys.stdout.isatty():
            raise PictureError("standard output is a terminal", "Add > FILE, or give -o FILE")
        known = [k for k, f in images.FORMATS.items() if source.suffix.lower() in f.suffixes]
        job = batch.Job(source, STDOUT, format or (known or ["png"])[0], sink=sys.stdout.buffer)
    else:
        target = path(output)
        if output.endswith(("/", os.sep)) or target.is_dir():
            raise PictureError("a picture from a pipe has no name", "Give -o FILE, not a folder")
        job = batch.Job(source, target, format or images.format_of(target), data=io.BytesIO())
        job = batch.judged(job, overwrite, skip_existing)
    if through and not (job.problem or job.kept):
        data = _Input(_stdin())
        if output == PIPE and format is None:
            job = replace(job, format=images.read(data, max_pixels=max_pixels).format)
        job = replace(job, data=data)
    return batch.Batch([job])


def _stdin() -> bytes:
    if sys.stdin.isatty():
        raise PictureError("standard input is a terminal", "Pipe a picture into it")
    return sys.stdin.buffer.read()
