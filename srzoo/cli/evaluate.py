"""``srzoo evaluate``: models on sets of pictures, measured."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import click

from .. import defaults
from ..defaults import ENGINE
from ..errors import DeviceError, SrzooError
from ._console import as_json, printable, progress_bar, say, table, to_stderr
from ._options import REFERENCE, EngineOptions, json_option, model_names, option_group, scale_option

if TYPE_CHECKING:
    from ..evaluating.evaluation import Evaluation, Result

USUAL = {"engine": (ENGINE,), "device": ("auto", "cpu"), "precision": ("auto", "fp32")}
"""The default settings, which are not reported."""


# fmt: off
@click.command(context_settings=REFERENCE)
@click.argument("named", nargs=-1, metavar="MODEL...", shell_complete=model_names)
@click.option("-m", "--model", "models", multiple=True, metavar="MODEL",
              shell_complete=model_names, help="The same as an argument; may be repeated.")
@click.option("--data", multiple=True, metavar="DIR|NAME",
              help="A folder, or a set below $SRZOO_DATA/benchmarks; may be repeated.")
@click.option("--sr", multiple=True, metavar="DIR",
              help="Folder of finished results for the same pictures; may be repeated.")
@click.option("--lr", metavar="DIR",
              help="The set's LR pictures; without --data photos, for metrics that need no HR.")
@scale_option
@click.option("--metric", "metrics", multiple=True, default=defaults.METRICS,
              show_default=True, metavar="NAME",
              help="May be repeated; PLUGIN/NAME where a plugin has several.")
@click.option("-d", "--degradation", metavar="NAME",
              help="Makes the LR pictures, even if a set has its own. Default: the set's own, or"
              f" {defaults.DEGRADATION} for a set of HR pictures alone.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of the degradation.")
@click.option("--self-ensemble", is_flag=True,
              help="Average over 8 flips and rotations: slower, better.")
@click.option("--write-card", is_flag=True, help="Write the results into each model's README.md.")
@option_group(EngineOptions, "engine_options")
@json_option
@click.pass_context
def evaluate(
    ctx: click.Context, named: tuple[str, ...], models: tuple[str, ...], data: tuple[str, ...],
    sr: tuple[str, ...], lr: str | None, scale: int | None, metrics: tuple[str, ...],
    degradation: str | None, seed: int, self_ensemble: bool, write_card: bool,
    engine_options: EngineOptions, json_: bool,
) -> None:
    # fmt: on
    """Measure models, or finished results, on sets of pictures.

    \b
    srzoo evaluate edsr-x4 bicubic-x4 --data Set5
    srzoo evaluate --sr results/ --data Set5 --scale 4
    srzoo evaluate edsr-x4 --lr photos/ --metric pyiqa/niqe

    A set is a folder with HR and LR pictures, in any of the usual layouts, or with
    HR pictures alone. Values are means over the pictures of a set; --json has the
    values of each picture. A picture that cannot be measured is reported and left
    out. Exit codes: 0 all measured, 1 some pictures were left out, 2 nothing was
    done.
    """
    from ..evaluating import results
    from ..evaluating.evaluation import evaluate as measure
    from ..models import locate, requirements

    folders = [locate.find(model) for model in (*named, *models)]
    requirements.check_models(*folders)
    if not folders and not sr:
        raise click.UsageError("Missing argument 'MODEL...' (or --sr DIR, for finished results).")
    if not data and not sr and lr is None:
        raise click.UsageError("Missing option '--data' (or --lr DIR, for photos without HR).")
    engine_options.check()
    if write_card:
        _check_cards(sr, lr, engine_options)
        for folder in folders:
            results.check_writable(folder)
        for metric in metrics:
            results.check_metric(metric)
    with progress_bar() as progress:
        report = measure(
            [folder.path for folder in folders], data, sr=sr, lr=lr, scale=scale, metrics=metrics,
            self_ensemble=self_ensemble, degradation=degradation, seed=seed,
            engine=engine_options.engine, device=engine_options.device,
            precision=engine_options.precision, memory=engine_options.memory,
            tile=engine_options.tile, keep_going=True, progress=progress,
        )  # fmt: skip
    failed = report.failed
    try:
        # Written before the table is shown, as its reader may close the pipe.
        for at, folder in enumerate(folders if write_card and not failed else ()):
            rows = report.rows[at * len(data) : (at + 1) * len(data)]
            to_stderr(f"written: {results.write(folder, rows)}")
    finally:
        _print(report, engine_options.describe(report.engines), json_)
    for each in failed:
        to_stderr(f"left out: {each.what}")
    if failed and write_card:
        to_stderr("no card is written, as its figures would cover only some of the pictures")
    ctx.exit(1 if failed else 0)


def _check_cards(sr: tuple[str, ...], lr: str | None, engine_options: EngineOptions) -> None:
    """Refuse settings whose results could not be measured again from a card."""
    if sr or lr is not None:
        raise SrzooError(
            "a card states results on sets that have a name",
            "Leave --write-card out, or --sr and --lr",
        )
    from ..exporting import engine_facts

    if command := engine_facts.missing(ENGINE):
        raise DeviceError(
            "a card states results of torch, but torch is not installed", f"Install it: {command}"
        )
    if engine_options.engine != ENGINE or engine_options.precision not in ("auto", "fp32"):
        raise SrzooError("a card states results of torch in float32", "Leave --write-card out")


def _print(report: Evaluation, by: dict[str, str], json_: bool) -> None:
    if json_:
        from dataclasses import asdict

        rows = [asdict(row) | {"count": len(row.pictures)} for row in report.rows]
        as_json({"rows": rows} | by)
        return
    from ..evaluating.results import shown

    labels = [value.label for value in report.rows[0].values]
    columns = ["model", "data", "pictures", "param.", "s", *labels]
    rows = [
        (row.model, _data(row), _count(row), *_cost(row),
         *(shown(value.value) if row.pictures else "-" for value in row.values))
        for row in report.rows
    ]  # fmt: skip
    table(columns, rows, right=" ".join(columns[2:]))
    click.echo()
    for value in report.rows[0].values:
        say(f"{value.label}: {value.protocol}")
    for line in dict.fromkeys(f"LR of {_data(r)}: {printable(r.lr)}" for r in report.rows if r.lr):
        say(line)
    if any(row.self_ensemble for row in report.rows):
        say("self-ensemble: mean over 8 flips and rotations, before rounding")
    if line := run_by(by):
        say(line)


def run_by(by: Mapping[str, str]) -> str | None:
    """The engine, device and precision as text; None for the defaults."""
    other = [f"{key} {by[key]}" for key, usual in USUAL.items() if by and by[key] not in usual]
    return f"run by {', '.join(other)}" if other else None


def _count(row: Result) -> str:
    """The number of pictures in the means."""
    done = len(row.pictures)
    return f"{done} of {done + len(row.failed)}" if row.failed else str(done)


def _cost(row: Result) -> tuple[str, str]:
    """The cost of a model: parameters, and seconds; empty for files."""
    if row.seconds is None:
        return "-", "-"
    return _millions(row.parameters), f"{row.seconds:.1f}"


def _data(row: Result) -> str:
    made = f" {row.degradation}" if row.degradation else ""
    scale = f" x{row.scale}" if row.scale else ""
    return f"{row.dataset}{scale}{made}"


def _millions(parameters: int | None) -> str:
    return "?" if parameters is None else f"{parameters / 1e6:.2f} M" if parameters else "0"
