"""The errors that srzoo raises: each states what went wrong, and how to fix it."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = [
    "ArgumentError",
    "BrokenPluginError",
    "DeviceError",
    "FallbackWarning",
    "HubError",
    "MemoryBudgetError",
    "MissingPluginError",
    "ModelError",
    "NotInstalledError",
    "PictureError",
    "PluginConflictError",
    "PluginError",
    "PluginWarning",
    "SrzooError",
    "WeightsError",
    "did_you_mean",
]


class SrzooError(Exception):
    """An error that the user can fix.

    Args:
        what: what is wrong and where (the file, the name, the value), without a full stop.
        fix: the edit or the command that fixes it, as a sentence without a full stop.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(what, fix)
        self.what = what
        self.fix = fix

    def __str__(self) -> str:
        return " ".join(_sentence(part) for part in (self.what, self.fix) if part)


def _sentence(text: str) -> str:
    return text if text.endswith(("?", ".")) else f"{text}."


class PluginError(SrzooError):
    """A plugin is missing, claimed twice, broken, or given wrong arguments."""


class MissingPluginError(PluginError):
    """No installed distribution provides the requested plugin."""


class PluginConflictError(PluginError):
    """Two distributions claim the same plugin name."""


class BrokenPluginError(PluginError):
    """The plugin is installed and cannot be imported; the cause is chained."""


class NotInstalledError(PluginError, ImportError):
    """A package is missing that the request needs; an extra installs it."""


class ArgumentError(PluginError):
    """The arguments do not match the signature of the plugin."""


class ModelError(SrzooError):
    """A model cannot be found, or its folder is wrong."""


class WeightsError(ModelError):
    """The weights of a model are missing, damaged, or do not fit its network."""


class HubError(ModelError):
    """A model cannot be fetched from the Hub, or published there."""


class PictureError(SrzooError):
    """A picture cannot be read, written or upscaled."""


class MemoryBudgetError(SrzooError):
    """The work does not fit into the available or permitted memory."""


class DeviceError(SrzooError):
    """The requested device or precision is not available here."""


class FallbackWarning(UserWarning):
    """The requested way gave wrong values, and another one was used."""


class PluginWarning(UserWarning):
    """Part of an installed plugin is wrong, and the work continues without it."""


def did_you_mean(name: str, choices: Iterable[str]) -> str:
    """A hint for a name that does not exist: the nearest ones, or all of them.

    >>> did_you_mean("edrs", ["edsr", "mdsr", "bicubic"])
    'Did you mean edsr?'
    """
    known = sorted(set(choices))
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    if near:
        return f"Did you mean {' or '.join(near)}?"
    return f"Available: {', '.join(known)}" if known else "None are available"
