"""``srzoo bench``: how fast the engines are on this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from ..defaults import MODEL
from ..errors import SrzooError
from ._amounts import memory_option
from ._console import as_json, in_options, printable, progress_bar, say, table
from ._options import AliasOption, model_names, model_option, one_of, scale_option

if TYPE_CHECKING:
    from ..benching.bench import BenchReport, BenchRow

LEAST, MOST = 16, 20_000
"""Sides of the pictures, in pixels."""


def _sizes(
    _ctx: click.Context, _param: click.Parameter, values: tuple[str, ...]
) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for value in values:
        match = re.fullmatch(r"(\d{1,6})x(\d{1,6})", value.lower())
        size = (int(match[1]), int(match[2])) if match else (0, 0)
        if not LEAST <= min(size) <= max(size) <= MOST:
            raise SrzooError(
                f"--size {value}: not the size of a picture",
                f"Write WIDTHxHEIGHT, like 512x512, with sides from {LEAST} to {MOST}",
            )
        found.append(size)
    return found


def _names(_ctx: click.Context, _param: click.Parameter, value: str) -> list[str] | None:
    names = [name.strip() for name in value.split(",") if name.strip()]
    if not names:
        raise SrzooError(
            "--engines names no engine",
            "Write all, or names separated by commas: srzoo plugin list engine",
        )
    return None if names == ["all"] else names


# fmt: off
@click.command()
@click.argument("model", required=False, metavar="[MODEL]", shell_complete=model_names)
@model_option
@click.option("--engines", "--engine!", "engines", cls=AliasOption, callback=_names, default="all",
              show_default=True, metavar="all|NAME,NAME", help="all: every installed engine.")
@click.option("--size", "sizes", multiple=True, callback=_sizes, default=("512x512",),
              show_default=True, metavar="WxH", help="Size of the picture; may be repeated.")
@scale_option
@click.option("--rounds", type=click.IntRange(1, 100), default=3, show_default=True,
              help="Report the best of this many.")
@click.option("--memory", callback=memory_option, metavar="SIZE",
              help="Measure each engine once more, within this budget, like 300MB.")
@click.option("--baseline", is_flag=True,
              help="Measure the plain network too, in torch and in OpenVINO.")
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def bench(
    model: str | None, model_: str | None, engines: list[str] | None,
    sizes: list[tuple[int, int]], scale: int | None, rounds: int, memory: int | None,
    baseline: bool, json_: bool,
) -> None:
    # fmt: on
    """Measure how fast each engine runs a model on this CPU.

    \b
    srzoo bench                                 every engine, edsr-x4, 512x512
    srzoo bench wdsr-x4 --engines torch,mnn --size 256x256 --size 1000x700

    Each run goes from an array to an array, with the tiles that upscale uses. The
    table shows megapixels of the result per second, and the peak memory of the
    process above that of a bare Python. Each measurement is a process of its own,
    and the engines take turns. Preparation that an engine does once is not counted.

    Share of the peak: the multiply-adds per second of the plain network, as a share
    of what the CPU reaches when it multiplies large float32 matrices in the same
    run. An engine that needs fewer of them for the same picture (a folded tail,
    Winograd convolutions) can exceed 100 %.
    """
    from dataclasses import asdict, replace

    from ..benching.bench import bench as measure
    from ..models import locate

    folder = locate.find(one_of(model, model_, default=MODEL))
    with progress_bar() as progress:
        report = measure(folder, scale=scale, engines=engines, sizes=sizes, rounds=rounds,
                         memory=memory, baseline=baseline, progress=progress)  # fmt: skip
    left = tuple(replace(gone, why=in_options(gone.why)) for gone in report.left_out)
    report = replace(report, left_out=left)
    if json_:
        as_json(asdict(report))
    else:
        _print(report)


def _print(report: BenchReport) -> None:
    from ..benching.bench import PLAIN_TORCH

    plain = {row.size: row for row in report.rows if row.engine == PLAIN_TORCH}
    columns = ["engine", "s", "MP/s", *(["speed"] if plain else []), "memory", "share"]
    for size in dict.fromkeys(row.size for row in report.rows):
        width, height = size
        click.echo(f"{width}x{height} to {width * report.scale}x{height * report.scale}")
        rows = [row for row in report.rows if row.size == size]
        cells = [_cells(row, plain.get(size), bool(plain)) for row in rows]
        table(columns, cells, right=" ".join(columns[1:]))
        click.echo()
    for gone in report.left_out:
        size = f" at {gone.size[0]}x{gone.size[1]}" if gone.size else ""
        say(f"without {gone.engine}{size}: {printable(gone.why)}")
    there = report.machine
    say(f"{printable(report.model)} x{report.scale}, the best of {report.rounds} rounds,"
        f" {there.threads} of {there.cores} cores computing")  # fmt: skip
    name = ", ".join(part for part in (there.cpu, there.vectors, there.system) if part)
    say(f"{printable(name)}: {report.gflops:.0f} GFLOP/s multiplying matrices")
    versions = [f"{name} {version}" for name, version in report.versions.items()]
    say(", ".join([f"srzoo {report.srzoo}", f"Python {there.python}", *versions]))
    if report.work is None:
        say("share: not known without torch, which counts the plain network's multiply-adds")
    else:
        say("share: the plain network's multiply-adds a second, as a share of that; less work for"
            " the same picture can pass 100 %")  # fmt: skip
    if plain:
        say(f"speed: times as fast as {PLAIN_TORCH}")


def _cells(row: BenchRow, plain: BenchRow | None, compared: bool) -> list[str]:
    speed = f"{plain.seconds / row.seconds:.2f}" if plain else "?"
    return [
        row.engine,
        f"{row.seconds:.2f}" if row.seconds >= 1 else f"{row.seconds:.3f}",
        f"{row.megapixels:.2f}",
        *([speed] if compared else []),
        f"{row.memory / 1e9:.2f} GB",
        "-" if row.share is None else f"{row.share:.0%}",
    ]
