"""``srzoo cache``: what is kept on this machine, and how to be rid of it."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click

from ._console import as_json, printable, size, table

KINDS = "exports", "pixels", "hub", "litter"


@click.group()
def cache() -> None:
    """What srzoo keeps and can make, or fetch, again.

    exports are files for the faster engines, pixels decoded training pictures,
    hub the models that were fetched (in the cache of huggingface_hub), and
    litter what killed processes have left.
    """


@cache.command()
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def dir(json_: bool) -> None:
    """Print where things are kept; SRZOO_CACHE says another place."""
    from ..common import files
    from ..upkeep import caches

    found = {"cache": files.cache(), **caches.places()}
    if json_:
        as_json({kind: str(path) for kind, path in found.items()})
        return
    for kind, path in found.items():
        click.echo(f"{kind:8} {printable(path)}")


@cache.command("list")
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS))
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def list_(kinds: tuple[str, ...], json_: bool) -> None:
    """List what is kept: its size, when it was last used, and whether it is needed.

    An export is needed if its model and the installed packages are those that
    it was made of. The others go when a new one takes their place.
    """
    from ..upkeep import caches

    found = caches.entries(kinds or KINDS)
    if json_:
        as_json([{**asdict(entry), "path": str(entry.path)} for entry in found])
        return
    words = {None: "", True: "yes", False: "no"}
    rows = [
        [printable(e.name), e.kind, size(e.bytes),
         f"{datetime.fromtimestamp(e.used):%Y-%m-%d %H:%M}", words[e.needed]]
        for e in found
    ]  # fmt: skip
    if rows:
        table(["name", "kind", "size", "last used", "needed"], rows, right="size")
    click.echo(f"{len(found)} kept, {size(sum(entry.bytes for entry in found))}")


@cache.command()
@click.argument("kinds", nargs=-1, type=click.Choice(KINDS))
@click.option("--unneeded", is_flag=True, help="Only what nothing needs any more.")
def clear(kinds: tuple[str, ...], unneeded: bool) -> None:
    """Remove what is kept, without asking; without KINDS all of srzoo's own cache.

    Models of the Hub go only if hub is named.

    \b
    srzoo cache clear
    srzoo cache clear exports --unneeded
    srzoo cache clear hub
    """
    from ..upkeep import caches

    found = caches.entries(kinds or caches.HERE)
    chosen = [entry for entry in found if entry.needed is False or not unneeded]
    freed = caches.clear(chosen)
    click.echo(f"{len(chosen)} removed, {size(freed)} freed")
