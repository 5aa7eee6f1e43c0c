"""``srzoo upscale``: pictures in, larger pictures out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._output import as_json, memory_size, peak_memory, progress_bars

if TYPE_CHECKING:
    from ..batch import Outcome


def _tile(_ctx: click.Context, _param: click.Parameter, value: str) -> int | str:
    if value in ("auto", "off"):
        return value
    if value.isdecimal() and int(value) >= 16:
        return int(value)
    raise click.BadParameter(f"{value!r} is not auto, off, or a whole number from 16")


def _memory(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    return memory_size(value) if value else None


# fmt: off
@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("-m", "--model", default="edsr-x4", show_default=True, help="A name or a folder.")
@click.option("-o", "--output", help="A file for one input, else a folder (NAME/ always is one).")
@click.option("--scale", type=int, help="For models that can do several.")
@click.option("--tile", metavar="auto|N|off", callback=_tile, default="auto", show_default=True,
              help="Side of a tile in input pixels.")
@click.option("--memory", metavar="SIZE", callback=_memory,
              help="What the whole process may take, like 2GB.")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto")
@click.option("--format", type=click.Choice(["jpg", "png", "webp", "tiff"]),
              help="Default: the input's own, or as -o says.")
@click.option("--quality", type=click.IntRange(1, 100), help="JPEG (default 95), WebP (90).")
@click.option("--overwrite", is_flag=True, help="Replace existing results; never an input.")
@click.option("--json", "json_", is_flag=True, help="One JSON line a picture on stdout.")
@click.pass_context
def upscale(
    ctx: click.Context, inputs: tuple[Path, ...], model: str, output: str | None,
    scale: int | None, tile: int | str, memory: int | None, device: str, precision: str,
    format: str | None, quality: int | None, overwrite: bool, json_: bool,
) -> None:
    # fmt: on
    """Enlarge pictures and whole folders of them.

    Without -o the result lies beside its input as NAME-MODEL.EXT. Colours (ICC),
    orientation, transparency and gray are kept; what a format cannot hold is
    said. Exit codes: 0 all well, 1 some pictures failed, 2 nothing was done.
    """
    from .. import batch, locate, zoo

    name = locate.find(model).name
    work = batch.plan(list(inputs), output, model=name, known=locate.list_models(),
                      format=format, overwrite=overwrite)  # fmt: skip
    alone = len(work.jobs) == 1
    if alone and work.jobs[0].problem:
        raise work.jobs[0].problem
    start = time.perf_counter()
    ready = zoo.load(model, device=device, precision=precision, tile=tile, memory=memory)
    ready.factor(scale)
    outcomes: list[Outcome] = []
    with progress_bars(len(work.jobs)) as progress:
        for outcome in batch.run(work.jobs, ready, scale, quality, progress):
            if alone and outcome.problem:
                raise outcome.problem
            _tell(outcome, json_)
            outcomes.append(outcome)
    _summary(outcomes, len(work.skipped), time.perf_counter() - start, json_)
    ctx.exit(1 if any(outcome.problem for outcome in outcomes) else 0)


def _tell(outcome: Outcome, json_: bool) -> None:
    job = outcome.job
    if json_:
        as_json({
            "input": str(job.source),
            "output": None if outcome.problem else str(job.target),
            "from": outcome.before,
            "to": outcome.after,
            "seconds": round(outcome.seconds, 3),
            "notes": outcome.notes,
            "error": str(outcome.problem) if outcome.problem else None,
        })  # fmt: skip
    elif outcome.before and outcome.after:
        click.echo(
            f"{job.target}  {outcome.before[0]}x{outcome.before[1]} to"
            f" {outcome.after[0]}x{outcome.after[1]}  {outcome.seconds:.1f} s"
        )
        for note in outcome.notes:
            click.echo(f"  note: {note}")


def _summary(outcomes: list[Outcome], skipped: int, seconds: float, json_: bool) -> None:
    failed = [outcome for outcome in outcomes if outcome.problem]
    done = len(outcomes) - len(failed)
    if not json_:
        parts = [f"{done} picture{'' if done == 1 else 's'} in {seconds:.1f} s"]
        parts += [f"{len(failed)} failed"] if failed else []
        parts += [f"{skipped} left out (results of an earlier run)"] if skipped else []
        click.echo(f"{', '.join(parts)}, peak memory {peak_memory() / 1e9:.1f} GB")
    for outcome in failed:
        click.echo(f"failed: {outcome.problem}", err=True)
