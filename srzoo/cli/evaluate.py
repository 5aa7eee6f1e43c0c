"""``srzoo evaluate``: models on sets of pictures, measured."""

from __future__ import annotations

import math
import sys
import textwrap
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from ..errors import SrzooError
from ._options import REFERENCE, Running, gathered, json_option, scale_option
from ._output import as_json, bars_console, table

if TYPE_CHECKING:
    from ..evaluating.evaluation import Progress, Report, Result

USUAL = {"engine": ("torch",), "device": ("auto", "cpu"), "precision": ("auto", "fp32")}
"""What need not be told."""


# fmt: off
@click.command(context_settings=REFERENCE)
@click.argument("named", nargs=-1, metavar="MODEL...")
@click.option("-m", "--model", "models", multiple=True, metavar="MODEL",
              help="The same as an argument; may be repeated.")
@click.option("--data", multiple=True, required=True, metavar="DIR|NAME",
              help="A folder, or a set below $SRZOO_DATA/benchmarks; may be repeated.")
@scale_option
@click.option("--metric", "metrics", multiple=True, default=("psnr_y", "ssim_y"),
              show_default=True, metavar="NAME", help="May be repeated; pyiqa's: pyiqa/NAME.")
@click.option("-d", "--degradation", metavar="NAME",
              help="Makes the LR pictures, also where a set has some; without it they are the"
              " set's, or bicubic's where there are only HR ones.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the degradation.")
@click.option("--self-ensemble", is_flag=True, help="Mean over 8 flips and turns: slower, better.")
@click.option("--write-card", is_flag=True, help="Write the results into each model's README.md.")
@gathered(Running, "running")
@json_option
def evaluate(
    named: tuple[str, ...], models: tuple[str, ...], data: tuple[str, ...], scale: int | None,
    metrics: tuple[str, ...], degradation: str | None, seed: int, self_ensemble: bool,
    write_card: bool, running: Running, json_: bool,
) -> None:
    # fmt: on
    """Measure models on sets of pictures.

    A set is a folder with HR and LR in it (files of the same names), or one of
    HR pictures alone. Values are means over the pictures of a set; --json has
    each picture's.
    """
    from .. import locate
    from ..evaluating import results
    from ..evaluating.evaluation import evaluate as measure

    folders = [locate.find(model) for model in (*named, *models)]
    if not folders:
        raise click.UsageError("Missing argument 'MODEL...'.")
    running.check()
    if write_card:
        if running.engine != "torch" or running.precision not in ("auto", "fp32"):
            raise SrzooError("a card has what torch gives in float32", "Leave --write-card out")
        for folder in folders:
            results.check_writable(folder)
        for metric in metrics:
            results.check_metric(metric)
    with progress_bar() as progress:
        report = measure(
            [folder.path for folder in folders], data, scale=scale, metrics=metrics,
            self_ensemble=self_ensemble, degradation=degradation, seed=seed, engine=running.engine,
            device=running.device, precision=running.precision, memory=running.memory,
            tile=running.tile, progress=progress,
        )  # fmt: skip
    try:
        # Before they are shown: whoever reads the table may close the pipe in the middle of it.
        for at, folder in enumerate(folders if write_card else ()):
            rows = report.rows[at * len(data) : (at + 1) * len(data)]
            click.echo(f"written: {results.write(folder, rows)}", err=True)
    finally:
        _tell(report, running.ran(folders), json_)


def _tell(report: Report, by: dict[str, str], json_: bool) -> None:
    if json_:
        from dataclasses import asdict

        as_json(finite(asdict(report) | by))
        return
    from ..evaluating.results import shown

    columns = ["model", "data", "param.", "s", *(v.label for v in report.rows[0].values)]
    rows = [
        (row.model, _data(row), _millions(row.parameters), f"{row.seconds:.1f}",
         *(shown(value.value) for value in row.values))
        for row in report.rows
    ]  # fmt: skip
    table(columns, rows, right=" ".join(columns[2:]))
    click.echo()
    for value in report.rows[0].values:
        say(f"{value.label}: {value.protocol}")
    if report.rows[0].self_ensemble:
        say("self-ensemble: mean over 8 flips and turns, before rounding")
    if other := [f"{key} {by[key]}" for key, usual in USUAL.items() if by[key] not in usual]:
        say(f"run by {', '.join(other)}")


def _data(row: Result) -> str:
    made = f" {row.degradation}" if row.degradation else ""
    return f"{row.dataset} x{row.scale}{made}"


def _millions(parameters: int | None) -> str:
    return "?" if parameters is None else f"{parameters / 1e6:.2f} M" if parameters else "0"


def say(text: str) -> None:
    """Print a sentence in lines of 80 columns."""
    click.echo(textwrap.fill(text, 80, subsequent_indent="  ", break_on_hyphens=False))


def finite(value: object) -> object:
    """The same with null for infinity (identical pictures' PSNR), which JSON cannot hold."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}  # pyright: ignore
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]  # pyright: ignore
    return None if isinstance(value, float) and not math.isfinite(value) else value


@contextmanager
def progress_bar() -> Generator[Progress | None]:
    """Pictures done and time left on stderr; nothing where that is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    columns = (BarColumn(bar_width=40), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=bars_console(), transient=True) as bars:
        task = bars.add_task("", total=None)
        yield lambda done, total: bars.update(task, completed=done, total=total)
