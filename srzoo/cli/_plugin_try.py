"""``srzoo plugin try``: a class from its file, without a package."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import ArgumentError
from ._console import say

if TYPE_CHECKING:
    from ..contracts import U8


# fmt: off
@click.command("try")
@click.argument("part", metavar="FILE.py:CLASS")
@click.option("--as", "kind", required=True, metavar="KIND",
              help="Its kind: block, generator, loss, ...")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE",
              help="An argument; it overrides the first example's.")
@click.option("--picture", type=click.Path(path_type=Path),
              help="Picture to upscale.  [default: a drawn one]")
@click.option("--data", type=click.Path(path_type=Path, exists=True),
              help="Folder of pictures to train on.  [default: drawn ones]")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="PNG",
              help="The result.  [default: tried-CLASS.png]")
@click.option("--steps", type=click.IntRange(0, 10000), default=20, show_default=True,
              help="Training steps; 0 for none.")
@click.option("--no-suite", is_flag=True, help="Skip the contract tests.")
@click.option("--no-picture", is_flag=True, help="Skip the picture.")
@click.option("--no-export", is_flag=True, help="Skip the export formats.")
@click.pass_context
def try_(
    ctx: click.Context, part: str, kind: str, settings: tuple[str, ...], picture: Path | None,
    data: Path | None, output: Path | None, steps: int, no_suite: bool, no_picture: bool,
    no_export: bool,
) -> None:
    # fmt: on
    """Try a class from a file: contract, cost, a picture, a few training steps.

    \b
    srzoo plugin try silu.py:SiLU --as block

    Each check prints a line or a few, and a check that fails does not stop the
    others. You can also give the name of an installed plugin. Exit code 1 if any
    check failed.
    """
    from ..authoring.trying import Trial
    from ..plugins import references

    if not references.is_reference(part) and references.is_reference(f"./{part}"):
        part = f"./{part}"
    trial = Trial(kind, part, _arguments(settings), _pictures(picture, data), _say, steps)
    given = ", ".join(f"{key} = {value!r}" for key, value in trial.use.args.items())
    click.echo(f"{trial.plugin} with {given or 'its defaults'}")
    if not no_suite:
        trial.suite()
    trial.facts()
    trial.training()
    if not no_picture:
        trial.picture(output or Path(f"tried-{part.rpartition(':')[2]}.png"))
    if not no_export:
        trial.exports()
    failed = ", ".join(trial.failed)
    _say(f"Failed: {failed}" if failed else "Nothing failed.")
    if references.is_reference(part):
        click.echo(f"To publish it, make a package: srzoo plugin new {kind} NAME")
    ctx.exit(1 if failed else 0)


def _say(text: str) -> None:
    say(text, indent=8)


def _arguments(settings: tuple[str, ...]) -> dict[str, Any]:
    import tomllib

    found: dict[str, Any] = {}
    for text in settings:
        key, equals, value = text.partition("=")
        if not equals:
            raise ArgumentError(f"--set {text} is not KEY=VALUE", "Write --set channels=8")
        try:
            found[key] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[key] = value
    return found


def _pictures(picture: Path | None, data: Path | None) -> tuple[U8, ...] | None:
    """The picture to upscale first, then the pictures to train on."""
    from .. import building

    if picture is None and data is None:
        return None
    from ..authoring import drawings

    paths = [data / name for name in building.find_pictures(data)[:8]] if data else []
    given = tuple(building.read_rgb(path) for path in ([picture] if picture else []) + paths)
    return given if data else (*given, *drawings.pictures())
