"""An engine that runs exports: what is common to all of them. No torch unless one is made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from .. import card
from ..errors import DeviceError, ModelError
from ..upscaling import memory
from . import about, exports

if TYPE_CHECKING:
    from ..contracts import F32, Session
    from .about import About
    from .exports import Record


class ExportRunner:
    """A model folder as an exported file, made at the first use and kept.

    An engine plugin is a subclass that names its format.

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
    parameters = None

    def __init__(self, *, folder: Path, device: str = "auto", precision: str = "auto") -> None:
        if device not in ("auto", "cpu") or precision not in ("auto", "fp32"):
            raise DeviceError(
                f"this engine runs on cpu in fp32, not on {device} in {precision}",
                "Use --engine torch",
            )
        self._folder = card.read(folder)
        self._sessions: dict[int, tuple[Session, About, Record]] = {}
        told = self._at(self._folder.config.scales[0])[1]
        self.reach, self.multiple = told.reach, told.multiple

    def __call__(self, x: F32, scale: int) -> F32:
        """Run one picture or tile."""
        session, told, _ = self._at(scale)
        if min(x.shape[2:]) < told.smallest:
            raise ModelError(
                f"the picture has a side of {min(x.shape[2:])} pixels, the export takes"
                f" {told.smallest} and more",
                "Use --engine torch",
            )
        return session(x)

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
        if scale not in self._sessions:
            made = exports.find(self._folder, scale, self.format)
            if made is None:
                from . import convert

                made = convert.kept(self._folder, scale, self.format)
            if made.record.refused:
                raise ModelError(made.record.refused, "Use --engine torch")
            format = exports.need(self.format)
            told = about.parse(format.about(made.path), str(made.path))
            self._sessions[scale] = (format.open(made.path, memory.cores()), told, made.record)
        return self._sessions[scale]
