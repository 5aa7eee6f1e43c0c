"""Signals while third-party code runs: lost ones are raised, changed handlers are restored."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Generator
from types import FrameType
from typing import Any

NAMES = "SIGINT", "SIGTERM", "SIGHUP"


@contextlib.contextmanager
def interruptible() -> Generator[list[BaseException]]:
    """Raise an interrupt again that the code inside caught.

    The handlers of all signals are restored afterwards.

    Yields:
        The errors of signal handlers so far; if empty, an error comes from the code inside.
    """
    came: list[BaseException] = []
    before: dict[int, Any] = {}

    def note(number: int, frame: FrameType | None) -> None:
        try:
            before[number](number, frame)
        except BaseException as error:
            came.append(error)
            raise

    if threading.current_thread() is threading.main_thread():  # only the main thread gets signals
        before = {number: signal.getsignal(number) for number in signal.valid_signals()}
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is not None and callable(before.get(number)):
                signal.signal(number, note)
    try:
        yield came
    except BaseException as error:
        if came and error is not came[0]:
            raise came[0] from None
        raise
    finally:
        for number, handler in before.items():
            if handler is not None and signal.getsignal(number) is not handler:
                signal.signal(number, handler)
    if came:
        raise came[0]
