"""Arguments of a function as options of a command: types, choices, defaults, help."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from ..contracts import Downloadable
from . import schema

TYPES = (str, int, float, bool, Path)
GIVEN = ("to", "verify", "progress")
"""Arguments that the program passes to every ``fetch``."""
RESERVED = frozenset({"dataset", "output", "no_verify", "help"})
"""Names that ``srzoo data get`` uses for its own options."""


@dataclass(frozen=True)
class Argument:
    """One keyword argument.

    Attributes:
        name: in the function.
        type: of a value, one of :data:`TYPES`; None if its type cannot be an option.
        choices: the allowed values; empty if all values of the type are allowed.
        default: ``inspect.Parameter.empty`` if there is none.
        help: the text in the docstring's ``Args:``; empty if missing.
    """

    name: str
    type: type[Any] | None
    choices: tuple[Any, ...]
    default: Any
    help: str

    @property
    def needed(self) -> bool:
        """Whether it is required."""
        return self.default is inspect.Parameter.empty


def own_arguments(fetch: Callable[..., object]) -> list[Argument]:
    """The arguments of a dataset's ``fetch``, without the common ones."""
    texts = documented(fetch)
    return [
        _argument(parameter, texts.get(name, ""))
        for name, parameter in schema.signature(fetch).parameters.items()
        if name not in GIVEN
    ]


def faults(fetch: Callable[..., object]) -> list[str]:
    """Faults of a ``fetch``: what :class:`srzoo.contracts.Downloadable` does not allow."""
    parameters, texts = schema.signature(fetch).parameters, documented(fetch)
    found = [f"takes no {name}" for name in GIVEN if name not in parameters]
    found += [] if inspect.getdoc(fetch) else ["has no docstring"]
    for name, parameter in parameters.items():
        title = f"argument {name}"
        if parameter.kind is not parameter.KEYWORD_ONLY:
            found.append(f"{title} is not keyword-only")
        elif name not in GIVEN:
            argument = _argument(parameter, "")
            if name in RESERVED:
                found.append(f"{title} has the name of an option of srzoo data get")
            if argument.needed:
                found.append(f"{title} has no default")
            if parameter.annotation is parameter.empty:
                found.append(f"{title} has no annotation")
            elif argument.type is None:
                known = ", ".join(kind.__name__ for kind in TYPES)
                found.append(f"{title} is annotated with none of {known}, Literal, or one or None")
            if name not in texts:
                found.append(f"{title} is not in the docstring's Args")
    return found


def documented(function: Callable[..., object]) -> dict[str, str]:
    """The text on each argument in a docstring's ``Args:``, in one line each."""
    _, _, section = (inspect.getdoc(function) or "").partition("Args:\n")
    found: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if line.strip() and not line.startswith(" "):
            break  # the next section
        if begun := re.match(r" {1,4}\*{0,2}(\w+)(?: ?\([^)]*\))?: *(.*)", line):
            name, found[begun[1]] = begun[1], begun[2].strip()
        elif name and line.strip():
            found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _argument(parameter: inspect.Parameter, texts: str) -> Argument:
    default: object = parameter.default
    if parameter.annotation is parameter.empty:
        annotation: object = str if default is None else type(default)
    else:
        annotation = parameter.annotation
    kind, choices = _type(annotation)
    return Argument(parameter.name, kind, choices, default, texts)


def _type(annotation: object) -> tuple[type[Any] | None, tuple[Any, ...]]:
    """The type of a value, and its choices."""
    if get_origin(annotation) is Annotated:
        return _type(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        rest = [item for item in get_args(annotation) if item is not NoneType]
        return _type(rest[0]) if len(rest) == 1 else (None, ())
    if get_origin(annotation) is Literal:
        choices = tuple[Any, ...](item for item in get_args(annotation) if item is not None)
        types: set[type[Any]] = {type(item) for item in choices}
        return (types.pop(), choices) if len(types) == 1 and types <= {str, int} else (None, ())
    return next((kind for kind in TYPES if annotation is kind), None), ()


def fetch_of(dataset: object) -> Callable[..., list[str]] | None:
    """The method by which a dataset's class downloads it; None if it has none."""
    return dataset.fetch if isinstance(dataset, Downloadable) and callable(dataset.fetch) else None
