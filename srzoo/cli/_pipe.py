"""``srzoo upscale - -o -``: pictures through pipes."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

from ..common import descriptors, files
from ..errors import PictureError
from . import _streams

if TYPE_CHECKING:
    from ..batches.batch import Batch
    from ..images import ReadRequest

PIPE = "-"
STDIN, STDOUT = Path("standard input"), Path("standard output")


class _Input(io.BytesIO):
    """Bytes from a pipe, with a name for messages."""

    name = str(STDIN)


def input_name(name: str) -> str:
    """``-`` for every name of standard input."""
    return PIPE if files.descriptor(name) == 0 else name


def output_name(name: str | None) -> str | None:
    """``-`` for every name of standard output: ``/dev/stdout``, ``/proc/self/fd/1``."""
    return PIPE if name and files.descriptor(name) == descriptors.OUT else name


def input_path(name: str) -> Path:
    """The path of an argument; ``./-`` stays a file."""
    return Path(os.path.abspath(name)) if Path(name) == Path(PIPE) else Path(name)


def plan_pipe(
    inputs: tuple[str, ...],
    output: str | None,
    format: str | None,
    overwrite: bool,
    skip_existing: bool,
    request: ReadRequest,
) -> Batch:
    """One job, from standard input or to standard output, or both.

    Raises:
        PictureError: the arguments contradict each other, or there is no pipe.
    """
    from .. import images
    from ..batches import batch

    if len(inputs) != 1:
        raise PictureError("a pipe takes one picture", f"Give {PIPE} alone")
    if output is None:
        raise PictureError("no output is given for the result", "Give -o - or -o FILE")
    through = inputs[0] == PIPE
    picture = STDIN if through else input_path(inputs[0])
    own = False
    if output == PIPE:
        known = [k for k, f in images.FORMATS.items() if picture.suffix.lower() in f.suffixes]
        job = batch.Job(
            picture, STDOUT, format or (known or ["png"])[0], sink=_stdout(), page=request.page
        )
        own = format is None
    else:
        target = input_path(output)
        if output.endswith(("/", os.sep)) or os.path.isdir(target):
            raise PictureError("a picture from a pipe has no name", "Give -o FILE, not a folder")
        own = format is None and files.is_stream(target)  # a device has no suffix
        found = format or ("png" if own else images.format_of(target))
        job = batch.Job(picture, target, found, data=io.BytesIO(), page=request.page)
        job = batch.check_target(job, overwrite, skip_existing)
    if through and not (job.problem or job.skip_reason):
        data = _Input(_stdin())
        if own:
            job = replace(job, format=images.read_format(data))
        job = replace(job, data=data)
    return batch.Batch([job])


def _stdin() -> bytes:
    stdin = cast("TextIO | None", sys.stdin)
    if stdin is None:
        raise PictureError("standard input is closed", "Pipe a picture into it, or name a file")
    if stdin.isatty():
        raise PictureError("standard input is a terminal", "Pipe a picture into it")
    try:
        return stdin.buffer.read()
    except OSError as error:
        raise PictureError(
            f"cannot read {STDIN}: {error.strerror or error}", "Pipe a picture into it"
        ) from error


def _stdout() -> BinaryIO:
    """Standard output, which from now on is reserved for the picture."""
    streams = _streams.current()
    if streams.binary is None:
        raise PictureError("standard output is closed", "Add > FILE, or give -o FILE")
    if streams.out.isatty():
        raise PictureError("standard output is a terminal", "Add > FILE, or give -o FILE")
    streams.for_machines()
    return streams.binary
