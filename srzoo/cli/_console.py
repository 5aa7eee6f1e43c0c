"""Printing for all commands: tables, JSON, sentences, progress, and messages on stderr.

The requested output goes to stdout; everything else (notes, warnings, progress) to stderr.
"""

from __future__ import annotations

import json
import math
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

import click

from ..errors import FallbackWarning, PluginWarning
from . import _streams

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn

_PYTHONS = warnings.formatwarning
_OPTIONS = {
    "data": "--data",
    "device": "--device",
    "engine": "--engine",
    "force_damaged": "--force-damaged",
    "hr": "--hr",
    "max_pixels": "--max-pixels",
    "memory": "--memory",
    "models": "-m",
    "output": "-o",
    "page": "--page",
    "precision": "--precision",
    "resume": "--resume",
    "tile": "--tile",
    "with_exports": "--with-exports",
}
"""The command's option for each setting in errors of the library."""
_UNQUOTED = str.maketrans("", "", '"[]')
_SETTING = re.compile(
    rf"""\b({"|".join(_OPTIONS)})=(\[?"[^"]*"\]?(?: (?:or|to) "[^"]*")*|True\b|\d+|N\b)"""
)


def table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], right: str = "", width: int = 100
) -> None:
    """Print a table; ``right`` names the columns to align right. Without a terminal: ``width``."""
    from rich.console import Console
    from rich.table import Table

    made = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    for column in columns:
        made.add_column(
            column,
            justify="right" if column in right.split() else "left",
            no_wrap=column == columns[0],
            overflow="fold",
        )
    for row in rows:
        made.add_row(*map(printable, row))
    console = Console(highlight=False, markup=False)
    console.print(made, width=None if console.is_terminal else width)


def as_json(value: object, *, err: bool = False) -> None:
    """Print one JSON document on one line, on stdout, which then has no other output.

    Infinity (the PSNR of equal pictures) becomes null, as JSON cannot represent it.
    """
    streams = _streams.current()
    words = streams.err if err else streams.out
    value = _finite(value)
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(words.encoding)
    except UnicodeEncodeError:  # a file name or a terminal that is not UTF-8
        text = json.dumps(value)
    text = _streams.CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    click.echo(text, file=cast("IO[str]", words))


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}  # pyright: ignore
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]  # pyright: ignore
    return None if isinstance(value, float) and not math.isfinite(value) else value


def in_options(text: object) -> str:
    """A message of the library in the command's options: ``memory="2GB"`` is ``--memory 2GB``."""

    def option(setting: re.Match[str]) -> str:
        name, value = setting.groups()
        words = [_OPTIONS[name]] if value == "True" else [_OPTIONS[name], value]
        return " ".join(words).translate(_UNQUOTED)

    return _SETTING.sub(option, str(text))


def printable(value: object) -> str:
    r"""The text on one line that any terminal can show: ``a\nb`` for a line end in a name."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def say(text: str, indent: int = 2) -> None:
    """Print a sentence in lines of 80 columns; all but the first are indented."""
    click.echo(textwrap.fill(
        text, 80, subsequent_indent=" " * indent, break_on_hyphens=False, break_long_words=False
    ))  # fmt: skip


def to_stderr(text: object) -> None:
    """Print a line on stderr."""
    click.echo(printable(text), err=True)


def size(count: int) -> str:
    """Bytes in readable form."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"


@contextmanager
def progress_bars(*columns: str | int) -> Generator[Progress | None]:
    """Progress bars on stderr; None if it is not a terminal.

    Args:
        columns: what each bar shows: the width of the bar itself, "done" (3/7), "bytes",
            "speed" (bytes a second), "left" (time), or a text such as "{task.description}".
    """
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(
        *map(_column, columns),
        console=Console(file=cast("IO[str]", _streams.current().err.for_bars())),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # a redirected stdout must stay redirected
    ) as bars:
        yield bars


def _column(what: str | int) -> ProgressColumn:
    from rich import progress

    if isinstance(what, int):
        return progress.BarColumn(bar_width=what)
    kinds = {
        "done": progress.MofNCompleteColumn,
        "bytes": progress.DownloadColumn,
        "speed": progress.TransferSpeedColumn,
        "left": progress.TimeRemainingColumn,
    }
    return kinds[what]() if what in kinds else progress.TextColumn(what, markup=False)


@contextmanager
def progress_bar() -> Generator[Callable[[int, int], None] | None]:
    """One bar: how many of how many are done; None if stderr is not a terminal."""
    with progress_bars(40, "done", "left") as bars:
        if bars is None:
            yield None
            return
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)


@contextmanager
def warnings_in_a_line() -> Generator[None]:
    """Print srzoo's own warnings in one line, and others in Python's form."""
    before, warnings.formatwarning = warnings.formatwarning, _formatted
    try:
        yield
    finally:
        warnings.formatwarning = before


def _formatted(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    line: str | None = None,
) -> str:
    if issubclass(category, FallbackWarning | PluginWarning):
        return f"warning: {in_options(message)}\n"
    return _PYTHONS(message, category, filename, lineno, line)
