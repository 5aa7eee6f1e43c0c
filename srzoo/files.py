"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".srzoo-"
"""What the names of unfinished files begin with."""


@contextlib.contextmanager
def replacing(path: Path) -> Generator[BinaryIO]:
    """A file that takes the place of ``path`` when all went well, and vanishes if not."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY, suffix=path.suffix)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _share(Path(name))
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def cache() -> Path:
    """Where what can be made again is kept: ``SRZOO_CACHE``, or the user's cache folder."""
    if "SRZOO_CACHE" in os.environ:
        return Path(os.environ["SRZOO_CACHE"])
    import platformdirs

    return Path(platformdirs.user_cache_dir("srzoo"))


def _share(path: Path) -> None:
    """Give a temporary file the rights that a plain ``open`` would have given it."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod(0o666 & ~mask)
