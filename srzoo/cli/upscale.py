"""``srzoo upscale``: pictures in, larger pictures out."""

from __future__ import annotations

import warnings
from contextlib import closing, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..defaults import ENGINE, MODEL
from ..errors import FallbackWarning, PictureError
from . import _pipe, _preview, _streams
from ._options import Enlarging, Existing, Reading, Running, Telling, Writing, gathered, model_names
from ._telling import Teller, pictures_bars

if TYPE_CHECKING:
    from ..batches.batch import Batch
    from ..batches.naming import Names
    from ..batches.one_picture import Options, PictureMaker
    from ..models.folder import ModelFolder
    from ..upscaling.sizing import Route
    from ..upscaling.upscaler import Upscaler


def _jobs(_ctx: click.Context, _param: click.Parameter, value: str) -> int | None:
    if value == "auto":
        return None
    if value.isdecimal() and 1 <= int(value) <= 64:
        return int(value)
    raise click.BadParameter(f"{value!r} is not auto, or a whole number from 1 to 64")


# fmt: off
@click.command()
@click.argument("inputs", nargs=-1, required=True, type=click.Path())
@click.option("-m", "--model", default=MODEL, show_default=True,
              shell_complete=model_names, help="A name or a folder.")
@click.option("-o", "--output", help="A file for one input, else a folder (NAME/ always is one).")
@click.option("--name", metavar="PATTERN", help="Names of results, like '{stem}-{size}{suffix}':"
              " stem, parent, model, scale, size, suffix, ext.")
@click.option("-r", "--recursive", is_flag=True,
              help="Subfolders too; the output folder mirrors them.")
@gathered(Reading, "reading")
@gathered(Enlarging, "enlarging")
@gathered(Writing, "writing")
@gathered(Existing, "existing")
@gathered(Running, "running")
@click.option("--jobs", metavar="auto|N", callback=_jobs, default="auto", show_default=True,
              help="Pictures read and written at a time.")
@click.option("--preview", is_flag=True,
              help="One crop beside its bicubic enlargement, at once, as a small sheet.")
@click.option("--dry-run", is_flag=True,
              help="Tell what would be made, how large, and how long it takes.")
@gathered(Telling, "telling")
@click.pass_context
def upscale(
    ctx: click.Context, inputs: tuple[str, ...], model: str, output: str | None, name: str | None,
    recursive: bool, reading: Reading, enlarging: Enlarging, writing: Writing, existing: Existing,
    running: Running,
    jobs: int | None, preview: bool, dry_run: bool, telling: Telling,
) -> None:
    # fmt: on
    """Enlarge pictures and whole folders of them.

    Without -o the result lies beside its input as NAME-MODEL.EXT; - is a pipe
    (srzoo upscale - -o -). Colours (ICC), orientation, transparency, depth and
    metadata are kept; what a format cannot hold is said. A stopped run goes on
    where it was when the same command is given again with the same -o FOLDER.
    Exit codes: 0 all well, 1 some pictures failed, 2 nothing was done, 130 stopped.
    """
    from ..batches import forecast, naming, one_picture
    from ..models import locate
    from ..upscaling import guidance

    inputs, output = tuple(map(_pipe.source, inputs)), _pipe.place(output)
    if output == _pipe.PIPE:
        _streams.current().for_machines()  # before any plugin is imported, which may print
    folder = locate.find(model)
    options = _options(folder, reading, enlarging, writing)
    running.check()
    if telling.quiet:
        ctx.with_resource(warnings.catch_warnings(action="ignore", category=FallbackWarning))
    scales = folder.config.scales
    names = naming.Names(folder.name, naming.variants(options.sizing, scales, options.strength),
                         name, partial(_route, options, scales))  # fmt: skip
    if preview:
        if dry_run or name or len(inputs) != 1:
            raise click.UsageError("--preview takes one picture, and neither --name nor --dry-run.")
        _preview.run(folder, inputs[0], output, options, names, running, existing, telling,
                     reading.one())  # fmt: skip
        return
    work = _plan(folder, inputs, output, recursive, options, names, running, existing,
                 writing.format, reading)  # fmt: skip
    teller = Teller(work, telling, dry=dry_run)
    _check_quality(work, writing, teller)
    if work.alone and work.jobs[0].problem:
        raise work.jobs[0].problem
    if work.todo:
        ways = forecast.ways(work.todo, options, scales)
        ready = _load(folder, running, options, forecast.pixels(work.todo, ways), teller)
        advise = partial(guidance.advice, folder)
        maker = one_picture.PictureMaker(ready, options, work, advise, dry=dry_run, ways=ways)
        (_tell if dry_run else partial(_run, at_a_time=jobs))(work, maker, teller)
    else:
        for job in work.jobs:
            teller.tell(one_picture.Outcome(job, problem=job.problem))
    ctx.exit(teller.summary())


def _options(
    folder: ModelFolder, reading: Reading, enlarging: Enlarging, writing: Writing
) -> Options:
    """How pictures are made; refuses sizes that the model cannot come to."""
    from .. import images
    from ..batches import one_picture
    from ..models.folder import FAITHFUL
    from ..upscaling import guidance, sizing

    size = sizing.Sizing.parse(enlarging.scale, enlarging.size)
    size.route((1000, 1000), folder.config.scales)  # raises where there is no way
    return one_picture.Options(
        sizing=size,
        quality=writing.quality,
        strip=writing.strip,
        provenance=not writing.no_provenance,
        invented=guidance.purpose(folder) != FAITHFUL,
        max_pixels=reading.max_pixels or images.MAX_PIXELS,
        force_damaged=reading.force_damaged,
        strength=enlarging.strength,
        keep_times=writing.keep_times,
    )


def _route(options: Options, scales: tuple[int, ...], source: Path, page: int | None) -> Route:
    """How a picture comes to its size, from its header."""
    from .. import images

    header = images.read_header(source, options.asked(page))
    return options.sizing.route(header.size, scales)


def _plan(
    folder: ModelFolder,
    inputs: tuple[str, ...],
    output: str | None,
    recursive: bool,
    options: Options,
    names: Names,
    running: Running,
    existing: Existing,
    format: str | None,
    reading: Reading,
) -> Batch:
    """Which picture becomes which file."""
    from ..batches import batch, naming
    from ..models import locate

    if _pipe.PIPE in (*inputs, output):
        if names.pattern is not None:
            raise click.UsageError("--name names files, and - is a pipe.")
        if options.keep_times:
            raise click.UsageError("--keep-times is for files, and - is a pipe.")
        naming.check_ending(Path(output or ""), format)
        return _pipe.plan_pipe(inputs, output, format, existing.overwrite, existing.skip_existing,
                          reading.one())  # fmt: skip
    return batch.plan_batch(
        [_pipe.path(name) for name in inputs],
        output,
        model=folder.name,
        known=locate.list_models(),
        format=format,
        overwrite=existing.overwrite,
        skip_existing=existing.skip_existing,
        recursive=recursive,
        settings=options.settings(
            folder, running.precision, tile=running.tile, engine=running.engine
        ),
        names=names,
        pages=reading.page,
        asked=options.asked(),
    )


def _check_quality(work: Batch, writing: Writing, teller: Teller) -> None:
    """Refuse a quality that no result has, and tell where only some have it."""
    from .. import images

    formats = {job.format for job in work.jobs}
    without = sorted(images.FORMATS[key].name for key in formats if not images.FORMATS[key].quality)
    if writing.quality is None or not without:
        return
    if len(without) == len(formats):
        raise PictureError(
            f"{' and '.join(without)} has no quality: nothing is lost in it",
            "Leave --quality out, or choose --format jpg",
        )
    teller.note(f"--quality is not for {' and '.join(without)}, which loses nothing")


def _load(
    folder: ModelFolder, running: Running, options: Options, pixels: int, teller: Teller
) -> Upscaler:
    """The model, run by an engine that is worth its preparation for so many pixels."""
    from ..exporting import engine as engines
    from ..upscaling import loading

    chosen = engines.choose(
        folder, running.engine, device=running.device, precision=running.precision, work=pixels
    )
    if teller.dry and chosen.prepares:
        # No export is made for a look; torch, which would make it, tells about how long it takes.
        chosen = engines.Choice(ENGINE, f"{chosen.name} is not prepared for a dry run")
    teller.engine(folder, chosen, pixels)
    return loading.load(
        folder,
        engine=chosen,
        device=running.device,
        precision=running.precision,
        tile=running.tile,
        memory=running.memory,
        strength=options.strength,
        work=pixels,
        lazy=not pixels,  # nothing is built for pictures that need no pass
    )


def _run(work: Batch, maker: PictureMaker, teller: Teller, at_a_time: int | None) -> None:
    from ..batches import pipeline

    teller.before(maker)
    count = 1 if work.alone else at_a_time or pipeline.default_jobs()
    with (
        work.opened(),
        nullcontext() if teller.quiet else pictures_bars(len(work.todo)) as begin,
        # Whatever comes between, Ctrl-C too: the pictures that are being written are finished.
        closing(pipeline.run(work.jobs, maker, count, begin)) as told,
    ):
        for outcome in told:
            if work.alone and outcome.problem:
                raise outcome.problem
            teller.tell(outcome)


def _tell(work: Batch, maker: PictureMaker, teller: Teller) -> None:
    """What a run would make; it writes nothing."""
    from ..batches import forecast

    for outcome in forecast.dry_run(work.jobs, maker):
        if work.alone and outcome.problem:
            raise outcome.problem
        teller.tell(outcome)
