"""Files and folders that appear whole or not at all, and where srzoo keeps its own."""

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
"""What the names of unfinished files begin with."""
PART = f"{TEMPORARY}part-"
"""Those of a batch: whoever holds the folder's ledger may take them away."""
HOUR, DAY = 3600, 24 * 3600
REFUSED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES,
           errno.EEXIST}  # fmt: skip
"""How file systems (FAT, network shares) say that they cannot do such a thing at all."""
MADE = re.compile(rf"{re.escape(TEMPORARY)}(?:part-)?(\d+)-([0-9a-f]{{8}})-\w+")
"""An unfinished file's or folder's name: the process that makes it, and where that runs."""
_DESCRIPTOR = re.compile(r"/dev/(?:fd/(\d+)|std(in|out|err))|/proc/(?:self|(\d+))/fd/(\d+)")


@contextlib.contextmanager
def atomic_write(
    path: Path,
    record: Callable[[os.stat_result], None] | None = None,
    start: str = TEMPORARY,
    *,
    times: tuple[int, int] | None = None,
) -> Generator[BinaryIO]:
    """A file that takes the place of ``path`` when all went well, and vanishes if not.

    It has no descriptor, is written through to the disk and read back before it takes the name.
    A link's target is replaced, and the link stays. A device or a FIFO is written into, when
    the whole is there. What killed processes have left beside it is taken away.

    Args:
        path: where; its folder must exist.
        record: is called with the finished file's state before it takes the name.
        start: what the unfinished file's name begins with.
        times: of access and of change that the file is to have, in nanoseconds.

    Raises:
        OSError: the place cannot be written, is full, or is a folder, a socket or a disk.
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
    """A file without a descriptor for whoever encodes: into a path, or into an open file.

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
    """A file that is sent into a pipe, a device or an open file when it is whole.

    Args:
        sink: takes all of it, or nothing.
        name: of the sink, for messages.

    Raises:
        OSError: there is no room for it, here or there.
    """
    try:
        raw = cast("BinaryIO", tempfile.TemporaryFile(buffering=0))  # noqa: SIM115
        where = f" in {tempfile.gettempdir()}, where it is made; TMPDIR names another place"
    except OSError:  # no folder for temporary files: in memory, then
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
    """Whether a path is a device, a FIFO or a descriptor: written into, and never replaced."""
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISCHR(mode) or stat.S_ISFIFO(mode) or descriptor(path) is not None


def descriptor(path: str | Path) -> int | None:
    """The number of the open file that a path stands for: ``/dev/stdout``, ``/proc/self/fd/1``."""
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
    """What is written into instead of replaced; None for a file, or none yet."""
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
        # A file system that replaces nothing: what was there keeps another name meanwhile.
        before = target.with_name(f"{TEMPORARY}before-{os.urandom(4).hex()}")
        os.rename(target, before)
        try:
            os.rename(part, target)
        except OSError:
            os.rename(before, target)
            raise
        before.unlink()


def sync(handle: int) -> None:
    """Have an open file written to the disk, where the file system can do such a thing.

    Raises:
        OSError: the disk is full, or gone.
    """
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in REFUSED:
            raise


def lock(handle: int) -> bool | None:
    """Lock an open file for this process, until it is closed or the process has gone.

    The lock is the system's own, on Windows too; there nobody else can read the first byte.

    Returns:
        False if another process holds it; None where no file can be locked.
    """
    from filelock import lock_descriptor

    try:
        return lock_descriptor(handle, blocking=False)
    except OSError:
        return None  # a file system that knows no locks


def temporary_name(start: str = TEMPORARY) -> str:
    """A name for an unfinished file or folder, by which :func:`sweep` knows whose it is."""
    return f"{prefix(start)}{os.urandom(4).hex()}"


def prefix(start: str = TEMPORARY) -> str:
    """What such a name begins with."""
    return f"{start}{os.getpid()}-{machine_id()}-"


def sweep(folder: Path, most: int | None = None) -> None:
    """Take away what killed processes have left unfinished in a folder.

    Only what :func:`temporary_name` has named, of a process of this machine that is no more; of
    other machines, what is older than a day. What cannot be taken away stays.

    Args:
        folder: where to look; not in the folders in it.
        most: how many names to look at, where that is done often.
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
    """Take a file or folder away, if that can be."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    with contextlib.suppress(OSError):
        path.unlink()


def process_has_gone(process: int, where: str, changed: float) -> bool:
    """Whether a process is no more the one that made something; elsewhere, after a day.

    Args:
        process: its number.
        where: the machine or container in which that means something, as :func:`machine_id`
            tells it.
        changed: when what it made was last changed, in seconds since 1970.
    """
    import psutil

    if where != machine_id():
        return time.time() - changed > DAY

    try:
        other = psutil.Process(process)
        if other.status() == psutil.STATUS_ZOMBIE:
            return True
        # Numbers come again, in containers at once. A server's clock may be behind ours.
        return changed < other.create_time() - HOUR
    except psutil.NoSuchProcess:
        return True
    except (psutil.Error, OSError):
        return False


@functools.cache
def machine_id() -> str:
    """This machine, and on Linux this container: process numbers mean something in it alone."""
    import platform

    space = ""
    with contextlib.suppress(OSError):
        space = str(os.stat("/proc/self/ns/pid").st_ino)
    return f"{zlib.crc32(f'{platform.node()} {space}'.encode()):08x}"


def cache() -> Path:
    """Where what can be made again is kept: ``SRZOO_CACHE``, or the user's cache folder.

    Where there is no such folder and none can be made (no home, or one that cannot be written),
    it is one of the user's own among the temporary files. Never raises; the folder may be one
    that is not there yet, or that cannot be written.
    """
    if chosen := os.environ.get("SRZOO_CACHE"):
        return Path(chosen)
    return _user_folder("cache")


def state() -> Path:
    """Where logs are kept: below ``SRZOO_CACHE``, or the user's folder for such things."""
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
    """A folder of the user's own among the temporary files; never raises."""
    try:
        return _among_temporary(tempfile.gettempdir())
    except OSError:
        return Path(os.devnull, "srzoo")  # nowhere: writing there raises


def _is_usable(path: Path) -> bool:
    """Whether a folder is there, or can be made: whoever asks for it wants it soon."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return True


@functools.cache
def _among_temporary(root: str) -> Path:
    """A folder that nobody else can write into, or put there in advance."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    path = Path(root, f"srzoo-{user}")
    with contextlib.suppress(FileExistsError):
        path.mkdir(mode=0o700)
    found = path.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == user and not found.st_mode & 0o077:
        return path
    return Path(tempfile.mkdtemp(prefix="srzoo-", dir=root))
