"""How commands print: tables that fit 80 columns, colours only on a terminal."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, cast

import click

from ..errors import SrzooError
from . import _streams

if TYPE_CHECKING:
    from rich.console import Console

    from ..batches.batch import Job
    from ..upscaling.upscaler import Progress

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: str = "") -> None:
    """Print a table; ``right`` names the columns to align right."""
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
    console.print(made, width=None if console.is_terminal else 100)


def as_json(value: object, *, err: bool = False) -> None:
    """Print one JSON document on one line, on stdout where nothing else is then."""
    streams = _streams.current()
    words = streams.err if err else streams.out
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode(words.encoding)
    except UnicodeEncodeError:  # a file name that is no UTF-8, or a terminal that is none
        text = json.dumps(value)
    text = _streams.CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    click.echo(text, file=cast("IO[str]", words))


def printable(value: object) -> str:
    r"""The text on one line that any terminal can show: ``a\nb`` for a line end in a name."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in str(value))


def bars_console() -> Console:
    """Where progress bars are drawn: on stderr."""
    from rich.console import Console

    return Console(file=cast("IO[str]", _streams.current().err.for_bars()))


def memory_size(text: str) -> int:
    """Bytes from "2GB", "500M", "1.5GiB" or a plain number.

    Raises:
        SrzooError: it is none of these, or less than one byte.
    """
    return amount(re.sub(r"B\s*$", "", text, flags=re.IGNORECASE), "amount of memory", "2GB", text)


def memory_option(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """What ``--memory`` says, in bytes."""
    return memory_size(value) if value else None


def amount(text: str, what: str, example: str, given: str | None = None) -> int:
    """A number from "500M", "1.5Gi" or plain digits.

    Raises:
        SrzooError: it is none of these, or less than one; ``what`` it should be.
    """
    match = re.fullmatch(r"\s*([0-9.]+)\s*(|[KMG]I?)\s*", text, re.IGNORECASE)
    try:
        found = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    except ValueError:
        found = 0
    if found < 1:
        raise SrzooError(f"{given or text!r} is no {what}", f"Write it like {example}")
    return found


def peak_memory() -> int:
    """Bytes of memory that this process had at its peak."""
    import psutil

    info = psutil.Process().memory_info()
    if sys.platform == "win32":
        return int(info.peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@contextmanager
def progress_bars(jobs: int) -> Generator[Callable[[Job], Progress] | None]:
    """Progress with time left on stderr; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=bars_console(),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # what goes elsewhere must not come here
    ) as bars:
        overall = bars.add_task("pictures", total=jobs, visible=jobs > 1)
        current = bars.add_task("", total=None)
        started = False

        def begin(job: Job) -> Progress:
            nonlocal started
            if started:
                bars.advance(overall)
            started = True
            name = job.source.name
            label = printable(name if len(name) <= 30 else f"{name[:27]}...")
            bars.reset(current, description=label, total=None)
            return lambda done, total: bars.update(current, completed=done, total=total)

        yield begin


def size(count: int) -> str:
    """Bytes as people read them."""
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count / 1e3:.0f} kB"
