"""``srzoo plugin new``: a project for a plugin."""

from __future__ import annotations

from pathlib import Path

import click

from ._console import to_stderr


# fmt: off
@click.command()
@click.argument("kind")
@click.argument("name")
@click.option("--dir", "place", type=click.Path(path_type=Path), metavar="D",
              help="The project's folder, or one to put srzoo-NAME into.  [default: here]")
def new(kind: str, name: str, place: Path | None) -> None:
    # fmt: on
    """Write a small project for a plugin: KIND is generator, block, loss, ...

    \b
    srzoo plugin new block wide_gate

    Its class passes the tests of its kind as written. Replace its content by yours.
    """
    import shlex

    from ..authoring import projects

    made = projects.new(kind, name, place)
    to_stderr(f"written: {made.folder}")
    click.echo(f"pip install -e {shlex.quote(str(made.folder))}")
    click.echo(f"srzoo plugin check {made.name}")
    click.echo("\n".join(line.removeprefix("    ") for line in made.use.splitlines()))
