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
"""Kinds that no recipe gives arguments to."""
MENDS = (
    (r"Unsupported dtype|not implemented for '(BFloat16|Half)'",
     "Compute that part in float32: `f(x.float()).to(x.dtype)`"),
    (r"numpy\(\)|ScalarType", "Compute it with torch, not with numpy"),
    (r"before Module.__init__", "Write `super().__init__()` as its first line"),
    (r"same dtype|should be the same|expected scalar type|BFloat16|must match.*dtype",
     "Make constants in the type of what is given: `x.new_tensor(...)`, or `register_buffer`"),
    (r"leaf Variable|used in an in-?place|modified by an inplace",
     "Work on a copy: no `inplace=True`, and no method that ends in _, on what is given"),
    (r"view size is not compatible", "Write `reshape` for `view`: what is given may be turned"),
    (r"'NoneType' object is not callable", "What it has to return is None: write `return`"),
    (r"same device",
     "Make constants where the input is: `x.new_tensor(...)`, or `register_buffer`"),
)  # fmt: skip
"""What mends an error of torch, by its text."""


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

    @basic
    def follows_the_rules(case: Case) -> None:
        """It can be imported, names and annotates each argument, and has a docstring."""
        _rules(kind, case)

    return tuple(_told(kind, check) for check in (follows_the_rules, *checks))


def basic(check: C) -> C:
    """Mark a check without which the others say nothing."""
    check.__dict__["basic"] = True
    return check


def is_basic(check: Callable[..., None]) -> bool:
    """Whether its failure makes all others of its part say nothing."""
    return getattr(check, "basic", False)


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
    said = importing.described(error)
    if said == type(error).__name__ and (frames := traceback.extract_tb(error.__traceback__)):
        said += f" in `{frames[-1].line}`"
    return f"{case} fails at {what!r}: {said}{mend_of(error)}"


def mend_of(error: BaseException) -> str:
    """What mends an error of torch, after a full stop; empty if nobody knows."""
    known = (mend for text, mend in MENDS if re.search(text, str(error)))
    return next((f". {mend}" for mend in known), "")


def _raised_in(error: BaseException) -> Path:
    frames = traceback.extract_tb(error.__traceback__)
    return Path(frames[-1].filename) if frames else Path()


def _place(kind: str, case: Case, said: str, error: BaseException) -> tuple[str, int]:
    """The author's line: where it failed, or that of the attribute, or of the class."""
    if IMPORT in said and (lines := _of_an_import(error)):
        return lines[-1].filename, lines[-1].lineno or 0
    with contextlib.suppress(Exception):  # a class of somebody else may answer with anything
        target: Any = kinds.kind(kind).get(case.name)
        target = getattr(target, "callback", None) or target  # of a command
        if frame := _own_frame(target, error):
            return frame.filename, frame.lineno or 0
        return line_of(target, _attribute(said))
    return "", 0


def _of_an_import(error: BaseException) -> list[traceback.FrameSummary]:
    """The author's lines of an import that failed: what follows srzoo's own and importlib's."""
    while not isinstance(error, PluginError):
        if error.__cause__ is None:
            return []
        error = error.__cause__
    frames = traceback.extract_tb(error.__cause__ and error.__cause__.__traceback__)
    machinery = str(HERE.parent), "<frozen", str(Path(importlib.__file__ or "").parent)
    return [frame for frame in frames if not frame.filename.startswith(machinery)]


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
        if error.__cause__ is None:
            raise AssertionError(f"{case}: {error}") from error
        mend = "correct it, or its entry point in pyproject.toml"
        reason = importing.described(error.__cause__)
        raise AssertionError(f"{case} {IMPORT}: {reason}: {mend}") from error
    if kind in ("card", "command"):
        return  # a package, and an object of click
    broken = manners.broken_rules(target)
    if kind not in UNSET:
        broken += manners.unannotated(registry.get(case.name))
    assert not broken, f"{case} {'; '.join(broken)}"


def built(kind: str, case: Case, **more: Any) -> Any:
    """What a case builds.

    Raises:
        AssertionError: an argument is missing or refused, or it fails; the sentence says which.
    """
    registry = kinds.kind(kind)
    try:
        return registry.build({"name": case.name, **case.args}, **more)
    except IncompleteError as error:
        return error.made  # the checks say what it lacks, and what to write
    except BrokenPluginError as error:
        reason = importing.described(error.__cause__) if error.__cause__ else str(error)
        mend = mend_of(error.__cause__ or error)
        raise AssertionError(f"{case} cannot be built: {reason}{mend}") from error
    except DeviceError:
        raise
    except SrzooError as error:
        mend = "Name arguments that it can be built with: write `examples = ({...},)`"
        raise AssertionError(f"{case} cannot be built: {error} {mend}") from error


def a_kind(thing: object) -> str:
    """What something is, in a sentence."""
    name = type(thing).__name__
    return "None" if thing is None else f"an {name}" if name[0] in "aeiouAEIOU" else f"a {name}"


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

    Args:
        case: what is tried.
        thing: what it built.
        name: of the method.
        mend: what to write; it is called with what stands there after ``self``.

    Raises:
        AssertionError: there is none, or it cannot be called so.
    """
    method = getattr(thing, name, None)
    inherited = (getattr(method, "__module__", None) or "").startswith(CONTRACTS)
    assert callable(method), f"{case} has no method {name}: {mend}"
    assert not inherited, f"{case} has no method {name} of its own: {mend}"
    if written := re.search(rf"def {name}\(self(?:, ([^)]*))?\)", mend):
        given = [each.partition("=")[0] for each in (written[1] or "").split(", ") if each]
        takes(case, method, name, given, mend)


def takes(case: Case, method: Any, name: str, given: list[str], mend: str) -> None:
    """Whether a method can be called with so many arguments, by place.

    Raises:
        AssertionError: it cannot.
    """
    try:
        signature = inspect.signature(method)
    except ValueError:
        return  # made in another language
    try:
        signature.bind(*given)
    except TypeError:
        own = f"({', '.join(signature.parameters)})"
        raise AssertionError(
            f"{case}.{name} takes {own}, and is called with ({', '.join(given)}): {mend}"
        ) from None


@contextlib.contextmanager
def chance_left_alone(who: object, mend: str) -> Generator[None]:
    """Whether what is done inside neither draws from nor seeds the chance that others draw from.

    Raises:
        AssertionError: the state of ``random``, ``numpy.random`` or torch is another after it.
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
            draw()  # now it is as no seed has left it
        before = states()
        yield
        after = states()
    random.setstate(kept[0])
    np.random.set_state(kept[1])
    moved = [name for (name, now), (_, old) in zip(after, before, strict=True) if now != old]
    assert not moved, f"{who} draws from {moved[0]}, or seeds it, which others draw from: {mend}"
