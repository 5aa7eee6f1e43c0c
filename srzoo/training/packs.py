"""Decoded pictures on the disk: packs of many pictures, each found by its own key."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..common import files, kept_folders, memory
from ..common.checked_file import write_all

if TYPE_CHECKING:
    from ..contracts import U8

VERSION = 3
INDEX, DATA = "index.json", "pixels.bin"
PACK_BYTES = 1 << 30
"""Size in bytes at which a new pack is begun: the most that a kill can lose."""


@dataclass(frozen=True)
class PackedArray:
    """The place of a picture H x W x 3: its pack, its first byte, height and width."""

    pack: Path
    offset: int
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    def view(self, pixels: U8) -> U8:
        """The picture, as a view of the bytes of its pack."""
        count = self.height * self.width * 3
        return pixels[self.offset : self.offset + count].reshape(self.height, self.width, 3)


@dataclass(frozen=True)
class PackedPicture:
    """One picture of a run.

    Attributes:
        source, index: its dataset, and its index there.
        key: changes when the picture does.
        name: unique in the run.
        size: height and width of HR.
        hr: its place, or None if it is decoded on demand.
        lr: the places of its whole LR pictures, by scale.
        own: whether LR comes from the dataset, not from a degradation.
    """

    source: int
    index: int
    key: str
    name: str
    size: tuple[int, int]
    hr: PackedArray | None
    lr: Mapping[int, PackedArray | None]
    own: bool


def root() -> Path:
    """The folder of everything that is cached of datasets."""
    return files.cache() / "pixels"


def mapped(pack: Path) -> U8:
    """The bytes of a pack, as a memory map.

    Raises:
        OSError: the pack no longer exists.
    """
    return np.memmap(pack / DATA, np.uint8, "r")


class Packs:
    """All pictures that are cached in a folder, by key; empty without a folder.

    Attributes:
        places: the place of each picture.
        names: the name of each HR picture in its dataset.
    """

    def __init__(self, kept: Path | None = None) -> None:
        self.places: dict[str, PackedArray] = {}
        self.names: dict[str, str] = {}
        self._parts: dict[Path, tuple[kept_folders.FileRecord, ...]] = {}
        with contextlib.suppress(OSError):
            for folder in sorted(kept.iterdir()) if kept else ():
                if not folder.name.startswith(files.TEMPORARY) and folder.is_dir():
                    self._read(folder)

    def _read(self, folder: Path) -> None:
        facts: dict[str, Any] = kept_folders.check_seal(folder / INDEX) or {}
        parts = kept_folders.records_from_json(facts.get("parts"))
        if facts.get("version") != VERSION or not parts:
            return
        self._parts[folder] = parts
        for key, place in facts["places"].items():
            self.places[key] = PackedArray(folder, *place)
        self.names |= facts["names"]

    def add(self, writer: PackWriter) -> None:
        """Add the pictures that a writer has just written."""
        self.places |= writer.places
        self.names |= writer.names

    def remove_damaged(self, keys: Iterable[str]) -> None:
        """Check the packs that contain these pictures, and delete damaged ones."""
        used = sorted({self.places[key].pack for key in keys if key in self.places})
        with ThreadPoolExecutor(memory.processors()) as pool:
            sound = list(pool.map(intact, used, [self._parts[pack] for pack in used]))
        for pack, well in zip(used, sound, strict=True):
            if well:
                with contextlib.suppress(OSError):
                    os.utime(pack / INDEX)
            else:
                files.remove(pack)
        lost = {pack for pack, well in zip(used, sound, strict=True) if not well}
        self.places = {key: at for key, at in self.places.items() if at.pack not in lost}


def intact(pack: Path, parts: tuple[kept_folders.FileRecord, ...]) -> bool:
    """Whether a pack has the bytes that were written; each process reads it once for this."""
    try:
        state = (pack / DATA).stat()
    except OSError:
        return False
    return _intact(pack, parts, state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=1024)
def _intact(
    pack: Path, parts: tuple[kept_folders.FileRecord, ...], _size: int, _changed: int
) -> bool:
    # A run of several stages opens the same packs for each of them.
    return kept_folders.intact(pack, parts)


class PackWriter:
    """Writes pictures into packs, which are published by a rename."""

    def __init__(self, folder: Path, about: str) -> None:
        self._folder, self._about = folder, about
        self.places: dict[str, PackedArray] = {}
        self.names: dict[str, str] = {}
        self._begin()

    def _begin(self) -> None:
        self._new = self._folder / f"pack-{len(self.places)}"
        self._file: Any = None
        self._hash = hashlib.sha256()
        self._size = 0
        self._rows: dict[str, tuple[int, int, int]] = {}
        self._names: dict[str, str] = {}

    def add(self, name: str, pictures: dict[str, U8]) -> None:
        """Write the pictures of one name, by key.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        if self._file is None:
            self._new.mkdir()
            # Unbuffered, so that a full disk raises the error here, and not at the end.
            self._file = (self._new / DATA).open("wb", buffering=0)
        rows: dict[str, tuple[int, int, int]] = {}
        start = self._size
        for key, picture in pictures.items():
            rows[key] = (start, picture.shape[0], picture.shape[1])
            write_all(self._file, np.ascontiguousarray(picture).data.cast("B"))
            start += picture.size
        for picture in pictures.values():  # all are written now
            self._hash.update(np.ascontiguousarray(picture).data)
        self._size = start
        self._rows |= rows
        self._names[next(iter(pictures))] = name
        if self._size >= PACK_BYTES:
            self.finish()

    def finish(self) -> None:
        """Publish the pack that is being written.

        Raises:
            OSError: the disk is full, or cannot be written.
        """
        if self._file is None:
            return
        self._file.close()
        self._file = None
        os.truncate(self._new / DATA, self._size)  # remove a picture that did not fit
        if not self._rows:
            return
        parts = kept_folders.records_to_json(
            [kept_folders.FileRecord(DATA, self._size, self._hash.hexdigest())]
        )
        facts = {"version": VERSION, "about": self._about, "places": self._rows,
                 "names": self._names, "parts": parts}  # fmt: skip
        (self._new / INDEX).write_bytes(kept_folders.seal(facts))
        name = hashlib.sha256("\n".join(sorted(self._rows)).encode()).hexdigest()[:24]
        final = root() / name
        try:
            kept_folders.move_into_place(self._new, final)
        except OSError:  # another process may have published it
            if not (final / INDEX).is_file():
                raise
        self.places |= {key: PackedArray(final, *row) for key, row in self._rows.items()}
        self.names |= self._names
        self._begin()


@contextlib.contextmanager
def writing(about: str) -> Generator[PackWriter]:
    """Write packs for the pictures of a dataset; after an error, finished packs are kept.

    Raises:
        OSError: the disk is full, or cannot be written.
    """
    with kept_folders.new_folder(root()) as folder:
        writer = PackWriter(folder, about)
        try:
            yield writer
        except BaseException:
            with contextlib.suppress(OSError):
                writer.finish()
            raise
        writer.finish()
