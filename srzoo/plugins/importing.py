"""Imports code that is not ours: whatever it does, the program goes on and says whose it was."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Generator
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from ..errors import BrokenPluginError, PluginWarning

if TYPE_CHECKING:
    from .registry import Plugin

SLOW = 5.0
"""Seconds of an import that are worth a word; torch itself takes some two."""
SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


def load(entry: EntryPoint, plugin: Plugin) -> Any:
    """Import what an entry point names.

    It may raise anything, ``SystemExit`` and ``KeyboardInterrupt`` too; only an interrupt that
    somebody sent ends more than the plugin. What it prints goes to standard error, and handlers of
    signals are afterwards what they were.

    Args:
        entry: the entry point.
        plugin: what the metadata says of it.

    Raises:
        BrokenPluginError: it cannot be imported.
    """
    start = time.perf_counter()
    with signals_noted() as noted, contextlib.redirect_stdout(sys.stderr):
        try:
            found = entry.load()
        except BaseException as error:
            if noted:
                raise
            raise BrokenPluginError(
                f"{plugin} cannot be imported from {entry.value}: {described(error)}",
                f"Upgrade or uninstall {plugin.dist}",
            ) from error
    if (seconds := time.perf_counter() - start) > SLOW:
        warn(f"{plugin} took {seconds:.0f} s to import")
    return found


def failed(plugin: Plugin, error: BaseException) -> BrokenPluginError:
    """An error that a plugin raised while it worked, as one that says whose it is and where."""
    found = BrokenPluginError(
        f"{plugin} failed{_where(plugin, error)}: {described(error)}",
        f"Report it to the author of {plugin.dist}; srzoo --debug shows the traceback",
    )
    found.__cause__ = error
    return found


def _where(plugin: Plugin, error: BaseException) -> str:
    """The last line of the plugin's own package in a traceback, or the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    module = sys.modules.get(plugin.target.partition(":")[0].partition(".")[0])
    home = getattr(module, "__file__", None) or ""
    if Path(home).stem == "__init__":
        home = f"{Path(home).parent}{os.sep}"
    own = [frame for frame in frames if home and frame.filename.startswith(home)]
    last = (own or frames)[-1:]
    return f" at {last[0].filename}:{last[0].lineno}" if last else ""


_WARNED: dict[str | tuple[str, type[Warning], int], int] = {}


def warn(text: str) -> None:
    """Say once in a process that something is wrong with a plugin."""
    warnings.warn_explicit(text, PluginWarning, __file__, 0, registry=_WARNED)


def described(error: BaseException) -> str:
    """An error of somebody else's code in words: its class and its text."""
    with contextlib.suppress(Exception):  # its __str__ is somebody else's too
        if text := str(error).strip():
            return f"{type(error).__name__}: {text}"
    return type(error).__name__


@contextlib.contextmanager
def signals_noted() -> Generator[list[int]]:
    """The signals that arrive meanwhile, and are handled as before."""
    noted: list[int] = []
    before: dict[signal.Signals, Callable[[int, FrameType | None], object]] = {}

    def note(number: int, frame: FrameType | None) -> None:
        noted.append(number)
        before[signal.Signals(number)](number, frame)

    if threading.current_thread() is threading.main_thread():
        for name in SIGNALS:
            number = getattr(signal, name, None)
            handler = signal.getsignal(number) if number is not None else None
            if number is not None and callable(handler):
                before[number] = handler
                signal.signal(number, note)
    try:
        yield noted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
