"""``srzoo pull``: a model from the Hub."""

from __future__ import annotations

from pathlib import Path

import click

from ._options import OVERWRITE, AliasOption, model_names, model_option, one_of


# fmt: off
@click.command()
@click.argument("model", required=False, metavar="MODEL", shell_complete=model_names)
@model_option
@click.option("-o", "--output", "--to!", "output", cls=AliasOption, type=click.Path(path_type=Path),
              help="A new folder; default the cache.")
@click.option(*OVERWRITE, "overwrite", cls=AliasOption, is_flag=True,
              help="Fetch again what the cache has.")
def pull(model: str | None, model_: str | None, output: Path | None, overwrite: bool) -> None:
    # fmt: on
    """Fetch the MODEL org/repo, or org/repo@revision, from the Hugging Face Hub.

    A revision is a branch, a tag or a full commit. Wherever a command takes a
    model, such a name works too, and is fetched on its first use; from then on
    the cache serves it without a network. For private and gated models: hf auth
    login, or HF_TOKEN.
    """
    from ..models import hub

    click.echo(str(hub.pull(one_of(model, model_), output, force=overwrite)))
