"""The functions that a run calls, and its result."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


def _no_step(_step: int, _losses: dict[str, float], _speed: float, _waiting: float) -> None: ...
def _no_line(_line: dict[str, Any]) -> None: ...
def _no_values(_step: int, _values: dict[str, float]) -> None: ...
def _no_word(_word: str) -> None: ...
def _no_decoding(_done: int, _total: int) -> None: ...


@dataclass
class Callbacks:
    """Functions that a run calls as it trains; with several processes, in the first one.

    Attributes:
        on_step: (step, averaged losses, steps per second, share of time waiting for data).
        on_log: the line of the log for that step: "step", "losses", "facts", "lr",
            "steps_per_second", "waiting", and with a discriminator "discriminator_lr".
        on_evaluation: (step, metric values), after the values and the sheet are written.
        on_word: a message about the run.
        on_decoding: (pictures decoded, pictures in all), the first time a dataset is used.
    """

    on_step: Callable[[int, dict[str, float], float, float], None] = _no_step
    on_evaluation: Callable[[int, dict[str, float]], None] = _no_values
    on_word: Callable[[str], None] = _no_word
    on_decoding: Callable[[int, int], None] = _no_decoding
    on_log: Callable[[dict[str, Any]], None] = _no_line


@dataclass(frozen=True)
class Outcome:
    """How a run ended: steps done, whether it was complete, and the last evaluation."""

    step: int
    complete: bool
    values: dict[str, float] = field(default_factory=dict[str, float])
