"""Imports other people's code: errors are reported as the plugin's, and the program continues."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import traceback
from importlib import util
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType
from typing import Any

from ..common.interrupts import interruptible
from ..common.strangers import described, warn
from ..errors import BrokenPluginError, NotInstalledError, SrzooError
from . import keeping, origin, packages
from .packages import OWN
from .plugin import Plugin
from .references import Reference

SLOW = 5.0
"""Duration of an import that is reported, in seconds."""


def load(entry: EntryPoint | Reference, plugin: Plugin) -> Any:
    """Import the object of an entry point, or of a file.

    It may raise anything, including ``SystemExit`` and ``KeyboardInterrupt``; only an interrupt
    that the user sent ends more than the plugin. Its output goes to standard error, and its changes
    to the process (:mod:`.keeping`) are undone.

    Args:
        entry: the entry point, or the class in a file.
        plugin: the plugin, as the metadata describe it.

    Raises:
        BrokenPluginError: it cannot be imported.
    """
    start = time.perf_counter()
    with interruptible(), keeping.kept() if _is_new(entry, plugin) else contextlib.nullcontext():
        try:
            with contextlib.redirect_stdout(sys.stderr):
                found = entry.load()
        except BaseException as error:
            if missing := lacking(error, plugin.dist, str(plugin)):
                raise missing from error
            raise BrokenPluginError(
                f"{plugin} cannot be imported from {entry.value}: {described(error)}",
                f"Upgrade or uninstall {plugin.dist}"
                if isinstance(entry, EntryPoint)
                else "Fix the file; it can import installed packages, not files beside it",
            ) from error
    seconds = time.perf_counter() - start
    if plugin.is_foreign and seconds > SLOW:
        warn(f"{plugin} took {seconds:.0f} s to import")
    return found


def _is_new(entry: EntryPoint | Reference, plugin: Plugin) -> bool:
    """Whether it is third-party code that has not run yet."""
    home = entry.module if isinstance(entry, Reference) else entry.value.partition(":")[0].strip()
    return plugin.dist != OWN and home not in sys.modules


def lacking(error: BaseException, dist: str, who: str = "this") -> NotInstalledError | None:
    """The error for a module that an import did not find, if a distribution requires it.

    Args:
        error: of the import.
        dist: the distribution.
        who: what needs the module, for the message.
    """
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    command = packages.to_install(dist, name) if name else None
    if not name or not command:
        return None
    return NotInstalledError(
        f"{who} needs {name}, which is not installed", f"Install it: {command}"
    )


def need_torch(who: str, extra: str = "torch") -> None:
    """Raise an error if torch is not installed.

    Args:
        who: what needs torch, for the message.
        extra: srzoo's extra that installs everything needed.

    Raises:
        NotInstalledError: torch is not installed.
    """
    if util.find_spec("torch") is None:
        raise NotInstalledError(
            f"{who} needs torch, which is not installed",
            f'Install it: pip install "{OWN}[{extra}]"',
        )


class blamed:  # noqa: N801 - it is used like a function
    """Turn an error in this ``with`` block into that of a plugin, with the place in its code.

    The innermost third-party plugin in the traceback is reported: a block rather than its
    generator. Errors of srzoo pass, as do those of memory, which are no plugin's fault, and
    interrupts. A ``SystemExit`` ends only the plugin, unless a signal handler raised it.

    Args:
        part: the object in use: a plugin, or an object that a registry built. For any other object
            the plugins in the traceback are reported, if there are any.
        let: further errors that pass.
    """

    __slots__ = ("_let", "_part")

    def __init__(self, part: object, let: tuple[type[Exception], ...] = ()) -> None:
        self._part = part
        self._let = let

    def __enter__(self) -> None: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: object
    ) -> None:
        if error is None or _is_nobodys(error) or isinstance(error, self._let):
            return
        if plugin := _to_blame(self._part, error):
            raise lacking(error, plugin.dist, str(plugin)) or failed(plugin, error) from error


def _is_nobodys(error: BaseException) -> bool:
    known = isinstance(error, (SrzooError, MemoryError, KeyboardInterrupt))
    known |= isinstance(error, SystemExit) and _is_of_a_signal(error)
    of_a_card = any(kind.__name__ == "OutOfMemoryError" for kind in type(error).__mro__)
    return known or of_a_card or "can't allocate memory" in described(error)


def _is_of_a_signal(error: BaseException) -> bool:
    """Whether a signal handler raised it, recognised by its argument, a frame."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(isinstance(each, FrameType) for one in frames[1:] for each in one.f_locals.values())


def _to_blame(part: object, error: BaseException) -> Plugin | None:
    """The innermost third-party plugin in a traceback; else the plugin in use, or srzoo's own."""
    asked = part if isinstance(part, Plugin) else origin.origin(part)
    selves = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
    found = [plugin for one in selves if (plugin := origin.origin(one))]
    strangers = [plugin for plugin in found if plugin.dist != OWN]
    if asked and asked.dist != OWN:
        return strangers[-1] if strangers else asked
    return [asked, *found, *strangers][-1]


def failed(plugin: Plugin, error: BaseException) -> BrokenPluginError:
    """The error of a plugin at work, with the plugin and the place in its code."""
    found = BrokenPluginError(
        f"{plugin} failed{_where(plugin, error)}: {described(error)}",
        f"{_whose(plugin)}; srzoo --debug shows the traceback",
    )
    found.__cause__ = error
    return found


def gave(part: object, name: str, value: object, wanted: str) -> BrokenPluginError:
    """The error for a result that the contract does not allow.

    Args:
        part: the object that returned it: a plugin, or an object that a registry built.
        name: the object's name, if no registry built it.
        value: the result.
        wanted: the required result, such as "a number".
    """
    plugin = part if isinstance(part, Plugin) else origin.origin(part)
    return BrokenPluginError(
        f"{plugin or name} returned {_briefly(value)}, not {wanted}",
        _whose(plugin) if plugin else "Correct it",
    )


def _briefly(value: object) -> str:
    """A result in brief: a number as it is, an array by type and shape, else its type."""
    if value is None or isinstance(value, int | float | str):
        return repr(value)[:60]
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return kind if shape is None else f"{kind} {getattr(value, 'dtype', '')} {tuple(shape)}"


def _whose(plugin: Plugin) -> str:
    own = plugin.is_foreign or plugin.dist == OWN
    return f"Report it to the author of {plugin.dist}" if own else "Fix it"


def _where(plugin: Plugin, error: BaseException) -> str:
    """The last line of the plugin's own package in a traceback, or the last of all."""
    frames = traceback.extract_tb(error.__traceback__)
    place, _, _ = plugin.target.rpartition(":")
    module = sys.modules.get(place.partition(".")[0])
    home = getattr(module, "__file__", None) or (place if place.endswith(".py") else "")
    if Path(home).stem == "__init__":
        home = f"{Path(home).parent}{os.sep}"
    own = [frame for frame in frames if home and frame.filename.startswith(home)]
    last = (own or frames)[-1:]
    return f" at {last[0].filename}:{last[0].lineno}" if last else ""
