"""Options for results, and the ones that the ledger records."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .. import images
from ..upscaling.sizing import Sizing
from . import ledger

if TYPE_CHECKING:
    from ..models.folder import ModelFolder
    from .ledger import Settings


@dataclass(frozen=True)
class Options:
    """Options for results.

    Attributes:
        sizing: the requested size.
        quality: of JPEG, WebP, AVIF and HEIC; None for the format's default.
        strip: leave out EXIF, XMP and other metadata.
        provenance: record the model in the XMP.
        invented: whether the model was trained to invent detail, which the provenance states.
        max_pixels: larger pictures are refused.
        force_damaged: use the readable part of damaged files.
        strength: of the model, as for the Upscaler.
        keep_times: give results the times of their inputs.
    """

    sizing: Sizing = field(default_factory=Sizing)
    quality: int | None = None
    strip: bool = False
    provenance: bool = True
    invented: bool = False
    max_pixels: int = images.MAX_PIXELS
    force_damaged: bool = False
    strength: float = 1.0
    keep_times: bool = False

    def request(self, page: int | None = None) -> images.ReadRequest:
        """The request to read a picture's header, or that of one of its pages."""
        return images.ReadRequest(self.max_pixels, page, self.force_damaged)

    def settings(
        self, folder: ModelFolder, precision: str, *, tile: int | str = "auto", engine: str = "auto"
    ) -> Settings:
        """All settings that affect a result, for the ledger.

        Memory, jobs and device are not included: results from other machines are kept. A new
            setting
        is None by default, as in older ledgers.
        """
        config, sizing = folder.config, self.sizing
        network = [config.generator, config.args, config.weights and config.weights.sha256]
        digest = hashlib.sha256(json.dumps(network, sort_keys=True).encode()).hexdigest()
        return {
            "model": folder.name,
            "network": digest[:16],
            "precision": precision,
            "scale": sizing.scale,
            "size": f"{sizing.size or sizing.side}" if sizing.size or sizing.side else None,
            "quality": self.quality,
            "strip": self.strip,
            "provenance": self.provenance,
            "tile": _asked(tile),
            "engine": _asked(engine),
            # None by default, as in ledgers from before they were added.
            "strength": None if self.strength == 1 else self.strength,
            "keep_times": self.keep_times or None,
            ledger.RESCUE: self.force_damaged or None,
        }


def _asked(option: int | str) -> int | str | None:
    return None if option == "auto" else option
