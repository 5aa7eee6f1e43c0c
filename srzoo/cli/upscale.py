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
from ._options import (
    EngineOptions,
    ExistingOptions,
    ReadOptions,
    ReportOptions,
    SizeOptions,
    WriteOptions,
    model_names,
    option_group,
)
from ._reporting import BatchReporter, picture_bars

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
@click.option("-o", "--output",
              help="A file for one input, else a folder (NAME/ is always a folder).")
@click.option("--name", metavar="PATTERN", help="Names of results, like '{stem}-{size}{suffix}':"
              " stem, parent, model, scale, size, suffix, ext.")
@click.option("-r", "--recursive", is_flag=True,
              help="Subfolders too; the output folder mirrors them.")
@option_group(ReadOptions, "read_options")
@option_group(SizeOptions, "size_options")
@option_group(WriteOptions, "write_options")
@option_group(ExistingOptions, "existing_options")
@option_group(EngineOptions, "engine_options")
@click.option("--jobs", metavar="auto|N", callback=_jobs, default="auto", show_default=True,
              help="Pictures read and written at a time.")
@click.option("--preview", is_flag=True,
              help="Make only a small sheet: one crop beside bicubic interpolation.")
@click.option("--dry-run", is_flag=True,
              help="Print which files would be made, their sizes, and how long it takes.")
@option_group(ReportOptions, "report_options")
@click.pass_context
def upscale(
    ctx: click.Context, inputs: tuple[str, ...], model: str, output: str | None, name: str | None,
    recursive: bool, read_options: ReadOptions, size_options: SizeOptions,
    write_options: WriteOptions, existing_options: ExistingOptions,
    engine_options: EngineOptions,
    jobs: int | None, preview: bool, dry_run: bool, report_options: ReportOptions,
) -> None:
    # fmt: on
    """Upscale pictures and whole folders of them.

    \b
    srzoo upscale photo.jpg                     photo-edsr-x4.jpg beside it
    srzoo upscale photo.jpg -m bicubic-x2 -o big.png
    srzoo upscale holiday/ -o large/ -r         a folder and its subfolders
    srzoo upscale - -o - < photo.jpg > big.jpg

    Without -o the result is written beside its input as NAME-MODEL.EXT; - is a pipe.
    Colours (ICC), orientation, transparency, depth and metadata are kept; a note
    reports what the format cannot hold. To resume a stopped run, give the same
    command again with the same -o FOLDER.
    Exit codes: 0 all made, 1 some pictures failed, 2 nothing was done, 130 stopped.
    """
    from ..batches import forecast, naming, one_picture
    from ..models import locate
    from ..upscaling import guidance

    inputs, output = tuple(map(_pipe.input_name, inputs)), _pipe.output_name(output)
    if output == _pipe.PIPE:
        _streams.current().for_machines()  # before any plugin is imported, which may print
    folder = locate.find(model)
    options = _options(folder, read_options, size_options, write_options)
    engine_options.check()
    if report_options.quiet:
        ctx.with_resource(warnings.catch_warnings(action="ignore", category=FallbackWarning))
    scales = folder.config.scales
    names = naming.Names(folder.name, naming.variants(options.sizing, scales, options.strength),
                         name, partial(_route, options, scales))  # fmt: skip
    if preview:
        if dry_run or name or len(inputs) != 1:
            raise click.UsageError("--preview takes one picture, without --name and --dry-run.")
        _preview.run(
            folder, inputs[0], output, options, names, engine_options, existing_options,
            report_options, read_options.single_picture(),
        )  # fmt: skip
        return
    batch = _plan(
        folder, inputs, output, recursive, options, names, engine_options, existing_options,
        write_options.format, read_options,
    )  # fmt: skip
    reporter = BatchReporter(batch, report_options, dry=dry_run)
    _check_quality(batch, write_options, reporter)
    if batch.is_single and batch.jobs[0].problem:
        raise batch.jobs[0].problem
    if batch.pending:
        needs = forecast.sample_needs(batch.pending, options, scales)
        pixels = forecast.estimate_pixels(batch.pending, needs)
        upscaler = _load(folder, engine_options, options, pixels, reporter)
        advise = partial(guidance.advice, folder)
        maker = one_picture.PictureMaker(
            upscaler, options, batch, advise, dry=dry_run, known_needs=needs
        )
        (_dry_run if dry_run else partial(_run, at_a_time=jobs))(batch, maker, reporter)
    else:
        for job in batch.jobs:
            reporter.report(one_picture.PictureOutcome(job, problem=job.problem))
    ctx.exit(reporter.summary())


def _options(
    folder: ModelFolder,
    read_options: ReadOptions,
    size_options: SizeOptions,
    write_options: WriteOptions,
) -> Options:
    """The options for results; refuses sizes that the model cannot reach."""
    from .. import images
    from ..batches import one_picture
    from ..models.folder import FAITHFUL
    from ..upscaling import guidance, sizing

    size = sizing.Sizing.parse(size_options.scale, size_options.size)
    size.route((1000, 1000), folder.config.scales)  # raises an error if there is no route
    return one_picture.Options(
        sizing=size,
        quality=write_options.quality,
        strip=write_options.strip,
        provenance=not write_options.no_provenance,
        invented=guidance.purpose(folder) != FAITHFUL,
        max_pixels=read_options.max_pixels or images.MAX_PIXELS,
        force_damaged=read_options.force_damaged,
        strength=size_options.strength,
        keep_times=write_options.keep_times,
    )


def _route(options: Options, scales: tuple[int, ...], source: Path, page: int | None) -> Route:
    """The passes of a picture, from its header."""
    from .. import images

    header = images.read_header(source, options.request(page))
    return options.sizing.route(header.size, scales)


def _plan(
    folder: ModelFolder,
    inputs: tuple[str, ...],
    output: str | None,
    recursive: bool,
    options: Options,
    names: Names,
    engine_options: EngineOptions,
    existing_options: ExistingOptions,
    format: str | None,
    read_options: ReadOptions,
) -> Batch:
    """The output file of each picture."""
    from ..batches import batch, naming
    from ..models import locate

    if _pipe.PIPE in (*inputs, output):
        if names.pattern is not None:
            raise click.UsageError("--name names files, but - is a pipe.")
        if options.keep_times:
            raise click.UsageError("--keep-times is for files, but - is a pipe.")
        naming.check_ending(Path(output or ""), format)
        return _pipe.plan_pipe(
            inputs, output, format, existing_options.overwrite, existing_options.skip_existing,
            read_options.single_picture(),
        )  # fmt: skip
    return batch.plan_batch(
        [_pipe.input_path(name) for name in inputs],
        output,
        model=folder.name,
        known=locate.list_models(),
        format=format,
        overwrite=existing_options.overwrite,
        skip_existing=existing_options.skip_existing,
        recursive=recursive,
        settings=options.settings(
            folder, engine_options.precision, tile=engine_options.tile, engine=engine_options.engine
        ),
        names=names,
        pages=read_options.page,
        request=options.request(),
    )


def _check_quality(batch: Batch, write_options: WriteOptions, reporter: BatchReporter) -> None:
    """Refuse a quality that applies to no result, and report if it applies only to some."""
    from .. import images

    formats = {job.format for job in batch.jobs}
    without = sorted(images.FORMATS[key].name for key in formats if not images.FORMATS[key].quality)
    if write_options.quality is None or not without:
        return
    if len(without) == len(formats):
        raise PictureError(
            f"{' and '.join(without)} has no quality setting: it is lossless",
            "Leave --quality out, or choose --format jpg",
        )
    reporter.note(f"--quality does not apply to {' and '.join(without)}, which is lossless")


def _load(
    folder: ModelFolder,
    engine_options: EngineOptions,
    options: Options,
    pixels: int,
    reporter: BatchReporter,
) -> Upscaler:
    """The model, with an engine whose preparation is worth while for this number of pixels."""
    from ..exporting import engine as engines
    from ..upscaling import loading

    chosen = engines.choose(
        folder,
        engine_options.engine,
        device=engine_options.device,
        precision=engine_options.precision,
        work=pixels,
    )
    if reporter.dry and chosen.prepares:
        # A dry run makes no export; torch gives a similar estimate.
        chosen = engines.Choice(ENGINE, f"{chosen.name} is not prepared for a dry run")
    reporter.engine(folder, chosen, pixels)
    return loading.load(
        folder,
        engine=chosen,
        device=engine_options.device,
        precision=engine_options.precision,
        tile=engine_options.tile,
        memory=engine_options.memory,
        strength=options.strength,
        work=pixels,
        lazy=not pixels,  # build nothing for pictures without a pass
    )


def _run(batch: Batch, maker: PictureMaker, reporter: BatchReporter, at_a_time: int | None) -> None:
    from ..batches import pipeline

    reporter.report_plan(maker)
    count = 1 if batch.is_single else at_a_time or pipeline.default_jobs()
    with (
        batch.opened(),
        nullcontext() if reporter.quiet else picture_bars(len(batch.pending)) as begin,
        # On any exception, including Ctrl-C, pictures that are being written are finished.
        closing(pipeline.run(batch.jobs, maker, count, begin)) as outcomes,
    ):
        for outcome in outcomes:
            if batch.is_single and outcome.problem:
                raise outcome.problem
            reporter.report(outcome)


def _dry_run(batch: Batch, maker: PictureMaker, reporter: BatchReporter) -> None:
    """Print the results that a run would make; nothing is written."""
    from ..batches import forecast

    for outcome in forecast.dry_run(batch.jobs, maker):
        if batch.is_single and outcome.problem:
            raise outcome.problem
        reporter.report(outcome)
