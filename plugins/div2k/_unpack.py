"""Unpacks an archive into a temporary folder, checks it, and moves it to its place."""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path

from srzoo.errors import SrzooError

from ._archives import Archive

CHUNK = 1 << 20
ASIDE = ".srzoo-"
"""The prefix of the name of an unfinished folder."""
ENCRYPTED = 0x1
UNSAFE = re.compile(r"^[/\\]|\\|^[A-Za-z]:|(^|/)\.\.(/|$)|\0")


def check_complete(folder: Path, archive: Archive) -> None:
    """Check that a folder contains an archive's pictures.

    Raises:
        SrzooError: it is not a folder, or contains too few.
    """
    count = sum(path.suffix == ".png" for path in folder.iterdir()) if folder.is_dir() else 0
    if count < archive.pictures:
        raise SrzooError(
            f"{folder} contains {count} of {archive.pictures} pictures",
            "Move it away and run the same command again",
        )


def unpack(file: Path, to: Path, archive: Archive) -> None:
    """Unpack the pictures of a ZIP file to ``to / archive.folder``, atomically.

    Raises:
        SrzooError: it is damaged, would write outside its folder, or lacks pictures.
        OSError: the disk is full or cannot be written.
    """
    aside = Path(tempfile.mkdtemp(prefix=ASIDE, dir=to))
    try:
        with zipfile.ZipFile(file) as pack:
            members = _pictures(pack, archive)
            needed = sum(member.file_size for member in members)
            if (free := shutil.disk_usage(to).free) < needed:
                raise SrzooError(
                    f"{archive.name} unpacks to {needed / 1e9:.1f} GB,"
                    f" {to} has {free / 1e9:.1f} GB",
                    "Make room or choose another place with --to",
                )
            made = aside / "pictures"
            made.mkdir()
            for member in members:
                name = member.filename.rpartition("/")[2]
                with pack.open(member) as source, (made / name).open("wb") as copy:
                    shutil.copyfileobj(source, copy, CHUNK)
        target = to / archive.folder
        target.parent.mkdir(parents=True, exist_ok=True)
        made.rename(target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        file.unlink(missing_ok=True)
        raise SrzooError(
            f"{archive.name}.zip is not a valid archive: {error}",
            "Run the same command again (it starts from 0), or choose another place with --url",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _pictures(pack: zipfile.ZipFile, archive: Archive) -> list[zipfile.ZipInfo]:
    """The members to unpack: the PNG files, which are named by the last part of their paths.

    Raises:
        zipfile.BadZipFile: there are too few, two have the same name, or a member has an unsafe
        path.
    """
    found: dict[str, zipfile.ZipInfo] = {}
    for member in pack.infolist():
        linked = stat.S_ISLNK(member.external_attr >> 16)
        if UNSAFE.search(member.filename) or linked or member.flag_bits & ENCRYPTED:
            raise zipfile.BadZipFile(f"it contains {member.filename!r}")
        name = member.filename.rpartition("/")[2]
        if name.endswith(".png") and name[0] != ".":  # hidden files are metadata of macOS
            if name in found:
                raise zipfile.BadZipFile(f"it contains two files called {name}")
            found[name] = member
    if len(found) < archive.pictures:
        raise zipfile.BadZipFile(f"it contains {len(found)} of {archive.pictures} pictures")
    return list(found.values())
