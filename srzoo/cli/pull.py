"""``srzoo pull``: a model from the Hub."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("model")
@click.option("--to", type=click.Path(path_type=Path), help="A new folder; default the cache.")
@click.option("--force", is_flag=True, help="Fetch again what the cache has.")
def pull(model: str, to: Path | None, force: bool) -> None:
    """Fetch the MODEL org/repo, or org/repo@revision, from the Hugging Face Hub.

    A revision is a branch, a tag or a full commit. Wherever a command takes a
    model, such a name works too, and is fetched on its first use; from then on
    the cache serves it without a network. For private and gated models: hf auth
    login, or HF_TOKEN.
    """
    from .. import hub

    click.echo(str(hub.pull(model, to, force=force)))
