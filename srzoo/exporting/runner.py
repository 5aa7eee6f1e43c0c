"""An engine that runs exports: what is common to all of them. No torch unless one is made."""

from __future__ import annotations

import threading
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..common import keeping, memory
from ..errors import DeviceError, FallbackWarning, ModelError
from ..models.folder import count_parameters, read_folder
from . import about, exports
from .exports import UnfinishedError, UnwritableError

if TYPE_CHECKING:
    from ..contracts import F32, Session
    from .about import About
    from .exports import Export, Record


class ExportRunner:
    """A model folder as an exported file, made at the first use and kept.

    An engine plugin is a subclass that names its format. Threads may share one: a session belongs
    to one call at a time, which takes all cores as it is, and what comes out is copied where it
    lies in the engine's memory. Where the cache cannot be written, the export is in a temporary
    folder until this has gone, and a FallbackWarning says so.

    Attributes:
        format: a registered format.
        speed: how many times faster than plain torch on a CPU; the ``auto`` engine takes the
            fastest. See docs/performance.md for the measurement.
        model: there is no ``nn.Module``.

    Args:
        folder: the model's.
        device: auto or cpu.
        precision: auto or fp32.

    Raises:
        DeviceError: it is not installed, or cannot do what is asked for.
        ModelError: the model cannot be exported, or its export does not do the same.
    """

    format: ClassVar[str]
    speed: ClassVar[float]
    model = None

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
            raise DeviceError(
                f"this engine runs on cpu in fp32, not on {device} in {precision}",
                "Use --engine torch",
            )
        self._folder = read_folder(folder)
        self._lock = threading.RLock()
        self._aside: Path | None = None
        self._sessions: dict[int, tuple[Session, About, Record]] = {}
        told = self._at(self._folder.config.scales[0])[1]
        self.reach, self.multiple = told.reach, told.multiple

    def __call__(self, x: F32, scale: int) -> F32:
        """Run one picture or tile; threads take turns."""
        session, told, _ = self._at(scale)
        if min(x.shape[2:]) < told.smallest:
            raise ModelError(
                f"the picture has a side of {min(x.shape[2:])} pixels, the export takes"
                f" {told.smallest} and more",
                "Use --engine torch",
            )
        with self._lock:
            return _owned(session(x))

    @property
    def parameters(self) -> int | None:
        """Those that the model's weights file holds."""
        return count_parameters(self._folder)

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory for each LR pixel, measured when the export was made."""
        return self._at(scale)[2].bytes_per_pixel

    def bytes_aside(self, scale: int) -> int:
        """Working memory besides, measured when the export was made."""
        return self._at(scale)[2].bytes_aside

    def free_memory(self) -> int | None:
        """None: it works in the host's memory."""
        return None

    def _at(self, scale: int) -> tuple[Session, About, Record]:
        with self._lock:
            if scale not in self._sessions:
                self._sessions[scale] = self._open(self._found(scale))
            return self._sessions[scale]

    def _open(self, made: Export) -> tuple[Session, About, Record]:
        if made.record.refused:
            raise ModelError(made.record.refused, "Use --engine torch")
        try:
            format = exports.need(self.format)
            told = about.parse(format.about(made.path), str(made.path))
            session = format.open(made.path, memory.cores())
        except (ImportError, OSError, RuntimeError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise UnfinishedError(
                f"{self.format} does not work here: {first}", "Use --engine torch"
            ) from error
        exports.used(made)
        return session, told, made.record

    def _found(self, scale: int) -> Export:
        """The export of a scale: kept, or made now; in a temporary folder if need be."""
        made = exports.find(self._folder, scale, self.format, sure=True)
        if made:
            return made
        from . import convert

        try:
            return convert.kept(self._folder, scale, self.format)
        except UnwritableError as error:
            warnings.warn(f"{error.what}: it is made for this time", FallbackWarning, stacklevel=2)
        try:
            place = self._aside = self._aside or keeping.aside(self)
        except OSError as error:  # a machine without any place for files
            raise UnfinishedError(
                f"there is no folder for an export: {error.strerror or error}",
                "Use --engine torch",
            ) from error
        return convert.kept(self._folder, scale, self.format, place)


def _owned(y: F32) -> F32:
    """A result that is the caller's: a copy, if it lies in memory that is no array's own."""
    base: object = y
    while isinstance(base, np.ndarray):
        if base.flags.owndata:
            return y if y.flags.writeable else y.copy()
        base = base.base  # pyright: ignore[reportUnknownVariableType]
    return np.array(y)
