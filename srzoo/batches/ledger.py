"""The ledger of a batch: one JSON line per finished picture, so that a killed run can resume.

The line is synced to the disk before the picture is renamed, and identifies the file (size and
modification time). So whenever a run is killed, a result is either known to be complete, or it is
made again; a cut-off last line is skipped.
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
"""All settings that affect a result, besides the picture.

A missing key means None. So every new setting must have the default None; then ledgers from
before it was added remain valid.
"""
RESCUE = "force_damaged"
"""The setting that changes results of damaged pictures only."""
LONGEST = 2**20
"""The largest size of a line in bytes."""
State = Literal["done", "ours", "others"]


@dataclass(frozen=True)
class InputSnapshot:
    """The identity of a picture: times of change in nanoseconds, and a digest of its contents."""

    size: int
    mtime_ns: int
    ctime_ns: int
    sha256: str

    def is_still(self, source: Path) -> bool:
        """Whether the file has the same contents; it is read only if its times differ."""
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
    """A result: its input, its settings, and its file."""

    source: str
    input: InputSnapshot
    settings: Settings
    size: int
    mtime_ns: int

    def describes(self, target: Path) -> bool:
        """Whether the file is unchanged since the run."""
        try:
            stat = target.stat()
        except OSError:
            return False
        apart = abs(stat.st_mtime_ns - self.mtime_ns)
        # USB sticks store times in steps of two seconds, visible after the next mount.
        coarse = stat.st_mtime_ns % 10**9 == 0 and apart < 2 * 10**9
        return stat.st_size == self.size and (apart == 0 or coarse)


def snapshot(source: Path) -> InputSnapshot:
    """The current identity of a picture; call it before decoding.

    Raises:
        PictureError: the file cannot be read.
    """
    try:
        # In this order a change at any moment changes the time or the digest.
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
        PictureError: the ledger cannot be read, or another run is writing to it.
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
                except PermissionError:  # on Windows a locked file cannot be read
                    raise self._in_use() from None
        except FileNotFoundError:
            pass
        except OSError as error:
            raise self._trouble("read", error) from error

    def _read(self, file: BinaryIO) -> None:
        """Read the complete, valid lines, and skip everything else."""
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
        """The recorded results, as paths in the folder."""
        return set(self._entries)

    def state(self, target: Path, source: Path, settings: Settings) -> State:
        """The state of an existing file.

        Returns:
            "done" if this source and these settings would give the same result; "ours" if a batch
            made it from something else, and it is unchanged; else "others".
        """
        entry = self._entries.get(self._key(target))
        if entry is None or not entry.describes(target):
            return "others"
        made, wanted = _plain(entry.settings), _plain(settings)
        if RESCUE not in made:  # the file was intact, and rescuing it would have changed nothing
            wanted.pop(RESCUE, None)
        return "done" if made == wanted and entry.input.is_still(source) else "ours"

    @contextlib.contextmanager
    def opened(self) -> Generator[None]:
        """Open it for :meth:`record`, for this process only; creates the folder.

        Raises:
            PictureError: the folder cannot be written, or another run is writing to it.
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
        """Record that ``target`` is about to be renamed; it is synced when this returns.

        Raises:
            PictureError: the disk is full, or was removed.
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
        # ASCII, so that names that are not UTF-8 are restored unchanged.
        data = json.dumps(line).encode() + b"\n"
        with self._guard:
            if self._handle is None:
                raise RuntimeError("the ledger is not open")
            end = os.fstat(self._handle).st_size
            try:
                _write(self._handle, b"\n" + data if self._torn else data)
                files.sync(self._handle)
            except OSError as error:
                with contextlib.suppress(OSError):  # a line that is cut off is skipped
                    os.ftruncate(self._handle, end)
                raise self._trouble("write", error) from error
            self._torn = False

    def _key(self, target: Path) -> str:
        return target.relative_to(self.folder).as_posix()

    def _in_use(self) -> PictureError:
        return PictureError(f"another run is writing to {self.folder}", "Wait for it, or stop it")

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
    """A line of the ledger; None if it is cut off or invalid."""
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
