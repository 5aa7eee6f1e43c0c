"""``srzoo plugin install`` and ``uninstall``: pip, in srzoo's own environment."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from ._console import say, to_stderr


# fmt: off
@click.command()
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("-e", "--editable", multiple=True, metavar="PATH",
              type=click.Path(path_type=Path, exists=True, file_okay=False),
              help="A project of your own; changes to it take effect at once.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def install(
    ctx: click.Context, names: tuple[str, ...], editable: tuple[Path, ...], yes: bool
) -> None:
    # fmt: on
    """Install packages of plugins with pip, into srzoo's own environment.

    \b
    srzoo plugin install srzoo-wide-gate
    srzoo plugin install -e ./srzoo-wide-gate

    Exit code: that of pip.
    """
    from ..authoring import installing

    command = installing.install_command(names, editable)
    _ask(command, installing.WARNING, yes)
    before = installing.parts()
    code = installing.run(command)
    new = sorted(installing.parts() - before)
    for part in new:
        say(f"installed: {part}")
    if not code and not new:
        to_stderr("no new plugin was installed")
    ctx.exit(code)


@click.command()
@click.argument("name")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def uninstall(ctx: click.Context, name: str, yes: bool) -> None:
    """Remove a package of plugins with pip; NAME is the package's.

    \b
    srzoo plugin uninstall srzoo-wide-gate

    Exit code: that of pip.
    """
    from ..authoring import installing

    command = installing.uninstall_command(name)
    _ask(command, "", yes)
    ctx.exit(installing.run(command))


def _ask(command: list[str], warning: str, yes: bool) -> None:
    to_stderr(f"running: {shlex.join(command)}")
    if warning:
        to_stderr(f"{warning}.")
    if not yes:
        click.confirm("Go on?", abort=True, err=True)
