"""A broken rule as a message: the fault, its line, and a fix."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import random
import re
import sys
import traceback
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ..common.interrupts import interruptible
from ..errors import BrokenPluginError, DeviceError, PluginError, SrzooError
from ..plugins import importing, kinds, manners
from ..plugins.plugin import IncompleteError

if TYPE_CHECKING:
    from ._case import Case

C = TypeVar("C", bound=Callable[..., None])
IMPORT = "cannot be imported"
CONTRACTS = "srzoo.contracts"
HERE = Path(__file__).parent
UNSET = ("engine", "export-format", "importer")
"""Kinds whose plugins take no arguments from recipes."""
MENDS = (
    (r"Unsupported dtype|not implemented for '(BFloat16|Half)'",
     "Compute that part in float32: `f(x.float()).to(x.dtype)`"),
    (r"numpy\(\)|ScalarType", "Compute it with torch, not with numpy"),
    (r"before Module.__init__", "Write `super().__init__()` as its first line"),
    (r"same dtype|should be the same|expected scalar type|BFloat16|must match.*dtype",
     "Make constants in the type of the input: `x.new_tensor(...)`, or `register_buffer`"),
    (r"leaf Variable|used in an in-?place|modified by an inplace",
     "Work on a copy: no `inplace=True`, and no method that ends in _, on the input"),
    (r"view size is not compatible", "Write `reshape` for `view`: it may be transposed"),
    (r"'NoneType' object is not callable", "It returned None: write `return`"),
    (r"same device",
     "Make constants where the input is: `x.new_tensor(...)`, or `register_buffer`"),
)  # fmt: skip
"""The fix for an error of torch, by its text."""


class ContractError(AssertionError):
    """A plugin breaks a rule of its contract.

    Attributes:
        what: the sentence.
        file: the author's file; empty if unknown.
        line: the line in it, from 1; 0 if unknown.
    """

    def __init__(self, what: str, file: str = "", line: int = 0) -> None:
        super().__init__(what, file, line)
        self.what = what
        self.file = file
        self.line = line

    @property
    def place(self) -> str:
        """``FILE:LINE``, or an empty text."""
        return f"{self.file}:{self.line}" if self.file else ""

    def __str__(self) -> str:
        return f"{self.what} ({self.place})" if self.place else self.what


def suite(kind: str, *checks: Callable[[Case], None]) -> tuple[Callable[[Case], None], ...]:
    """The checks of a kind, first the rules for every plugin; each raises a ContractError."""

    @basic
    def follows_the_rules(case: Case) -> None:
        """It can be imported, names and annotates each argument, and has a docstring."""
        _rules(kind, case)

    return tuple(_told(kind, check) for check in (follows_the_rules, *checks))


def basic(check: C) -> C:
    """Mark a check whose failure makes the other checks meaningless."""
    check.__dict__["basic"] = True
    return check


def is_basic(check: Callable[..., None]) -> bool:
    """Whether its failure makes the other checks of its plugin meaningless."""
    return getattr(check, "basic", False)


def run_all(checks: Iterable[Callable[[Case], None]], case: Case) -> None:
    """Run one check after the other.

    Raises:
        ContractError: the first broken rule.
    """
    for check in checks:
        check(case)


def title(check: Callable[..., object]) -> str:
    """The title of a check: "reach bounds the receptive field"."""
    return check.__name__.replace("_", " ")


def _told(kind: str, check: Callable[[Case], None]) -> Callable[[Case], None]:
    @functools.wraps(check)
    def wrapped(case: Case) -> None:
        with telling(kind, case, title(check)):
            check(case)

    return wrapped


@contextlib.contextmanager
def telling(kind: str, case: Case, what: str) -> Generator[None]:
    """Turn any error raised inside into a ContractError with the author's line.

    This includes ``SystemExit`` and a ``KeyboardInterrupt`` that the user did not send. Errors that
    mark a check as skipped pass through: ``DeviceError``, and those of pytest.
    """
    with interruptible() as noted:
        try:
            yield
        except (ContractError, DeviceError, MemoryError):
            raise
        except BaseException as error:
            if noted or type(error).__module__.startswith("_pytest."):
                raise
            sentence = _sentence(case, what, error)
            raise ContractError(sentence, *_place(kind, case, sentence, error)) from error


def _sentence(case: Case, what: str, error: BaseException) -> str:
    """The unchanged message of a suite's own check; other errors get the title of the check."""
    if isinstance(error, AssertionError) and _raised_in(error).parent == HERE:
        return str(error).partition("\nassert ")[0]  # pytest appends the compared values
    if isinstance(error, BrokenPluginError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, SrzooError):
        return f"{case}: {error}"
    sentence = importing.described(error)
    if sentence == type(error).__name__ and (frames := traceback.extract_tb(error.__traceback__)):
        sentence += f" in `{frames[-1].line}`"
    return f"{case} fails at {what!r}: {sentence}{mend_of(error)}"


def mend_of(error: BaseException) -> str:
    """The fix for an error of torch, after a full stop; empty if none is known."""
    known = (mend for text, mend in MENDS if re.search(text, str(error)))
    return next((f". {mend}" for mend in known), "")


def _raised_in(error: BaseException) -> Path:
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename) if frames else Path()


def _place(kind: str, case: Case, sentence: str, error: BaseException) -> tuple[str, int]:
    """The author's line: where the code failed, or the line of the attribute or the class."""
    if IMPORT in sentence and (lines := _of_an_import(error)):
        return lines[-1].filename, lines[-1].lineno or 0
    with contextlib.suppress(Exception):  # a plugin's class may raise anything here
        target: Any = kinds.kind(kind).get(case.name)
        target = getattr(target, "callback", None) or target  # the function of a command
        if frame := _own_frame(target, error):
            return frame.filename, frame.lineno or 0
        return line_of(target, _attribute(sentence))
    return "", 0


def _of_an_import(error: BaseException) -> list[traceback.FrameSummary]:
    """The author's lines of a failed import: those after srzoo's and importlib's own."""
    while not isinstance(error, PluginError):
        if error.__cause__ is None:
            return []
        error = error.__cause__
    frames = traceback.extract_tb(error.__cause__ and error.__cause__.__traceback__)
    machinery = str(HERE.parent), "<frozen", str(Path(importlib.__file__ or "").parent)
    return [frame for frame in frames if not frame.filename.startswith(machinery)]


def _own_frame(target: Any, error: BaseException) -> traceback.FrameSummary | None:
    """The last line of the plugin's own package in a traceback, or in that of its cause."""
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


def _attribute(sentence: str) -> str:
    """The attribute in a message: the one after "write", or the one after a dot."""
    written = re.search(r"write `?(?:def |self\.)?(\w+)(?: =|\()", sentence)
    hit = written or re.search(r"\)\.(\w+) ", sentence)
    return hit[1] if hit else ""


def line_of(target: Any, attribute: str = "") -> tuple[str, int]:
    """File and line of a class or function, or of an attribute that it defines."""
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
        if error.__cause__ is None:
            raise AssertionError(f"{case}: {error}") from error
        mend = "fix it, or its entry point in pyproject.toml"
        reason = importing.described(error.__cause__)
        raise AssertionError(f"{case} {IMPORT}: {reason}: {mend}") from error
    if kind in ("card", "command"):
        return  # a package, or a click object
    broken = manners.broken_rules(target)
    if kind not in UNSET:
        broken += manners.unannotated(registry.get(case.name))
    assert not broken, f"{case} {'; '.join(broken)}"


def built(kind: str, case: Case, **more: Any) -> Any:
    """Build a case.

    Raises:
        AssertionError: an argument is missing or unknown, or the plugin raises; the message names
            it.
    """
    registry = kinds.kind(kind)
    try:
        return registry.build({"name": case.name, **case.args}, **more)
    except IncompleteError as error:
        return error.made  # the checks report what is missing, and the fix
    except BrokenPluginError as error:
        reason = importing.described(error.__cause__) if error.__cause__ else str(error)
        mend = mend_of(error.__cause__ or error)
        raise AssertionError(f"{case} cannot be built: {reason}{mend}") from error
    except DeviceError:
        raise
    except SrzooError as error:
        mend = "Give it arguments for the tests: write `examples = ({...},)`"
        raise AssertionError(f"{case} cannot be built: {error} {mend}") from error


def a_kind(thing: object) -> str:
    """The type of a value, for a message."""
    name = type(thing).__name__
    return "None" if thing is None else f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


def has(case: Case, thing: object, name: str, mend: str) -> Any:
    """Get an attribute that a contract requires.

    Args:
        case: the case that is checked.
        thing: the object that it built.
        name: the attribute's name.
        mend: the fix, with the meaning of the attribute.

    Raises:
        AssertionError: the attribute is missing.
    """
    try:
        return getattr(thing, name)
    except AttributeError as error:
        inside = f" ({error})" if isinstance(getattr(type(thing), name, None), property) else ""
        raise AssertionError(f"{case} states no {name}{inside}: {mend}") from error


def can(case: Case, thing: object, name: str, mend: str) -> None:
    """Check that a method that a contract requires exists, other than the contract's own.

    Args:
        case: the case that is checked.
        thing: the object that it built.
        name: the method's name.
        mend: the fix; the method is called with the arguments after ``self`` in it.

    Raises:
        AssertionError: the method is missing, or does not take these arguments.
    """
    method = getattr(thing, name, None)
    inherited = (getattr(method, "__module__", None) or "").startswith(CONTRACTS)
    assert callable(method), f"{case} has no method {name}: {mend}"
    assert not inherited, f"{case} has no method {name} of its own: {mend}"
    if written := re.search(rf"def {name}\(self(?:, ([^)]*))?\)", mend):
        given = [each.partition("=")[0] for each in (written[1] or "").split(", ") if each]
        takes(case, method, name, given, mend)


def takes(case: Case, method: Any, name: str, given: list[str], mend: str) -> None:
    """Check that a method can be called with these positional arguments.

    Raises:
        AssertionError: it cannot.
    """
    try:
        signature = inspect.signature(method)
    except ValueError:
        return  # a function without a signature, such as one in C
    try:
        signature.bind(*given)
    except TypeError:
        own = f"({', '.join(signature.parameters)})"
        raise AssertionError(
            f"{case}.{name} takes {own}, but is called with ({', '.join(given)}): {mend}"
        ) from None


@contextlib.contextmanager
def chance_left_alone(who: object, mend: str) -> Generator[None]:
    """Check that the code inside neither uses nor seeds the global random states.

    Raises:
        AssertionError: the state of ``random``, ``numpy.random`` or torch has changed.
    """
    import torch

    def states() -> list[tuple[str, object]]:
        mersenne: Any = np.random.get_state()
        own = bytes(torch.get_rng_state().numpy())
        return [("random", random.getstate()), ("torch.random", own),
                ("numpy.random", (bytes(mersenne[1]), mersenne[2:]))]  # fmt: skip

    kept = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
        for draw in (random.random, np.random.random, lambda: torch.rand(1)):
            draw()  # now no seed leads to this state
        before = states()
        yield
        after = states()
    random.setstate(kept[0])
    np.random.set_state(kept[1])
    moved = [name for (name, now), (_, old) in zip(after, before, strict=True) if now != old]
    assert not moved, f"{who} uses or seeds the global random state of {moved[0]}: {mend}"
