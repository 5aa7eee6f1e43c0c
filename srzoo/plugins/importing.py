"""Imports other people's code: errors are reported as that plugin's, and the program continues."""

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
"""Seconds of an import that are worth a word."""


def load(entry: EntryPoint | Reference, plugin: Plugin) -> Any:
    """Import what an entry point names, or a file.

    It may raise anything, ``SystemExit`` and ``KeyboardInterrupt`` too; only an interrupt that
    somebody sent ends more than the plugin. What it prints goes to standard error, and what it
    changes of the process (:mod:`.keeping`) is put back.

    Args:
        entry: the entry point, or the class in a file.
        plugin: what the metadata says of it.

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
                else "Correct the file; it can import installed packages, not files beside it",
            ) from error
    seconds = time.perf_counter() - start
    if plugin.is_foreign and seconds > SLOW:
        warn(f"{plugin} took {seconds:.0f} s to import")
    return found


def _is_new(entry: EntryPoint | Reference, plugin: Plugin) -> bool:
    """Whether it is code of somebody else that has not run yet."""
    home = entry.module if isinstance(entry, Reference) else entry.value.partition(":")[0].strip()
    return plugin.dist != OWN and home not in sys.modules


def lacking(error: BaseException, dist: str, who: str = "this") -> NotInstalledError | None:
    """What to say of a module that an import did not find, where a distribution asks for it.

    Args:
        error: what the import raised.
        dist: the distribution.
        who: needs it, for the message.
    """
    name = error.name if isinstance(error, ModuleNotFoundError) else None
    command = packages.to_install(dist, name) if name else None
    if not name or not command:
        return None
    return NotInstalledError(
        f"{who} needs {name}, which is not installed", f"Install it: {command}"
    )


def need_torch(who: str, extra: str = "torch") -> None:
    """Refuse to begin without torch.

    Args:
        who: needs it, for the message.
        extra: of ours, brings all that is needed.

    Raises:
        NotInstalledError: it is not installed.
    """
    if util.find_spec("torch") is None:
        raise NotInstalledError(
            f"{who} needs torch, which is not installed",
            f'Install it: pip install "{OWN}[{extra}]"',
        )


class blamed:  # noqa: N801 - it is used like a function
    """What fails in this ``with`` block is told as a plugin's, with the place in its code.

    The innermost part of another package that the traceback goes through is to blame: the block
    rather than its generator. Errors of srzoo pass, and those of memory, which are nobody's, and
    interrupts; a ``SystemExit`` ends no more than the plugin, unless a signal's handler raised it.

    Args:
        part: what is asked: a plugin, or what a registry has built of one. Of anything else the
            parts that the traceback goes through are to blame, or nobody.
        let: errors that pass, too.
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
    """Whether a handler raised it, which a frame is given to."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(isinstance(each, FrameType) for one in frames[1:] for each in one.f_locals.values())


def _to_blame(part: object, error: BaseException) -> Plugin | None:
    """The innermost part of another package in a traceback; else what was asked, or ours."""
    asked = part if isinstance(part, Plugin) else origin.origin(part)
    selves = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
    found = [plugin for one in selves if (plugin := origin.origin(one))]
    strangers = [plugin for plugin in found if plugin.dist != OWN]
    if asked and asked.dist != OWN:
        return strangers[-1] if strangers else asked
    return [asked, *found, *strangers][-1]


def failed(plugin: Plugin, error: BaseException) -> BrokenPluginError:
    """An error that a plugin raised while it worked, as one that says whose it is and where."""
    found = BrokenPluginError(
        f"{plugin} failed{_where(plugin, error)}: {described(error)}",
        f"{_whose(plugin)}; srzoo --debug shows the traceback",
    )
    found.__cause__ = error
    return found


def gave(part: object, name: str, value: object, wanted: str) -> BrokenPluginError:
    """What is to be said of a result that the contract of its kind does not allow.

    Args:
        part: gave it: a plugin, or what a registry has built of one.
        name: what the part is called, if no registry has built it.
        value: the result.
        wanted: what belongs in its place, such as "a number".
    """
    plugin = part if isinstance(part, Plugin) else origin.origin(part)
    return BrokenPluginError(
        f"{plugin or name} gave {_briefly(value)}, where {wanted} belongs",
        _whose(plugin) if plugin else "Correct it",
    )


def _briefly(value: object) -> str:
    """A result in words: a number as it is, an array by type and shape, else its type."""
    if value is None or isinstance(value, int | float | str):
        return repr(value)[:60]
    shape = getattr(value, "shape", None)
    kind = type(value).__name__
    return kind if shape is None else f"{kind} {getattr(value, 'dtype', '')} {tuple(shape)}"


def _whose(plugin: Plugin) -> str:
    own = plugin.is_foreign or plugin.dist == OWN
    return f"Report it to the author of {plugin.dist}" if own else "Correct it"


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
