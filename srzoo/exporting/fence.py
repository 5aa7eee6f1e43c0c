"""A wrapper for third-party engines: their faults are reported as theirs.

The core calls engines in many places; the checks are made once, here.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..contracts import multiple_of, on_grid
from ..plugins import importing, origin
from .trial import trial_picture

if TYPE_CHECKING:
    from ..contracts import F32, Runner

R = TypeVar("R")
SIDE = 24
"""The least side of the test picture, in LR pixels."""


class Fenced:
    """A runner whose members are checked at each use.

    Args:
        runner: built by a registry.

    Raises:
        BrokenPluginError: (of every member) it fails, or violates the contract.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        origin.mark(self, origin.made_of(runner))
        self.reach = self._number("reach", lambda: runner.reach, or_none=True)
        self.multiple = self._asked(lambda: multiple_of(runner))
        self.model: Any = self._asked(lambda: runner.model)
        self.batches = self._asked(lambda: getattr(runner, "batches", False)) is True
        self.device: str | None = self._asked(lambda: getattr(runner, "device", None))
        self.parameters = self._number(
            "parameters", lambda: getattr(runner, "parameters", None), or_none=True
        )

    def __call__(self, x: F32, scale: int) -> F32:
        """Run one picture or tile."""
        return self._asked(lambda: self._runner(x, scale))

    def bytes_per_pixel(self, scale: int) -> int:
        """The runner's value, checked."""
        found = self._number("bytes_per_pixel", lambda: self._runner.bytes_per_pixel(scale))
        return found or 0

    def bytes_aside(self, scale: int) -> int:
        """The runner's value, checked."""
        return self._number("bytes_aside", lambda: self._runner.bytes_aside(scale)) or 0

    def free_memory(self) -> int | None:
        """The runner's value, checked."""
        return self._number("free_memory", lambda: self._runner.free_memory(), or_none=True)

    def tried(self, scale: int) -> Fenced:
        """Test it on a small picture, check its memory facts, and return itself."""
        side = on_grid(SIDE, self.multiple)
        y = self(trial_picture(side, side), scale)
        if getattr(y, "shape", None) != (1, 3, side * scale, side * scale):
            raise importing.gave(self, "the engine", y, f"1 x 3 x {side * scale} x {side * scale}")
        if not self._asked(lambda: np.isfinite(y).all()):
            raise importing.gave(self, "the engine", math.nan, "finite values")
        for ask in (self.bytes_per_pixel, self.bytes_aside):
            ask(scale)
        self.free_memory()
        return self

    def _asked(self, ask: Callable[[], R]) -> R:
        with importing.blamed(self):
            return ask()

    def _number(self, name: str, ask: Callable[[], object], or_none: bool = False) -> int | None:
        found = self._asked(ask)
        if found is None and or_none:
            return None
        if isinstance(found, numbers.Real) and 0 <= float(found) < math.inf:
            return int(float(found))
        wanted = f"{name}, a number from 0{' or None' if or_none else ''},"
        raise importing.gave(self, "the engine", found, wanted)
