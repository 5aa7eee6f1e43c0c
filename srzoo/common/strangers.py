"""Safe descriptions of other people's code. Standard library only."""

from __future__ import annotations

import contextlib
import warnings

from ..errors import PluginWarning

ERRORS = Exception, SystemExit, GeneratorExit, BaseExceptionGroup
"""What other people's code may raise; an interrupt is somebody's at the keyboard."""
_WARNED: dict[str | tuple[str, type[Warning], int], int] = {}


def warn(text: str) -> None:
    """Say once in a process that something is wrong with a plugin."""
    warnings.warn_explicit(text, PluginWarning, __file__, 0, registry=_WARNED)


def described(error: BaseException) -> str:
    """An error in words: its class and its text."""
    with contextlib.suppress(BaseException):  # its __str__ is somebody else's too
        if text := str(error).strip():
            return f"{type(error).__name__}: {text}"
    return type(error).__name__
