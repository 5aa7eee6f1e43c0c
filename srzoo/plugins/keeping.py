"""Process state that an import must not change, and that is restored.

Changes that libraries may need are kept: new environment variables, new folders on ``sys.path``,
new filters for warnings.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import locale
import logging
import os
import signal
import sys
import warnings
from collections.abc import Generator
from typing import Any, TextIO


class Unclosable(io.TextIOBase):
    """A stand-in for a stream that passes writes on, and ignores close."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str, /) -> int:
        """Write to the stream."""
        return self._stream.write(text)

    def flush(self) -> None:
        """Flush the stream."""
        self._stream.flush()

    def fileno(self) -> int:
        """The stream's descriptor."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def close(self) -> None:
        """Do nothing: the stream is not the plugin's."""


@contextlib.contextmanager
def kept() -> Generator[None]:
    """Restore the state of the process; a forked child that returns from the block is ended."""
    process, folder = os.getpid(), _working_folder()
    variables, path, arguments = dict(os.environ), list(sys.path), list(sys.argv)
    hooks = {name: getattr(sys, name) for name in ("stderr", "excepthook", "displayhook")}
    limit, filters, show = sys.getrecursionlimit(), list(warnings.filters), warnings.showwarning
    level, handlers, language = logging.root.level, list(logging.root.handlers), _locale()
    mask, alarm, torch = _mask(), _alarm(), _of_torch()
    if hooks["stderr"] is not None:  # a program without a console has none
        sys.stderr = Unclosable(sys.stderr)  # pyright: ignore[reportAttributeAccessIssue]
    try:
        yield
    finally:
        if os.getpid() != process:
            os._exit(0)  # a fork must not continue the program
        for name, value in hooks.items():
            setattr(sys, name, value)
        sys.setrecursionlimit(limit)
        sys.argv[:] = arguments
        sys.path += [place for place in path if place not in sys.path]
        for name in variables.keys() - os.environ.keys():
            os.environ[name] = variables[name]
        warnings.showwarning = show
        new = itertools.takewhile(lambda one: one not in filters[:1], warnings.filters)
        if any(one[0] == "error" for one in new):
            warnings.resetwarnings()
            warnings.filters[:] = filters  # pyright: ignore[reportIndexIssue]
        logging.root.setLevel(level)
        logging.root.handlers[:] = handlers
        with contextlib.suppress(locale.Error):
            locale.setlocale(locale.LC_ALL, language)
        os.umask(mask)
        if folder is not None and folder != _working_folder():
            os.chdir(folder)
        if _alarm() > alarm:
            signal.setitimer(signal.ITIMER_REAL, alarm)
        _back_to(torch)


def _working_folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:
        return None  # it was deleted


def _locale() -> str:
    return locale.setlocale(locale.LC_ALL)


def _mask() -> int:
    mask = os.umask(0o022)  # the only way to read it; meanwhile other threads get the usual mask
    os.umask(mask)
    return mask


def _alarm() -> float:
    """Seconds until a pending alarm; 0 without one."""
    return signal.getitimer(signal.ITIMER_REAL)[0] if hasattr(signal, "getitimer") else 0.0


def _of_torch() -> tuple[Any, ...] | None:
    """Global settings of torch; None if torch is not imported."""
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "get_default_dtype"):
        return None
    return (
        torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads(),
        torch.are_deterministic_algorithms_enabled(), torch.get_default_device(),
    )  # fmt: skip


def _back_to(before: tuple[Any, ...] | None) -> None:
    torch = sys.modules.get("torch")
    now = _of_torch()
    if torch is None or now is None or now == before:
        return
    usual = torch.float32, True, now[2], False, torch.device("cpu")
    kind, gradients, threads, same, device = before or usual
    torch.set_default_dtype(kind)
    torch.set_grad_enabled(gradients)
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(same)
    if device != now[4]:
        torch.set_default_device(None if device == torch.device("cpu") else device)
