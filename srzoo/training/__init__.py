"""Training: from a recipe to a model folder; a run can stop and resume at any step.

``assemble`` builds every part, ``fit`` runs the loop, and the run's folder is a model folder from
the first checkpoint. Names are imported when they are first used: a process that only cuts crops
needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .callbacks import Callbacks, Outcome
    from .loop import fit
    from .parts import Parts, assemble
    from .stages import train

__all__ = ["Callbacks", "Outcome", "Parts", "assemble", "fit", "train"]
_HOMES = {
    "Outcome": "callbacks", "Parts": "parts", "Callbacks": "callbacks", "assemble": "parts",
    "fit": "loop", "train": "stages",
}  # fmt: skip


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)
