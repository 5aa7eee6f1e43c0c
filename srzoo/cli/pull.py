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
              help="A new folder.  [default: the cache]")
@click.option(*OVERWRITE, "overwrite", cls=AliasOption, is_flag=True,
              help="Fetch again files that the cache has.")
def pull(model: str | None, model_: str | None, output: Path | None, overwrite: bool) -> None:
    # fmt: on
    """Fetch the MODEL org/repo, or org/repo@revision, from the Hugging Face Hub.

    \b
    srzoo pull org/repo
    srzoo pull org/repo@v1 -o models/mine

    A revision is a branch, a tag or a full commit. Every command that takes a model
    accepts such a name too, and fetches it on first use; after that the cache serves
    it without a network. For private and gated models, log in with hf auth login or
    set HF_TOKEN.
    """
    from ..models import hub

    click.echo(str(hub.pull(one_of(model, model_), output, force=overwrite)))
