"""Ctrl-C, SIGTERM and SIGHUP: temporary files are deleted, and no result is left unfinished."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Generator
from types import FrameType

INTERRUPTED = 130
NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
SECOND_SIGNAL = b"srzoo: finishing files that are being written; a second signal ends at once\n"


class StopHandler:
    """The first signal raises a KeyboardInterrupt; the second ends without cleaning up."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1
        if self.count == 1:
            raise KeyboardInterrupt
        if self.count > 2:
            os._exit(INTERRUPTED)  # the next run deletes unfinished files
        with contextlib.suppress(OSError):
            os.write(2, SECOND_SIGNAL)


@contextlib.contextmanager
def signals_handled() -> Generator[None]:
    """Handle all of these signals in the same way; ignored ones (``nohup``) stay ignored."""
    stop, before = StopHandler(), dict[signal.Signals, object]()
    try:
        for name in NAMES:
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, stop)
    except ValueError:
        pass  # in other threads the caller handles signals
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]
