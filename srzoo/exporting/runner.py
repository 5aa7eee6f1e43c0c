"""The base class of engines that run exports; it imports torch only to make one."""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from ..common import forks, kept_folders, memory
from ..errors import FallbackWarning, ModelError
from ..models.folder import count_parameters, read_folder
from ..plugins import importing
from . import about, engine_facts, exports, making
from .exports import EXPORTING, UnfinishedError, UnwritableError

if TYPE_CHECKING:
    from ..contracts import F32, Session
    from .about import About
    from .exports import Export, ExportRecord


@dataclass(eq=False)
class _Opened:
    """The sessions of one process by scale, and the lock for calls."""

    lock: threading.RLock = field(default_factory=threading.RLock)
    sessions: dict[int, tuple[Session, About, ExportRecord]] = field(
        default_factory=dict[int, "tuple[Session, About, ExportRecord]"]
    )


class ExportRunner:
    """A model folder as an exported file, which is made at the first use and cached.

    An engine may be a subclass that names its export format. Threads may share one: a session
    belongs to one call at a time, which uses all cores anyway, and a result in the engine's memory
    is copied. A forked process opens its own sessions, with one thread each, as the threads of its
    parent do not exist there. If the cache cannot be written, the export is in a temporary folder
    for the life of this object, and a FallbackWarning reports it.

    The facts of :class:`~srzoo.contracts.Engine` are those of an engine that lets its export format
    open the file, on the CPU. An engine for another device states its own ``devices`` and
    ``precisions``, and overrides :meth:`open`, perhaps :meth:`free_memory`;
    :class:`~srzoo.engines.DeviceRunner` does so for GPUs.

    Attributes:
        export_format: a registered export format.
        speed: 0 if not measured; see docs/reference/performance.md.
        model: None, as it has no ``nn.Module``.
        device: the requested one; "auto" is the only one, if it states only one.
        precision: the requested one; "auto" is the first that it states.

    Args:
        folder: the model folder.
        device: auto, or a kind that it states.
        precision: auto, or one that it states.

    Raises:
        DeviceError: it is not installed, or does not support the device or precision.
        ModelError: the model cannot be exported, or its export gives other values.
    """

    export_format: ClassVar[str]
    devices: ClassVar[tuple[str, ...]] = ("cpu",)
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    speed: ClassVar[float | Mapping[str, float]] = 0.0
    first_use: ClassVar[float] = EXPORTING
    packages: ClassVar[Mapping[str, str]] = {}
    extra: ClassVar[str] = ""
    model = None

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        engine_facts.of_class(type(self), "this engine").need("this engine", device, precision)
        (only, *more) = self.devices
        self.device = only if device == "auto" and not more else device
        self.precision = self.precisions[0] if precision == "auto" else precision
        self._folder = read_folder(folder)
        self._aside: Path | None = None
        self._processes: dict[int, _Opened] = {}
        facts = self._at(self._folder.config.scales[0])[1]
        self.reach, self.multiple = facts.reach, facts.multiple

    def __call__(self, x: F32, scale: int) -> F32:
        """Run one picture or tile; threads take turns."""
        session, facts, _ = self._at(scale)
        if min(x.shape[2:]) < facts.smallest:
            raise ModelError(
                f"the picture has a side of {min(x.shape[2:])} pixels, but the export needs"
                f" {facts.smallest} or more",
                engine_facts.use_another(),
            )
        with self._opened_here().lock:
            return _own_copy(session(x))

    @property
    def parameters(self) -> int | None:
        """The number of parameters in the model's weights file."""
        return count_parameters(self._folder)

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory for each LR pixel, measured when the export was made."""
        return self._at(scale)[2].bytes_per_pixel

    def bytes_aside(self, scale: int) -> int:
        """Further working memory, measured when the export was made."""
        return self._at(scale)[2].bytes_aside

    def free_memory(self) -> int | None:
        """None: it works in the host's memory."""
        return None

    def open(self, path: Path) -> Session:
        """Prepare an export to run; by default its format does so, on the CPU."""
        return exports.require_format(self.export_format).open(path, memory.cores())

    def _opened_here(self) -> _Opened:
        """The sessions of this process."""
        return self._processes.setdefault(os.getpid(), _Opened())

    def _at(self, scale: int) -> tuple[Session, About, ExportRecord]:
        here = self._opened_here()
        with here.lock:
            if scale not in here.sessions:
                here.sessions[scale] = self._open_kept(self._kept_export(scale))
            return here.sessions[scale]

    def _open_kept(self, made: Export) -> tuple[Session, About, ExportRecord]:
        if made.record.refused:
            raise ModelError(made.record.refused, engine_facts.use_another())
        forks.note_threads(self._opened_here())
        try:
            export_format = exports.require_format(self.export_format)
            with importing.blamed(export_format, (ImportError, OSError, RuntimeError)):
                facts = about.parse(export_format.about(made.path), str(made.path))
                session = self.open(made.path)
        except (ImportError, OSError, RuntimeError) as error:
            first = (str(error).splitlines() or [type(error).__name__])[0]
            raise UnfinishedError(
                f"{self.export_format} does not work here: {first}", engine_facts.use_another()
            ) from error
        exports.mark_used(made)
        return session, facts, made.record

    def _kept_export(self, scale: int) -> Export:
        """The export of a scale: cached, or made now, if needed in a temporary folder."""
        try:
            return making.make_kept(self._folder, scale, self.export_format)
        except UnwritableError as error:
            warnings.warn(f"{error.what}: a temporary one is made", FallbackWarning, stacklevel=2)
        try:
            place = self._aside = self._aside or kept_folders.temporary_folder(self)
        except OSError as error:  # no folder is writable
            raise UnfinishedError(
                f"no folder is writable for an export: {error.strerror or error}",
                engine_facts.use_another(),
            ) from error
        return making.make_kept(self._folder, scale, self.export_format, place)


def _own_copy(y: F32) -> F32:
    """A result that the caller owns: a copy, if its memory belongs to the engine."""
    base: object = y
    while isinstance(base, np.ndarray):
        if base.flags.owndata:
            return y if y.flags.writeable else y.copy()
        base = base.base  # pyright: ignore[reportUnknownVariableType]
    return np.array(y)
