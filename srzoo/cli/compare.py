"""``srzoo compare``: several models on one picture, as a sheet or a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .. import defaults
from ..errors import PictureError
from ._console import as_json, printable, progress_bar, say, table, to_stderr
from ._options import (
    REFERENCE,
    EngineOptions,
    json_option,
    model_names,
    option_group,
    scale_option,
    strength_option,
)

if TYPE_CHECKING:
    from ..comparing.comparison import Comparison

PAGES = (".html", ".htm")


# fmt: off
@click.command(context_settings=REFERENCE)
@click.argument("photo", required=False, type=click.Path(path_type=Path))
@click.option("-m", "--model", "models", multiple=True, required=True, metavar="MODEL",
              shell_complete=model_names, help="A name or a folder; may be repeated.")
@click.option("--hr", type=click.Path(path_type=Path), metavar="FILE",
              help="The true HR picture: shown, and measured against.")
@click.option("--crop", default="auto", show_default=True, metavar="auto|X,Y,W,H",
              help="The crop to show, in pixels of PHOTO (without one, of the HR file).")
@scale_option
@strength_option
@click.option("-d", "--degradation", metavar="NAME", default=defaults.DEGRADATION,
              show_default=True, help="Makes LR from HR if you give no PHOTO.")
@click.option("-o", "--output", "outputs", multiple=True, required=True, metavar="FILE",
              type=click.Path(path_type=Path),
              help="sheet.png, or page.html with a divider; may be repeated.")
@click.option("--overwrite", is_flag=True, help="Replace existing files; never an input.")
@option_group(EngineOptions, "engine_options")
@json_option
def compare(
    photo: Path | None, models: tuple[str, ...], hr: Path | None, crop: str, scale: int | None,
    strength: float, degradation: str, outputs: tuple[Path, ...], overwrite: bool,
    engine_options: EngineOptions, json_: bool,
) -> None:
    # fmt: on
    """Compare several models on one picture.

    \b
    srzoo compare photo.jpg -m bicubic-x4 -m edsr-x4 -o page.html
    srzoo compare --hr baboon.png -m bicubic-x4 -m edsr-x4 -o sheet.png

    The sheet shows the same crop of each result, enlarged, beside LR. With --hr it
    also shows HR, and PSNR and SSIM of the whole picture below each result. With
    --hr and no PHOTO, LR is made from HR, as for the figures in papers.
    """
    from ..comparing import comparison
    from ..images.rectangles import Rectangle

    engine_options.check()
    for output in outputs:
        _check(output, [path for path in (photo, hr) if path], overwrite)
    place = None if crop == "auto" else Rectangle.parse(crop)
    with progress_bar() as progress:
        result = comparison.compare(
            models, photo, hr, scale=scale, crop=place, degradation=degradation,
            engine=engine_options.engine, device=engine_options.device,
            precision=engine_options.precision, memory=engine_options.memory,
            tile=engine_options.tile, strength=strength, progress=progress,
        )  # fmt: skip
    for output in outputs:
        _write(result, output)
    if json_:
        as_json(_facts(result, outputs))
    else:
        _print(result, outputs)


def _check(output: Path, inputs: list[Path], overwrite: bool) -> None:
    """Refuse, before any work, outputs that cannot be written."""
    from .. import images

    if output.suffix.lower() not in PAGES:
        images.format_of(output)
    if not output.parent.is_dir():
        raise PictureError(f"the folder {output.parent} does not exist", "Make it, or name another")
    if output.is_dir():
        raise PictureError(f"{output} is a folder", "Name a file, like sheet.png or page.html")
    if output.exists() and any(path.exists() and path.samefile(output) for path in inputs):
        raise PictureError(f"{output} is an input", "Choose another name with -o")
    if output.exists() and not overwrite:
        raise PictureError(f"{output} exists", "Choose another name, or add --overwrite")


def _write(result: Comparison, output: Path) -> None:
    import numpy as np

    from .. import images
    from ..common import files
    from ..comparing import figure, page

    if output.suffix.lower() not in PAGES:
        sheet = images.Picture(np.asarray(figure.draw(result)), icc=result.icc)
        images.write(sheet, output, images.format_of(output))
        return
    try:
        with files.atomic_write(output) as file:
            file.write(page.render(result).encode("utf-8"))
    except OSError as error:
        raise PictureError(
            f"cannot write {output}: {error.strerror or error}", "Choose another place with -o"
        ) from error


def _facts(result: Comparison, outputs: tuple[Path, ...]) -> dict[str, object]:
    crop = result.file_crop
    return {
        "outputs": [str(path) for path in outputs],
        "picture": result.source,
        "scale": result.scale,
        "degradation": result.degradation,
        "strength": result.strength,
        "crop": [crop.x, crop.y, crop.width, crop.height],
        "size": list(result.result_size),
        "models": [
            {
                "name": one.name,
                "model": one.model,
                "seconds": round(one.seconds, 3),
                "values": one.values,
            }
            for one in result.pictures
            if one.model
        ],
        "protocols": result.protocols,
        "engine": ", ".join(result.engines),
        "device": result.device,
        "precision": result.precision,
    }


def _print(result: Comparison, outputs: tuple[Path, ...]) -> None:
    from ..comparing.figure import sentences
    from ..evaluating.results import shown

    columns = ("model", *result.protocols, "s")
    table(
        columns,
        [
            (printable(one.name), *(shown(value) for value in one.values.values()),
             f"{one.seconds:.1f}")
            for one in result.pictures
            if one.model
        ],
        right=" ".join(columns[1:]),
    )  # fmt: skip
    click.echo()
    for sentence in sentences(result):
        say(sentence)
    say(f"The crop: {result.file_crop} (--crop {result.file_crop} shows it again).")
    for output in outputs:
        to_stderr(f"written: {output}")
