"""Output files: written to a temporary name, and renamed when complete."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import BinaryIO

from ..common import files, troubles
from ..errors import PictureError

PART = files.PART

Record = Callable[[os.stat_result], None]


@contextlib.contextmanager
def to_file(
    target: Path, record: Record | None = None, times: tuple[int, int] | None = None
) -> Generator[BinaryIO]:
    """A file that replaces ``target`` if no error occurs, and is deleted otherwise.

    Threads may write several at a time.

    Args:
        target: the file; its folder must exist.
        record: called with the finished file's state before it is renamed. Then the folder
            belongs to this process: :func:`sweep` deletes leftovers of killed ones.
        times: of access and modification in nanoseconds, to set.

    Raises:
        PictureError: the folder cannot be written, or the disk is full.
    """
    try:
        start = files.PART if record else files.TEMPORARY
        with files.atomic_write(target, record, start, times=times) as file:
            yield file
    except OSError as error:
        raise _cannot(target, error) from error


@contextlib.contextmanager
def to_sink(name: Path, sink: BinaryIO) -> Generator[BinaryIO]:
    """A file that is sent through a pipe when it is complete.

    Raises:
        PictureError: there is no room for it.
    """
    try:
        with files.spooled(sink, str(name)) as file:
            yield file
    except BrokenPipeError:
        raise  # the reader has closed the pipe
    except OSError as error:
        raise _cannot(name, error) from error


def make_folder(folder: Path) -> None:
    """Create a folder if needed.

    Raises:
        PictureError: it cannot be created or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(
            f"cannot create the folder {folder}: {error.strerror}", "Choose another place with -o"
        ) from error
    if not os.access(folder, os.W_OK):
        raise PictureError(f"cannot write to {folder}", "Choose another place with -o")


def check_folder(folder: Path) -> None:
    """Raise the errors of :func:`make_folder`, but create nothing.

    Raises:
        PictureError: it cannot be created or written.
    """
    there = folder
    while not os.path.lexists(there) and there != there.parent:
        there = there.parent
    if there.exists() and not there.is_dir():
        raise PictureError(
            f"cannot create the folder {folder}: {there} is not a folder",
            "Choose another place with -o",
        )
    if not os.access(there, os.W_OK | os.X_OK):
        raise PictureError(f"cannot write to {there}", "Choose another place with -o")


def sweep(folder: Path) -> None:
    """Delete unfinished files of killed runs; no other batch may be writing to the folder."""
    for path in folder.glob(f"{files.PART}*"):
        files.remove(path)
    files.sweep(folder)


def _cannot(target: Path, error: OSError) -> PictureError:
    room = error.errno in troubles.FULL
    fix = f"{'Make room there, or choose' if room else 'Choose'} another place with -o"
    return PictureError(f"cannot write {target}: {error.strerror or error}", fix)


def longest_name(folder: Path) -> int:
    """The largest size of a file name, in bytes, in a folder or where it will be created."""
    while not os.path.exists(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        return os.pathconf(folder, "PC_NAME_MAX")
    except (AttributeError, OSError, ValueError):
        return 255
