"""Ctrl-C, SIGTERM and SIGHUP: temporary files are removed, and no work is left half done."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator
from types import FrameType

INTERRUPTED = 130
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SECOND_SIGNAL = b"srzoo: finishing what is being written; once more ends it at once\n"


class StopHandler:
    """The first signal is a KeyboardInterrupt; the second leaves the clearing up alone."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            raise KeyboardInterrupt
        if self.count > 2:
            os._exit(INTERRUPTED)  # what is half made is taken away by the next run
        with contextlib.suppress(OSError):
            os.write(2, SECOND_SIGNAL)


@contextlib.contextmanager
def signals_handled() -> Generator[None]:
    """Handle them all alike; what is ignored (``nohup``) stays ignored."""
    stop, before = StopHandler(), dict[signal.Signals, object]()
    try:
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    except ValueError:
        pass  # not in the main thread: whoever runs it there handles them
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]
