"""``srzoo upscale --preview``: one crop of one picture, as a sheet."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import PictureError
from ._console import as_json, printable

if TYPE_CHECKING:
    from ..batches.naming import Names
    from ..batches.one_picture import Options
    from ..images import ReadRequest
    from ..models.folder import ModelFolder
    from ..upscaling.upscaler import Upscaler
    from ._options import EngineOptions, ExistingOptions, ReportOptions


def run(
    folder: ModelFolder,
    given: str,
    output: str | None,
    options: Options,
    names: Names,
    engine_options: EngineOptions,
    existing_options: ExistingOptions,
    report_options: ReportOptions,
    request: ReadRequest,
) -> None:
    """Make the sheet, and print its place.

    Raises:
        PictureError: the file is not a picture, or the sheet cannot be written.
    """
    from .. import images
    from ..batches import outputs
    from ..comparing import preview

    source = Path(given)
    page = _page(source, request)
    target, keep = _target(source, output, names, existing_options, page)
    if keep:
        return
    picture = images.read(
        source,
        max_pixels=request.max_pixels,
        page=request.page,
        force_damaged=request.force_damaged,
    )
    route = options.sizing.route(picture.size, folder.config.scales)
    model = _load(folder, engine_options, options)
    found = preview.preview(model, picture, options.sizing)
    outputs.make_folder(target.parent)
    strength = f", strength {options.strength:g}" if options.strength != 1 else ""
    heading = " ".join([source.name, *page])
    drawn = preview.draw(found, heading, folder.name + strength)
    images.write(images.from_pil(drawn), target, images.format_of(target))
    if report_options.json_:
        place = found.place
        as_json(
            {"input": str(source), "output": str(target), "from": found.source, "to": route.size,
             "route": str(route), "crop": [place.x, place.y, place.width, place.height],
             "seconds": round(found.seconds, 3)}
        )  # fmt: skip
    elif not report_options.quiet:
        click.echo(f"{printable(target)}  {found.place}  {found.seconds:.1f} s")


def _page(source: Path, request: ReadRequest) -> tuple[str, ...]:
    """The name of the page, of a file with several: ``("frame", "2")``."""
    from .. import images

    if (
        request.page is None
        or not source.is_file()
        or images.read_header(source, request).pages == 1
    ):
        return ()
    return images.unit_of(source), str(request.page)


def _target(
    source: Path,
    output: str | None,
    names: Names,
    existing_options: ExistingOptions,
    page: tuple[str, ...],
) -> tuple[Path, bool]:
    """The place of the sheet, and whether an existing one is kept."""
    from .. import images
    from ..batches import batch, naming, outputs

    if str(source) == "-" or output == "-":
        raise PictureError("a preview needs a file as input and a file as output", "Name both")
    if source.is_dir():
        raise PictureError(f"{source} is a folder", "Name one picture: a preview shows only one")
    name = "-".join([names.default(source.stem), *page, naming.PREVIEW]) + ".png"
    if output is None:
        target = source.with_name(name)
    elif output.endswith(("/", os.sep)) or Path(output).is_dir():
        target = Path(output) / name
    else:
        target = Path(output)
    job = batch.Job(source, target, images.format_of(target))
    job = batch.check_target(job, existing_options.overwrite, existing_options.skip_existing)
    if job.problem:
        raise job.problem
    outputs.check_folder(target.parent)
    return target, bool(job.skip_reason)


def _load(folder: ModelFolder, engine_options: EngineOptions, options: Options) -> Upscaler:
    """The model, with an engine that needs no preparation for so little work."""
    from ..defaults import ENGINE
    from ..exporting import engine as engines
    from ..upscaling import loading

    chosen = engines.choose(
        folder,
        engine_options.engine,
        device=engine_options.device,
        precision=engine_options.precision,
    )
    if chosen.prepares and not chosen.explicit:
        chosen = engines.Choice(ENGINE, f"{chosen.name} is not prepared for so little work")
    return loading.load(
        folder,
        engine=chosen,
        device=engine_options.device,
        precision=engine_options.precision,
        tile=engine_options.tile,
        memory=engine_options.memory,
        strength=options.strength,
    )
