"""``srzoo export``: a model as a file that other programs run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import ModelError
from ..plugins import kinds
from ._console import as_json, printable
from ._options import AliasOption, json_option, model_names, model_option, one_of, scale_option

if TYPE_CHECKING:
    from ..contracts import ExportFormat


class Formats(click.ParamType):  # pyright: ignore[reportMissingTypeArgument]
    """The name of a registered export format."""

    name = "format"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """All names."""
        return "|".join(kinds.export_formats.names())

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name, if the format exists."""
        return kinds.export_formats.find(value).name


# fmt: off
@click.command()
@click.argument("model", required=False, metavar="MODEL", shell_complete=model_names)
@model_option
@click.option("--to", "--format!", "to", cls=AliasOption, type=Formats(), required=True,
              help="The format.")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
              help="The file.  [default: the model's name, in the current folder]")
@scale_option
@click.option("--no-fold", is_flag=True, help="Do not fold a linear tail.")
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@json_option
def export(
    model: str | None, model_: str | None, to: str, output: Path | None, scale: int | None,
    no_fold: bool, overwrite: bool, json_: bool,
) -> None:
    # fmt: on
    """Write MODEL as a file for other programs: float32, any height and width.

    \b
    srzoo export edsr-x4 --to onnx
    srzoo export runs/mine --to ncnn -o app/assets/mine.param

    The file is checked against torch before it gets its final name. Its metadata
    state the model, scale, range of values and reach. Some formats consist of two
    files, whose names differ only in the ending.
    """
    from ..exporting import about, exports
    from ..models import locate, scales

    folder = locate.find(one_of(model, model_))
    factor = scales.choose(folder.name, folder.config.scales, scale)
    exports.require_making(folder.name)
    export_format = exports.require_format(to)
    several = f"-x{factor}" if len(folder.config.scales) > 1 else ""
    path = output or Path(f"{folder.name}{several}{export_format.suffix}")
    files = _files(path, to, export_format, overwrite)

    from ..exporting import convert

    try:
        off, differing = convert.write(folder, factor, to, path, fold=not no_fold)
    except OSError as error:
        raise ModelError(
            f"cannot write {path}: {error.strerror or error}", "Choose another place with -o"
        ) from error
    facts = about.parse(export_format.about(path), str(path))
    size = sum(file.stat().st_size for file in files)
    if json_:
        as_json(
            {"files": [str(file) for file in files], "format": to, "bytes": size, "off": off,
             "differing": differing, "about": facts.to_dict()}
        )  # fmt: skip
        return
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    click.echo(f"{' and '.join(map(printable, files))}  {shown}")
    click.echo(
        f"checked against torch: at most {off} level{'' if off == 1 else 's'} of 255 apart,"
        f" {differing:.2%} of the values differ"
    )


def _files(path: Path, to: str, export_format: ExportFormat, overwrite: bool) -> list[Path]:
    """The files to be written; refuses, before any work, those that cannot be."""
    if path.suffix != export_format.suffix:
        raise ModelError(f"{path} is not a file name for {to}", f"End it in {export_format.suffix}")
    if not path.parent.is_dir():
        raise ModelError(f"the folder {path.parent} does not exist", "Make it, or choose another")
    files = [path, *(path.with_suffix(suffix) for suffix in export_format.beside)]
    for file in files:
        if file.is_dir():
            raise ModelError(f"{file} is a folder", "Choose another name with -o")
        if file.exists() and not overwrite:
            raise ModelError(f"{file} exists", "Choose another name, or add --overwrite")
    return files
