"""Atomic writing of files and folders, and the folders of srzoo's own data."""

from __future__ import annotations

import contextlib
import errno
import functools
import io
import os
import re
import shutil
import stat
import tempfile
import time
import zlib
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, cast

from .checked_file import CHUNK, CheckedFile, write_all

TEMPORARY = ".srzoo-"
"""The prefix of names of unfinished files."""
PART = f"{TEMPORARY}part-"
"""The prefix of a batch's unfinished files; the holder of the folder's ledger may delete them."""
HOUR, DAY = 3600, 24 * 3600
REFUSED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES,
           errno.EEXIST}  # fmt: skip
"""Errors of file systems (FAT, network shares) that do not support an operation."""
MADE = re.compile(rf"{re.escape(TEMPORARY)}(?:part-)?(\d+)-([0-9a-f]{{8}})-\w+")
"""An unfinished file's or folder's name: the process that makes it, and its machine."""
_DESCRIPTOR = re.compile(r"/dev/(?:fd/(\d+)|std(in|out|err))|/proc/(?:self|(\d+))/fd/(\d+)")


@contextlib.contextmanager
def atomic_write(
    path: Path,
    record: Callable[[os.stat_result], None] | None = None,
    start: str = TEMPORARY,
    *,
    times: tuple[int, int] | None = None,
) -> Generator[BinaryIO]:
    """A file that replaces ``path`` if no error occurs, and is deleted otherwise.

    It has no descriptor, is synced to the disk and read back before it is renamed. The target of a
    link is replaced, and the link is kept. A complete file is copied into a device or a FIFO. Files
    that killed processes left beside it are deleted.

    Args:
        path: the file; its folder must exist.
        record: called with the finished file's state before it is renamed.
        start: the prefix of the unfinished file's name.
        times: of access and modification, in nanoseconds, to set.

    Raises:
        OSError: the folder cannot be written, is full, or is a folder, a socket or a disk.
    """
    target = Path(os.path.realpath(path)) if path.is_symlink() else path
    part = target.with_name(temporary_name(start))
    try:
        if (sink := _stream(path)) is not None:
            with sink, spooled(sink, str(path)) as file:
                yield file
            return
        if start == TEMPORARY:
            sweep(target.parent, most=1000)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
        handle = os.open(part, flags, 0o666)
        try:
            with open(handle, "r+b", buffering=0) as raw:
                file = CheckedFile(cast("BinaryIO", raw), str(path))
                yield cast("BinaryIO", file)
                sync(handle)
                file.check()
            if times:
                os.utime(part, ns=times)
            if record:
                record(part.stat())
            _rename(part, target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if error.filename is None or str(error.filename) == str(part):
            error.filename, error.filename2 = str(path), None
        raise


def as_binary(file: Path | BinaryIO) -> AbstractContextManager[BinaryIO]:
    """A file without a descriptor for an encoder: at a path, or an open file.

    Raises:
        OSError: as for :func:`atomic_write`.
    """
    if isinstance(file, Path):
        return atomic_write(file)
    if isinstance(file, CheckedFile):
        return contextlib.nullcontext(cast("BinaryIO", file))
    name = getattr(file, "name", None)
    return spooled(file, name if isinstance(name, str) else "the picture")


@contextlib.contextmanager
def spooled(sink: BinaryIO, name: str) -> Generator[BinaryIO]:
    """A temporary file that is copied into a pipe, a device or an open file when it is complete.

    Args:
        sink: gets all of it, or nothing.
        name: of the sink, for messages.

    Raises:
        OSError: there is no room in the temporary folder or in the sink.
    """
    try:
        raw = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
        where = f" in {tempfile.gettempdir()}, where it is made; TMPDIR sets another folder"
    except OSError:  # no temporary folder: use memory
        raw, where = cast("BinaryIO", io.BytesIO()), ""
    with raw:
        file = CheckedFile(raw, name, where)
        yield cast("BinaryIO", file)
        file.check()
        raw.seek(0)
        while chunk := raw.read(CHUNK):
            write_all(sink, chunk)
        sink.flush()


def is_stream(path: Path) -> bool:
    """Whether a path is a device, a FIFO or a descriptor: it is written to, never replaced."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or descriptor(path) is not None


def descriptor(path: str | Path) -> int | None:
    """The number of a path that is an open file: ``/dev/stdout``, ``/proc/self/fd/1``."""
    name = os.path.abspath(path)
    for _ in range(40):
        if match := _DESCRIPTOR.fullmatch(name):
            number, standard, process, other = match.groups()
            if process and int(process) != os.getpid():
                return None
            return {"in": 0, "out": 1, "err": 2}[standard] if standard else int(number or other)
        try:
            name = os.path.normpath(os.path.join(os.path.dirname(name), os.readlink(name)))
        except (OSError, ValueError):
            break
    return None


def _stream(path: Path) -> BinaryIO | None:
    """The stream to write to; None for a file, or a path that does not exist."""
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
    if stat.S_ISSOCK(mode):
        raise OSError(errno.ENXIO, "it is a socket")
    if stat.S_ISBLK(mode):
        raise OSError(errno.ENXIO, "it is a disk")
    if not is_stream(path):
        return None
    number = descriptor(path)
    flags = os.O_WRONLY | getattr(os, "O_NOCTTY", 0)
    handle = os.open(path, flags) if number is None else os.dup(number)
    return cast("BinaryIO", open(handle, "wb", buffering=0))


def _rename(part: Path, target: Path) -> None:
    try:
        os.replace(part, target)
    except OSError as error:
        if error.errno not in REFUSED or not target.is_file():
            raise
        # A file system that cannot replace files: rename the old file meanwhile.
        before = target.with_name(f"{TEMPORARY}before-{os.urandom(4).hex()}")
        os.rename(target, before)
        try:
            os.rename(part, target)
        except OSError:
            os.rename(before, target)
            raise
        before.unlink()


def sync(handle: int) -> None:
    """Sync an open file to the disk, if the file system supports it.

    Raises:
        OSError: the disk is full, or was removed.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in REFUSED:
            raise


def lock(handle: int) -> bool | None:
    """Lock an open file for this process, until it is closed or the process ends.

    The lock is the operating system's; on Windows other processes cannot read the first byte.

    Returns:
        False if another process holds it; None if files cannot be locked.
    """
    from filelock import lock_descriptor

    try:
        return lock_descriptor(handle, blocking=False)
    except OSError:
        return None  # a file system without locks


def temporary_name(start: str = TEMPORARY) -> str:
    """A name for an unfinished file or folder that identifies its process for :func:`sweep`."""
    return f"{prefix(start)}{os.urandom(4).hex()}"


def prefix(start: str = TEMPORARY) -> str:
    """The prefix of such a name for this process."""
    return f"{start}{os.getpid()}-{machine_id()}-"


def sweep(folder: Path, most: int | None = None) -> None:
    """Delete unfinished files and folders that killed processes left in a folder.

    Only those named by :func:`temporary_name`, of processes of this machine that have ended; of
    other machines, those older than a day. Errors are ignored.

    Args:
        folder: the folder, without its subfolders.
        most: the largest number of names to examine, for frequent calls.
    """
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for count, entry in enumerate(entries):
            if count == most:
                return
            if made := MADE.fullmatch(entry.name):
                changed = entry.stat(follow_symlinks=False).st_mtime
                if process_has_gone(int(made[1]), made[2], changed):
                    remove(Path(entry.path))


def remove(path: Path) -> None:
    """Delete a file or folder, ignoring errors."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()


def process_has_gone(process: int, where: str, changed: float) -> bool:
    """Whether the process that made something has ended; for another machine, after a day.

    Args:
        process: its number.
        where: the machine or container in which that number is valid, from :func:`machine_id`.
        changed: the time of the last change, in seconds since 1970.
    """
    import psutil

    if where != machine_id():
        return time.time() - changed > DAY

    try:
        other = psutil.Process(process)
        if other.status() == psutil.STATUS_ZOMBIE:
            return True
        # Process numbers are reused, soon in containers. A server's clock may be behind.
        return changed < other.create_time() - HOUR
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError):
        return False


@functools.cache
def machine_id() -> str:
    """An identifier of this machine, and on Linux of this container, for process numbers."""
    import platform

    space = ""
    with contextlib.suppress(OSError):
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    return f"{zlib.crc32(f'{platform.node()} {space}'.encode()):08x}"


def cache() -> Path:
    """The folder for data that can be made again: ``SRZOO_CACHE``, or the user's cache folder.

    If that folder does not exist and cannot be created (no home, or a read-only one), it is a
    folder of the user's among the temporary files. Never raises; the folder may not exist yet, or
    may not be writable.
    """
    if chosen := os.environ.get("SRZOO_CACHE"):
        return Path(chosen)
    return _user_folder("cache")


def state() -> Path:
    """The folder for logs: below ``SRZOO_CACHE``, or the user's state folder."""
    if chosen := os.environ.get("SRZOO_CACHE"):
        return Path(chosen) / "logs"
    return _user_folder("state")


def _user_folder(kind: str) -> Path:
    import platformdirs

    find = platformdirs.user_cache_path if kind == "cache" else platformdirs.user_log_path
    try:
        path = find("srzoo")
    except (OSError, RuntimeError, KeyError):  # no such user
        path = Path("~")
    if path.is_absolute() and _is_usable(path):
        return path
    return temporary() / kind


def temporary() -> Path:
    """A folder of the user's among the temporary files; never raises."""
    try:
        return _among_temporary(tempfile.gettempdir())
    except OSError:
        return Path(os.devnull, "srzoo")  # a path that cannot be written


def _is_usable(path: Path) -> bool:
    """Whether a folder exists or can be created; it is then created."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True


@functools.cache
def _among_temporary(root: str) -> Path:
    """A folder to which no other user can write, and which none created in advance."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    path = Path(root, f"srzoo-{user}")
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o077:
        return path
    return Path(tempfile.mkdtemp(prefix="srzoo-", dir=root))
