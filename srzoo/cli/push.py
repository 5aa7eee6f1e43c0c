"""``srzoo push``: a model to the Hub."""

from __future__ import annotations

from pathlib import Path

import click

from ._console import as_json, progress_bar, table
from ._options import arguments_of, model_names, model_option


# fmt: off
@click.command()
@click.argument("given", nargs=-1, metavar="MODEL REPO", shell_complete=model_names)
@model_option
@click.option("--private", is_flag=True, help="Make the repo private.")
@click.option("--tag", metavar="NAME", help="Set a tag on the commit, such as v1.")
@click.option("--message", help="Message of the commit.")
@click.option("--no-check", is_flag=True,
              help="Do not measure the card's claims again; the card then states it.")
@click.option("--with-exports", is_flag=True,
              help="Make the exports that run without torch, if the folder has none.")
@click.option("--data", type=click.Path(path_type=Path),
              help="Folder of the sets of pictures.  [default: $SRZOO_DATA]")
@click.option("--dry-run", is_flag=True, help="Check everything, upload nothing.")
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def push(
    given: tuple[str, ...], model_: str | None, private: bool, tag: str | None,
    message: str | None, no_check: bool, with_exports: bool, data: Path | None, dry_run: bool,
    json_: bool,
) -> None:
    # fmt: on
    """Publish the folder or released MODEL as REPO, org/name, on the Hugging Face Hub.

    \b
    srzoo push runs/mine me/mine-x4 --dry-run
    srzoo push runs/mine me/mine-x4 --tag v1

    Config, weights, exports and card are checked first, and the results that the
    card claims are measured again. Everything is uploaded in one commit. You can
    repeat an interrupted upload; a second push of the same files changes nothing.
    Log in first with hf auth login, or set HF_TOKEN.
    """
    from dataclasses import asdict

    from ..plugins import importing

    importing.need_torch("publishing a model")
    from ..modelcards import publishing

    model, repo = arguments_of(given, {"MODEL": model_, "REPO": None})
    with progress_bar() as progress:
        pushed = publishing.push(
            model, repo, private=private, tag=tag, message=message, check=not no_check,
            with_exports=with_exports, data=data, dry_run=dry_run, progress=progress,
        )  # fmt: skip
    if json_:
        as_json(asdict(pushed))
        return
    rows = [(name, f"{size:,}") for name, size in pushed.files.items()]
    table(("file", "bytes"), rows, right="bytes")
    if dry_run:
        click.echo(f"nothing was sent; this would go to {pushed.url}")
    elif not pushed.changed:
        click.echo(f"{pushed.url} has all of it already")
    else:
        click.echo(f"{pushed.url} is at {pushed.commit}")
    if tag and not dry_run:
        click.echo(f"srzoo upscale photo.jpg --model {repo}@{tag}")
