"""The ledger of a batch: one JSON line per finished picture, so that a killed run can resume.

The line is on the disk before the picture takes its name, and says what file will bear it
(size and time of change). So at whatever moment a run is killed, a result is known to be right, or
it is made again; a cut-off last line is passed over.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import threading
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from .._version import __version__
from ..common import files
from ..errors import PictureError

NAME = ".srzoo-ledger.jsonl"

Settings = Mapping[str, str | float | bool | None]
"""All that decides how a picture comes out, besides the picture.

A key that is missing is one that is None: so whatever an option that is new here is called, its
default is None, and a ledger from before it was there still counts.
"""
LONGEST = 2**20
"""Bytes of a line; a longer one is not ours."""
State = Literal["done", "ours", "others"]


@dataclass(frozen=True)
class InputSnapshot:
    """Which picture it was: times of change in nanoseconds, and what it held."""

    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str

    def is_still(self, source: Path) -> bool:
        """Whether the file holds the same; read only if it may have been touched."""
        try:
            stat = source.stat()
            if stat.st_size != self.size:
                return False
            if (stat.st_mtime_ns, stat.st_ctime_ns) == (self.mtime_ns, self.ctime_ns):
                return True
            return _digest(source) == self.sha256
        except OSError:
            return False


@dataclass(frozen=True)
class LedgerEntry:
    """One picture that was made: from what, how, and what its file looked like."""

    source: str
    input: InputSnapshot
    settings: Settings
    size: int
    mtime_ns: int

    def describes(self, target: Path) -> bool:
        """Whether the file is as the run left it."""
        try:
            stat = target.stat()
        except OSError:
            return False
        apart = abs(stat.st_mtime_ns - self.mtime_ns)
        # USB sticks keep times in steps of two seconds, seen when they are mounted again.
        coarse = stat.st_mtime_ns % 10**9 == 0 and apart < 2 * 10**9
        return stat.st_size == self.size and (apart == 0 or coarse)


def snapshot(source: Path) -> InputSnapshot:
    """Which picture a file is now; to be called before it is decoded.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        # In this order a change at any moment shows in the time, or in the digest.
        stat = source.stat()
        return InputSnapshot(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, _digest(source))
    except OSError as error:
        raise PictureError(f"cannot read {source}: {error.strerror}", "Restore the file") from error


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Ledger:
    """The ledger of an output folder; reading it creates nothing.

    Args:
        folder: the output folder, which need not exist.

    Raises:
        PictureError: there is a ledger that cannot be read, or another run is writing into it.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / NAME
        self._entries: dict[str, LedgerEntry] = {}
        self._handle: int | None = None
        self._guard = threading.Lock()
        self._size, self._torn = 0, False
        try:
            if os.path.exists(self.path) and not self.path.is_file():
                raise OSError(errno.EEXIST, "it is not a file")
            with self.path.open("rb") as file:
                try:
                    self._read(file)
                except PermissionError:  # Windows lets nobody read what another has locked
                    raise self._in_use() from None
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._trouble("read", error) from error

    def _read(self, file: BinaryIO) -> None:
        """Take up the lines that are whole and ours, whatever lies between them."""
        whole = True
        while line := file.readline(LONGEST):
            self._size += len(line)
            ended = line.endswith(b"\n")
            if whole and (ended or len(line) < LONGEST) and (found := _parse(line)):
                self._entries[found[0]] = found[1]
            whole = ended
        self._torn = not whole

    @property
    def targets(self) -> set[str]:
        """The results it has, as paths in its folder."""
        return set(self._entries)

    def state(self, target: Path, source: Path, settings: Settings) -> State:
        """What is known of an existing file.

        Returns:
            "done" if it is what this source would become again; "ours" if a batch made it
            from something else or otherwise, and nobody changed it; else "others".
        """
        entry = self._entries.get(self._key(target))
        if entry is None or not entry.describes(target):
            return "others"
        same = _plain(entry.settings) == _plain(settings) and entry.input.is_still(source)
        return "done" if same else "ours"

    @contextlib.contextmanager
    def opened(self) -> Generator[None]:
        """Open for :meth:`record`, for this process alone; creates the folder.

        Raises:
            PictureError: the folder cannot be written, or another run is writing into it.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        except OSError as error:
            raise self._trouble("write", error) from error
        try:
            if files.lock(handle) is False or os.fstat(handle).st_size != self._size:
                raise self._in_use()
            self._handle = handle
            yield
        finally:
            self._handle = None
            os.close(handle)

    def record(self, target: Path, entry: LedgerEntry) -> None:
        """Write down that ``target`` is about to take its place; on the disk when it returns.

        Raises:
            PictureError: the disk is full, or gone.
        """
        key = self._key(target)
        line = {
            "target": key,
            "source": entry.source,
            "input": vars(entry.input),
            "output": {"size": entry.size, "mtime_ns": entry.mtime_ns},
            "settings": dict(entry.settings),
            "srzoo": __version__,
        }
        # ASCII: names that are no UTF-8 come back as they were.
        data = json.dumps(line).encode() + b"\n"
        with self._guard:
            if self._handle is None:
                raise RuntimeError("the ledger is not open")
            end = os.fstat(self._handle).st_size
            try:
                _write(self._handle, b"\n" + data if self._torn else data)
                files.sync(self._handle)
            except OSError as error:
                with contextlib.suppress(OSError):  # a line that is cut off is passed over
                    os.ftruncate(self._handle, end)
                raise self._trouble("write", error) from error
            self._torn = False

    def _key(self, target: Path) -> str:
        return target.relative_to(self.folder).as_posix()

    def _in_use(self) -> PictureError:
        return PictureError(f"another run is writing into {self.folder}", "Wait for it, or stop it")

    def _trouble(self, what: str, error: OSError) -> PictureError:
        return PictureError(
            f"cannot {what} {self.path}: {error.strerror}", "Choose another folder with -o"
        )


def _write(handle: int, data: bytes) -> None:
    while data:
        count = os.write(handle, data)
        if count == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        data = data[count:]


def _plain(settings: Settings) -> dict[str, str | float | bool]:
    return {key: value for key, value in settings.items() if value is not None}


def _parse(line: bytes) -> tuple[str, LedgerEntry] | None:
    """A line of the ledger; None for one that was cut off or is not ours."""
    try:
        found = cast("dict[str, Any]", json.loads(line))
        output = found["output"]
        entry = LedgerEntry(
            str(found["source"]),
            InputSnapshot(**found["input"]),
            dict(found["settings"]),
            int(output["size"]),
            int(output["mtime_ns"]),
        )
        return str(found["target"]), entry
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        return None
