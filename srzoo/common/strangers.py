"""Safe descriptions of third-party code. Standard library only."""

from __future__ import annotations

import contextlib
import warnings

from ..errors import PluginWarning

ERRORS = Exception, SystemExit, GeneratorExit, BaseExceptionGroup
"""Errors of third-party code; an interrupt comes from the user."""
_WARNED: dict[str | tuple[str, type[Warning], int], int] = {}


def warn(text: str) -> None:
    """Warn once in a process about a fault of a plugin."""
    warnings.warn_explicit(text, PluginWarning, __file__, 0, registry=_WARNED)


def described(error: BaseException) -> str:
    """An error as text: its class and its message."""
    with contextlib.suppress(BaseException):  # its __str__ is third-party code too
        if text := str(error).strip():
            return f"{type(error).__name__}: {text}"
    return type(error).__name__
