"""``srzoo upscale``: pictures in, larger pictures out."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import _pipe
from ._output import amount, memory_option, progress_bars
from ._telling import Teller

if TYPE_CHECKING:
    from ..batches.batch import Batch
    from ..batches.making import Maker


def _tile(_ctx: click.Context, _param: click.Parameter, value: str) -> int | str:
    if value in ("auto", "off"):
        return value
    if value.isdecimal() and int(value) >= 16:
        return int(value)
    raise click.BadParameter(f"{value!r} is not auto, off, or a whole number from 16")


def _pixels(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    return amount(value, "number of pixels", "500M") if value else None


def _jobs(_ctx: click.Context, _param: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if value.isdecimal() and 1 <= int(value) <= 64:
        return int(value)
    raise click.BadParameter(f"{value!r} is not auto, or a whole number from 1 to 64")


def _engines(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    from .. import kinds

    return [name for name in ("auto", *kinds.engines.names()) if name.startswith(incomplete)]


# fmt: off
@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option("-m", "--model", default="edsr-x4", show_default=True, help="A name or a folder.")
@click.option("-o", "--output", help="A file for one input, else a folder (NAME/ always is one).")
@click.option("-r", "--recursive", is_flag=True,
              help="Subfolders too; the output folder mirrors them.")
@click.option("--scale", metavar="N", help="By how much: 4, 1.5, 8. Default: the model's own.")
@click.option("--size", metavar="WxH|SIDE=N",
              help="3840x2160, or width=, height=, long= or short=3840.")
@click.option("--tile", metavar="auto|N|off", callback=_tile, default="auto", show_default=True,
              help="Side of a tile in input pixels.")
@click.option("--memory", metavar="SIZE", callback=memory_option,
              help="What the whole process may take, like 2GB.")
@click.option("--jobs", metavar="auto|N", callback=_jobs, default="auto", show_default=True,
              help="Pictures read and written at a time.")
@click.option("--engine", metavar="auto|NAME", default="auto", show_default=True,
              shell_complete=_engines, help="Fastest that is installed; or torch, mnn, ...")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda", "mps"]), default="auto")
@click.option("--precision", type=click.Choice(["auto", "fp32", "bf16", "fp16"]), default="auto")
@click.option("--format", type=click.Choice(["jpg", "png", "webp", "tiff", "avif", "heic"]),
              help="Default: the input's own, or as -o says.")
@click.option("--quality", type=click.IntRange(1, 100),
              help="JPEG (default 95), WebP (90), AVIF and HEIC (85).")
@click.option("--strip", is_flag=True, help="Leave EXIF, XMP and the like out; colours stay.")
@click.option("--no-provenance", is_flag=True, help="Do not write into the XMP what made it.")
@click.option("--max-pixels", metavar="N", callback=_pixels,
              help="Refuse larger pictures. Default: 500M.")
@click.option("--overwrite", is_flag=True, help="Replace existing results; never an input.")
@click.option("--skip-existing", is_flag=True, help="Leave whatever exists.")
@click.option("--json", "json_", is_flag=True, help="One JSON line a picture on stdout.")
@click.option("-v", "--verbose", is_flag=True, help="Tell more, on stderr.")
@click.pass_context
def upscale(
    ctx: click.Context, inputs: tuple[str, ...], model: str, output: str | None, recursive: bool,
    scale: str | None, size: str | None, tile: int | str, memory: int | None, jobs: int | None,
    engine: str, device: str, precision: str, format: str | None, quality: int | None, strip: bool,
    no_provenance: bool, max_pixels: int | None, overwrite: bool, skip_existing: bool,
    json_: bool, verbose: bool,
) -> None:
    # fmt: on
    """Enlarge pictures and whole folders of them.

    Without -o the result lies beside its input as NAME-MODEL.EXT; - is a pipe
    (srzoo upscale - -o -). Colours (ICC), orientation, transparency, depth and
    metadata are kept; what a format cannot hold is said. A stopped run goes on
    where it was when the same command is given again with the same -o FOLDER.
    Exit codes: 0 all well, 1 some pictures failed, 2 nothing was done, 130 stopped.
    """
    from .. import guidance, images, locate, zoo
    from ..batches import batch, making
    from ..exporting import engine as choice
    from ..upscaling import sizing

    folder = locate.find(model)
    options = making.Options(sizing.Sizing.parse(scale, size), quality, strip, not no_provenance,
                             invented=guidance.purpose(folder) != "faithful",
                             max_pixels=max_pixels or images.MAX_PIXELS)  # fmt: skip
    if format and format not in images.FORMATS:
        images.format_of(Path(f"result.{format}"))  # raises, and says what to install
    inputs, output = tuple(map(_pipe.source, inputs)), _pipe.place(output)
    if "-" in (*inputs, output):
        work = _pipe.plan(inputs, output, format, overwrite, skip_existing, options.max_pixels)
    else:
        work = batch.plan([_pipe.path(name) for name in inputs], output, model=folder.name,
                          known=locate.list_models(), format=format, overwrite=overwrite,
                          skip_existing=skip_existing, recursive=recursive,
                          settings=options.settings(folder, precision, tile=tile,
                                                    engine=engine))  # fmt: skip
    if work.alone and work.jobs[0].problem:
        raise work.jobs[0].problem
    options.sizing.plan((1000, 1000), folder.config.scales)  # raises where there is no way
    teller = Teller(work, json_, verbose)
    if work.todo:
        chosen = choice.choose(folder, engine, device=device, precision=precision)
        teller.engine(folder, chosen)
        ready = zoo.load(model, device=device, precision=precision, tile=tile, memory=memory,
                         engine=engine)  # fmt: skip
        maker = making.Maker(ready, options, work, partial(guidance.advice, folder))
        _run(work, maker, jobs, teller)
    else:
        for job in work.jobs:
            teller.tell(making.Outcome(job, problem=job.problem))
    ctx.exit(teller.summary())


def _run(work: Batch, maker: Maker, at_a_time: int | None, teller: Teller) -> None:
    from ..batches import pipeline

    teller.before(maker)
    count = 1 if work.alone else at_a_time or pipeline.default_jobs()
    with (
        work.opened(),
        progress_bars(len(work.todo)) as begin,
        # Whatever comes between, Ctrl-C too: the pictures that are being written are finished.
        closing(pipeline.run(work.jobs, maker, count, begin)) as told,
    ):
        for outcome in told:
            if work.alone and outcome.problem:
                raise outcome.problem
            teller.tell(outcome)
