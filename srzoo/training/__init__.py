"""Training: a recipe to a model folder that stops and resumes at any step.

``assemble`` builds every part, ``fit`` runs the loop, and the folder it writes is a model
folder from the first checkpoint on. Imported when they are asked for: a process that only cuts
crops needs no torch.
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
