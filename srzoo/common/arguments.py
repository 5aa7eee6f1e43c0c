"""Types of the arguments of public functions, checked on entry."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar, cast

from ..errors import SrzooError

T = TypeVar("T")


def check_type(name: str, value: object, types: tuple[type, ...]) -> None:
    """Raise a SrzooError if an argument has none of some types."""
    if not isinstance(value, types):
        names = " or ".join("a text" if each is str else each.__name__ for each in types)
        raise SrzooError(f"{name} is {value!r}", f"Give {names}")


def listed(value: T | Sequence[T]) -> list[T]:
    """The items of a sequence as a list; a single item, such as a text, as a list of itself."""
    alone = isinstance(value, str | os.PathLike) or not isinstance(value, Sequence)
    return [cast("T", value)] if alone else list(cast("Sequence[T]", value))


def check_path(name: str, value: object) -> None:
    """Raise a SrzooError if an argument cannot be a path: another type, bytes, or with a NUL."""
    path = os.fspath(value) if isinstance(value, os.PathLike) else value  # pyright: ignore
    if not isinstance(path, str) or "\0" in path:
        raise SrzooError(f"{name} is {value!r}", "Give a text or Path")
