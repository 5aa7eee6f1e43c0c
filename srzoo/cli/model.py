"""``srzoo model``: list, show and pack models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import SrzooError
from ._console import as_json, printable, table, to_stderr
from ._options import arguments_of, model_names, model_option, one_of

if TYPE_CHECKING:
    from ..models.folder import ModelFolder


@click.group()
def model() -> None:
    """Look at the installed models, and make small copies to publish.

    \b
    srzoo model list
    srzoo model show edsr-x4
    """


@model.command("list")
@click.argument("pattern", default="*")
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
def list_(pattern: str, json_: bool) -> None:
    """List the released models, or those that match a PATTERN such as "edsr*".

    \b
    srzoo model list
    srzoo model list "edsr*"

    The purpose of a model: "faithful" invents nothing, "perceptual" invents
    lifelike detail, both for clean pictures; "real photos" handles noise and JPEG.
    """
    from fnmatch import fnmatchcase

    from ..models import locate
    from ..models.folder import read_folder
    from ..upscaling import guidance

    models: dict[str, ModelFolder] = {}
    for name, path in sorted(locate.released().items()):
        try:
            if fnmatchcase(name, pattern):
                models[name] = read_folder(path)
        except SrzooError as error:  # of another package: list the others nevertheless
            to_stderr(error)
    if json_:
        as_json([_facts(found) | {"name": name} for name, found in models.items()])
    elif not models:
        to_stderr(f"no model matches {pattern!r}; see: srzoo model list")
    else:
        table(
            ("model", "scale", "MB", "for", "in one line"),
            [
                (
                    name,
                    ",".join(map(str, found.config.scales)),
                    f"{_weight(found) / 1e6:.1f}",
                    guidance.purpose(found),
                    found.config.summary,
                )
                for name, found in models.items()
            ],
            right="scale MB",
        )


@model.command("show")
@click.argument("name", required=False, metavar="NAME", shell_complete=model_names)
@model_option
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def show(name: str | None, model_: str | None, json_: bool) -> None:
    """Show the config and the card of one model; NAME may be a folder.

    \b
    srzoo model show edsr-x4
    srzoo model show runs/mine --json
    """
    from ..models import locate
    from ..models.readme import README

    found = locate.find(one_of(name, model_, "NAME"))
    if json_:
        as_json(_facts(found))
        return
    for key, value in _facts(found).items():
        click.echo(f"{key:<10} {value}")
    if (found.path / README).is_file():
        from rich.console import Console
        from rich.markdown import Markdown

        from ..modelcards import cardcheck

        click.echo()
        Console(width=80).print(Markdown(cardcheck.prose(found), hyperlinks=False))


# fmt: off
@model.command("pack")
@click.argument("given", nargs=-1, metavar="MODEL FOLDER", shell_complete=model_names)
@model_option
@click.option("-o", "--output", metavar="FOLDER", help="The same as the argument.")
@click.option("--dtype", type=click.Choice(["float16", "bfloat16", "float32"]), default="float16",
              show_default=True, help="Type of the weights on disk.")
@click.option("--with-exports", is_flag=True, help="Add exports, as srzoo model add-exports does.")
def pack(
    given: tuple[str, ...], model_: str | None, output: str | None, dtype: str, with_exports: bool
) -> None:
    # fmt: on
    """Write a model to a FOLDER, small enough to publish.

    \b
    srzoo model pack runs/mine published/mine
    srzoo evaluate published/mine --data Set5 --write-card

    It has the weights in half the bytes, the recipe, the curves and the log, thinned
    to 200 KB, and no checkpoints. A model that exists in FOLDER is replaced, and its
    exports are removed. Its card is kept, so measure its results again.
    """
    from ..models import locate
    from ..plugins import importing

    importing.need_torch("packing a model")
    from ..training import packing

    source, folder = arguments_of(given, {"MODEL": model_, "FOLDER": output})
    found = packing.pack(locate.find(source), Path(folder), dtype, with_exports=with_exports)
    to_stderr(f"written: {found.path} ({_weight(found) / 1e6:.1f} MB of weights)")


@model.command("add-exports")
@click.argument("folder", required=False, metavar="FOLDER")
@model_option
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def add_exports(folder: str | None, model_: str | None, json_: bool) -> None:
    """Add to the model in FOLDER the exports that run without torch.

    \b
    srzoo model add-exports runs/mine

    It writes one ONNX file for each scale into FOLDER/onnx: weights in float16,
    arithmetic in float32, a linear tail folded. Each file is checked against torch,
    and its sha256 is written into config.json.
    """
    from ..exporting import exports
    from ..models import locate

    found = locate.find(one_of(folder, model_, "FOLDER"))
    exports.require_making(found.name)
    from ..exporting import carrying

    carried = carrying.add_exports(found).config.exports
    files = [found.path / one.file for one in carried]
    if json_:
        as_json({"files": [str(file) for file in files], "bytes": _bytes(files)})
        return
    for file in files:
        click.echo(f"{printable(str(file))}  {file.stat().st_size / 1e6:.1f} MB")


def _bytes(files: list[Path]) -> int:
    return sum(file.stat().st_size for file in files)


def _facts(found: ModelFolder) -> dict[str, object]:
    from ..upscaling import guidance

    config = found.config
    return {
        "name": found.name,
        "purpose": guidance.purpose(found),
        "summary": config.summary,
        "generator": config.generator,
        "args": config.args,
        "scales": list(config.scales),
        "bytes": _weight(found),
        "sha256": config.weights.sha256 if config.weights else None,
        "exports": [one.file for one in config.exports],
        "folder": str(found.path),
    }


def _weight(found: ModelFolder) -> int:
    weights = found.config.weights
    file = found.path / weights.file if weights else None
    return file.stat().st_size if file and file.is_file() else 0
