"""Engines that also run exports on GPUs, tried there on one tile before use."""

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
"""Least side of the tile that is tried, in LR pixels."""
OFF = 1 / 255
"""The largest difference to the CPU that is no fault: a level of 8 bits."""
MORE = 2
"""What an export takes on a card, as a multiple of what it takes on the CPU, where it is measured:
what others lay out otherwise, and the copies on both sides."""
CARD = 2_000_000_000
"""Bytes that are taken to be free on a card: these programs do not tell, and most have more."""


class DeviceRunner(ExportRunner):
    """An :class:`ExportRunner` that runs on GPUs, too.

    A subclass states its ``devices``, and opens an export on one of them by :meth:`open_on`.
    ``auto`` is the first kind of GPU that there may be, that it states a speed for, and that what
    is installed of it is built for; else the CPU. A GPU is used when it has given what the CPU
    gives for one tile, to within a level of 8 bits. If not, and where a GPU that ``auto`` took
    cannot be used at all, the CPU takes its place, with a FallbackWarning.

    Attributes:
        device: what it runs on.

    Raises:
        DeviceError: the device that is asked for is not there.
    """

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        self._by_name = device != "auto"
        super().__init__(folder=folder, device=device, precision=precision)

    def open_on(self, path: Path, device: str, threads: int) -> Session:
        """Make an export ready to run on a GPU, in float32.

        Args:
            path: the export.
            device: cuda, mps or gpu, perhaps with an index: cuda:1.
            threads: of the CPU, for what the GPU does not do.

        Raises:
            DeviceError: there is none, or it cannot run this export.
        """
        raise NotImplementedError

    def open(self, path: Path) -> Session:
        """Make an export ready to run: on the GPU if it is right there, else on the CPU."""
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
        self._opened_here().sessions.clear()  # of other scales: all of them run on one device
        return on_cpu

    def bytes_per_pixel(self, scale: int) -> int:
        """Working memory for each LR pixel: that on the CPU, twice on a GPU."""
        return super().bytes_per_pixel(scale) * self._factor

    def bytes_aside(self, scale: int) -> int:
        """Working memory besides, likewise."""
        return super().bytes_aside(scale) * self._factor

    def free_memory(self) -> int | None:
        """On a GPU 2 GB, as nobody tells what is free there; None on the CPU."""
        return None if self.device == "cpu" else CARD

    @property
    def _factor(self) -> int:
        return 1 if self.device == "cpu" else MORE

    def _first(self) -> str:
        """What ``auto`` is."""
        stated = engine_facts.of_class(type(self), "this engine")
        usable = (
            kind for kind in devices.gpu_kinds() if stated.speed_on(kind) and stated.runs_on(kind)
        )
        return next(usable, "cpu")

    def _fault(self, path: Path, session: Session, on_cpu: Session) -> str | None:
        """What is wrong with a session's values on one tile, if anything."""
        told = exports.require_format(self.export_format).about(path)
        facts = about.parse(told, str(path))
        side = on_grid(max(TILE, facts.smallest), facts.multiple)
        x = trial_picture(side, side)
        right = np.array(on_cpu(x.copy()))
        try:
            y = session(x)
        except (SrzooError, RuntimeError) as error:
            return (str(error).splitlines() or [type(error).__name__])[0]
        if y.shape != right.shape:
            return f"it gives {y.shape}, not {right.shape}"
        if not np.isfinite(y).all():
            return "it gives values that are not finite"
        # Beyond black and white values are cut off.
        off = np.abs(np.clip(y, 0, 1) - np.clip(right, 0, 1)).max()
        return f"it is off by {off * 255:.1f} levels of 255" if off > OFF else None
