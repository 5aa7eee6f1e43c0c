"""Engines that also run exports on GPUs, compared there on one tile before use."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..common import devices, memory
from ..contracts import on_grid
from ..errors import DeviceError, FallbackWarning, SrzooError
from . import about, engine_facts, exports
from .runner import ExportRunner
from .trial import trial_picture

if TYPE_CHECKING:
    from ..contracts import Session

TILE = 48
"""The least side of the test tile, in LR pixels."""
OFF = 1 / 255
"""The largest accepted difference from the CPU: one 8-bit level."""
MORE = 2
"""The memory of an export on a GPU, as a multiple of the measured one on the CPU: layouts differ,
and both sides have copies."""
CARD = 2_000_000_000
"""Assumed free memory of a GPU: these programs do not report it, and most GPUs have more."""


class DeviceRunner(ExportRunner):
    """An :class:`ExportRunner` that runs on GPUs, too.

    A subclass states its ``devices``, and opens an export on one of them by :meth:`open_on`.
    ``auto`` is the first kind of GPU that may be available, for which it states a speed, and that
    its installed build supports; else the CPU. A GPU is used if its result for one tile is within
    one 8-bit level of the CPU's. If not, or if a GPU chosen by ``auto`` cannot be used at all, the
    CPU is used instead, with a FallbackWarning.

    Attributes:
        device: the device it runs on.

    Raises:
        DeviceError: the requested device is not available.
    """

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        self._by_name = device != "auto"
        super().__init__(folder=folder, device=device, precision=precision)

    def open_on(self, path: Path, device: str, threads: int) -> Session:
        """Prepare an export to run on a GPU, in float32.

        Args:
            path: the export.
            device: cuda, mps or gpu, perhaps with an index: cuda:1.
            threads: of the CPU, for operations that the GPU does not support.

        Raises:
            DeviceError: the device does not exist, or cannot run this export.
        """
        raise NotImplementedError

    def open(self, path: Path) -> Session:
        """Prepare an export to run: on the GPU if its values are right there, else on the CPU."""
        if self.device == "auto":
            self.device = self._first()
        on_cpu = super().open(path)
        if self.device == "cpu":
            return on_cpu
        try:
            session = self.open_on(path, self.device, memory.cores())
            fault = self._fault(path, session, on_cpu)
        except DeviceError as error:
            if self._by_name:
                raise
            fault = error.what
        else:
            if fault is None:
                return session
        warnings.warn(f"{self.device} is not used: {fault}", FallbackWarning, stacklevel=2)
        self.device = "cpu"
        self._opened_here().sessions.clear()  # sessions of other scales must run on the same device
        return on_cpu

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory for each LR pixel: that on the CPU, doubled on a GPU."""
        return super().bytes_per_pixel(scale) * self._factor

    def bytes_aside(self, scale: int) -> int:
        """Working memory for a call, likewise."""
        return super().bytes_aside(scale) * self._factor

    def free_memory(self) -> int | None:
        """On a GPU 2 GB, as the free memory is unknown; None on the CPU."""
        return None if self.device == "cpu" else CARD

    @property
    def _factor(self) -> int:
        return 1 if self.device == "cpu" else MORE

    def _first(self) -> str:
        """The device that ``auto`` means."""
        stated = engine_facts.of_class(type(self), "this engine")
        usable = (
            kind for kind in devices.gpu_kinds() if stated.speed_on(kind) and stated.runs_on(kind)
        )
        return next(usable, "cpu")

    def _fault(self, path: Path, session: Session, on_cpu: Session) -> str | None:
        """The error of a session's values on one tile, or None."""
        metadata = exports.require_format(self.export_format).about(path)
        facts = about.parse(metadata, str(path))
        side = on_grid(max(TILE, facts.smallest), facts.multiple)
        x = trial_picture(side, side)
        right = np.array(on_cpu(x.copy()))
        try:
            y = session(x)
        except (SrzooError, RuntimeError) as error:
            return (str(error).splitlines() or [type(error).__name__])[0]
        if y.shape != right.shape:
            return f"it returns {y.shape}, not {right.shape}"
        if not np.isfinite(y).all():
            return "it returns values that are not finite"
        # Values outside 0..1 are clipped in pictures.
        off = np.abs(np.clip(y, 0, 1) - np.clip(right, 0, 1)).max()
        return f"it is off by {off * 255:.1f} levels of 255" if off > OFF else None
