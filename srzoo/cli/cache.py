"""``srzoo cache``: list and remove cached files."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import click

from ._console import as_json, printable, size, table

KINDS = "exports", "pixels", "hub", "litter"


@click.group()
def cache() -> None:
    """List and remove what srzoo caches; all of it can be made or fetched again.

    \b
    srzoo cache list
    srzoo cache clear exports --unneeded

    exports are model files for the faster engines, pixels are decoded training
    pictures, hub is the models fetched from the Hub (in the cache of
    huggingface_hub), and litter is what killed processes left behind.
    """


@cache.command()
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def dir(json_: bool) -> None:
    """Print the cache folders; the variable SRZOO_CACHE sets another place.

    \b
    srzoo cache dir
    SRZOO_CACHE=/scratch/srzoo srzoo cache dir
    """
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
    """List cached files: size, last use, and whether each is still needed.

    \b
    srzoo cache list
    srzoo cache list exports hub

    An export is needed while its model and the installed packages are the ones it
    was made from. The others are replaced when a new one is made.
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
@click.option("--unneeded", is_flag=True, help="Only files that nothing needs any more.")
def clear(kinds: tuple[str, ...], unneeded: bool) -> None:
    """Remove cached files without asking; without KINDS, all of srzoo's own cache.

    \b
    srzoo cache clear
    srzoo cache clear exports --unneeded
    srzoo cache clear hub

    Models from the Hub are removed only if you name hub.
    """
    from ..upkeep import caches

    found = caches.entries(kinds or caches.HERE)
    chosen = [entry for entry in found if entry.needed is False or not unneeded]
    freed = caches.clear(chosen)
    click.echo(f"{len(chosen)} removed, {size(freed)} freed")
