"""A promise that is broken, in a sentence: what is wrong, in which line, and what mends it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..common.interrupts import interruptible
from ..errors import BrokenPluginError, DeviceError, PluginError, SrzooError
from ..plugins import importing, kinds, manners

if TYPE_CHECKING:
    from ._case import Case

CONTRACTS = "srzoo.contracts"
HERE = Path(__file__).parent
UNSET = ("engine", "export-format", "importer")
"""Kinds that no recipe gives arguments to."""


class ContractError(AssertionError):
    """A promise of a contract is broken.

    Attributes:
        what: the sentence.
        file: of the author's code; empty where it is not known.
        line: in it, from 1; 0 where it is not known.
    """

    def __init__(self, what: str, file: str = "", line: int = 0) -> None:
        super().__init__(what, file, line)
        self.what = what
        self.file = file
        self.line = line

    @property
    def place(self) -> str:
        """``FILE:LINE``, or nothing."""
        return f"{self.file}:{self.line}" if self.file else ""

    def __str__(self) -> str:
        return f"{self.what} ({self.place})" if self.place else self.what


def suite(kind: str, *checks: Callable[[Case], None]) -> tuple[Callable[[Case], None], ...]:
    """The checks of a kind, the rules for every plugin first; each raises a ContractError."""

    def follows_the_rules(case: Case) -> None:
        """It can be imported, names and annotates each argument, and has a docstring."""
        _rules(kind, case)

    return tuple(_told(kind, check) for check in (follows_the_rules, *checks))


def run_all(checks: Iterable[Callable[[Case], None]], case: Case) -> None:
    """One check after the other.

    Raises:
        ContractError: the first promise that is broken.
    """
    for check in checks:
        check(case)


def title(check: Callable[..., object]) -> str:
    """What a check looks at: "reach bounds the receptive field"."""
    return check.__name__.replace("_", " ")


def _told(kind: str, check: Callable[[Case], None]) -> Callable[[Case], None]:
    @functools.wraps(check)
    def told(case: Case) -> None:
        with telling(kind, case, title(check)):
            check(case)

    return told


@contextlib.contextmanager
def telling(kind: str, case: Case, what: str) -> Generator[None]:
    """Whatever is raised inside becomes a ContractError, with the author's line.

    ``SystemExit`` and a ``KeyboardInterrupt`` that nobody sent, too. What says that it is skipped
    passes: a ``DeviceError``, and what pytest raises.
    """
    with interruptible() as noted:
        try:
            yield
        except (ContractError, DeviceError, MemoryError):
            raise
        except BaseException as error:
            if noted or type(error).__module__.startswith("_pytest."):
                raise
            said = _sentence(case, what, error)
            raise ContractError(said, *_place(kind, case, said, error)) from error


def _sentence(case: Case, what: str, error: BaseException) -> str:
    """What a suite says stays; what somebody else's code raises is told with what was looked at."""
    if isinstance(error, AssertionError) and _raised_in(error).parent == HERE:
        return str(error).partition("\nassert ")[0]  # pytest adds what was compared
    if isinstance(error, BrokenPluginError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, SrzooError):
        return f"{case}: {error}"
    return f"{case} fails at {what!r}: {importing.described(error)}"


def _raised_in(error: BaseException) -> Path:
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename) if frames else Path()


def _place(kind: str, case: Case, said: str, error: BaseException) -> tuple[str, int]:
    """The author's line: where it failed, or that of the attribute, or of the class."""
    with contextlib.suppress(Exception):  # a class of somebody else may answer with anything
        target: Any = kinds.kind(kind).get(case.name)
        if frame := _own_frame(target, error):
            return frame.filename, frame.lineno or 0
        return line_of(target, _attribute(said))
    return "", 0


def _own_frame(target: Any, error: BaseException) -> traceback.FrameSummary | None:
    """The last line of the plugin's own package in a traceback and in what caused it."""
    module = sys.modules[target.__module__.partition(".")[0]]
    top = Path(getattr(module, "__file__", None) or "")
    home = f"{top.parent}{os.sep}" if top.stem == "__init__" else str(top)
    found: list[traceback.FrameSummary] = []
    each: BaseException | None = error
    while each is not None:
        frames = traceback.extract_tb(each.__traceback__)
        found = [frame for frame in frames if frame.filename.startswith(home)] or found
        each = each.__cause__
    return found[-1] if found else None


def _attribute(said: str) -> str:
    """The attribute that a sentence is about: what it says to write, or the one behind a dot."""
    written = re.search(r"write `?(?:def |self\.)?(\w+)(?: =|\()", said)
    hit = written or re.search(r"\)\.(\w+) ", said)
    return hit[1] if hit else ""


def line_of(target: Any, attribute: str = "") -> tuple[str, int]:
    """File and line of a class or function, or of what it sets or defines by a name."""
    plain = inspect.unwrap(target)
    written = re.compile(rf"\s+(?:self\.)?(?:\w+, )*{attribute}\b[^=(]*=[^=]|\s+def {attribute}\b")
    bases: list[Any] = list(plain.__mro__) if inspect.isclass(plain) else [plain]
    for each in bases if attribute else []:
        if each.__module__.startswith(("builtins", "torch.", "typing", "srzoo.")):
            continue
        lines, first = inspect.getsourcelines(each)
        for number, line in enumerate(lines):
            if written.match(line):
                return inspect.getsourcefile(each) or "", first + number
    return inspect.getsourcefile(plain) or "", inspect.getsourcelines(plain)[1]


def _rules(kind: str, case: Case) -> None:
    registry = kinds.kind(kind)
    try:
        target: object = registry.get(case.name)
    except PluginError as error:
        raise AssertionError(f"{case}: {error}") from error
    if kind in ("card", "command"):
        return  # a package, and an object of click
    broken = manners.broken_rules(target)
    if kind not in UNSET:
        broken += manners.unannotated(registry.get(case.name))
    assert not broken, f"{case} {'; it '.join(broken)}"


def built(kind: str, case: Case, **more: Any) -> Any:
    """What a case builds.

    Raises:
        AssertionError: an argument is missing or refused, or it fails; the sentence says which.
    """
    registry = kinds.kind(kind)
    try:
        return registry.build({"name": case.name, **case.args}, **more)
    except BrokenPluginError as error:
        reason = importing.described(error.__cause__) if error.__cause__ else str(error)
        raise AssertionError(f"{case} cannot be built: {reason}") from error
    except DeviceError:
        raise
    except SrzooError as error:
        mend = "Name arguments that it can be built with: write `examples = ({...},)`"
        raise AssertionError(f"{case} cannot be built: {error} {mend}") from error


def a_kind(thing: object) -> str:
    """What something is, in a sentence."""
    return "None" if thing is None else f"a {type(thing).__name__}"


def has(case: Case, thing: object, name: str, mend: str) -> Any:
    """An attribute that a contract asks for.

    Args:
        case: what is tried.
        thing: what it built.
        name: of the attribute.
        mend: what to write, and what it means.

    Raises:
        AssertionError: there is none.
    """
    try:
        return getattr(thing, name)
    except AttributeError as error:
        inside = f" ({error})" if isinstance(getattr(type(thing), name, None), property) else ""
        raise AssertionError(f"{case} states no {name}{inside}: {mend}") from error


def can(case: Case, thing: object, name: str, mend: str) -> None:
    """Whether it has a method that a contract asks for; one that a contract itself brings is none.

    Raises:
        AssertionError: there is none.
    """
    method = getattr(thing, name, None)
    inherited = (getattr(method, "__module__", None) or "").startswith(CONTRACTS)
    assert callable(method), f"{case} has no method {name}: {mend}"
    assert not inherited, f"{case} has no method {name} of its own: {mend}"
