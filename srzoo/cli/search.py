"""``srzoo search``: models of others on the Hub."""

from __future__ import annotations

import re

import click

from ._console import as_json, table, to_stderr
from ._options import Factor

SCALE = re.compile(r"x\d+")
KNOWN = re.compile(r"srzoo|super-resolution|image-to-image|safetensors|region:.*|license:.*|x\d+")


# fmt: off
@click.command()
@click.argument("words", nargs=-1)
@click.option("--author", help="A user or an organisation.")
@click.option("--scale", type=Factor(), metavar="N", help="A factor that they upscale by.")
@click.option("--generator", help="The plugin that builds them: srzoo plugin list generator.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
def search(
    words: tuple[str, ...], author: str | None, scale: int | None, generator: str | None,
    limit: int, json_: bool,
) -> None:
    # fmt: on
    """Find models on the Hugging Face Hub that srzoo can use, by WORDS in their names.

    \b
    srzoo search edsr
    srzoo search --scale 4 --generator edsr
    """
    from dataclasses import asdict

    from ..models import hub

    found = hub.search(
        " ".join(words), author=author, scale=scale, generator=generator, limit=limit
    )
    if json_:
        as_json([asdict(model) for model in found])
        return
    if not found:
        to_stderr("no such model on the Hub; fewer words or options may find one")
        return
    rows = [
        (
            model.repo,
            " ".join(tag for tag in model.tags if SCALE.fullmatch(tag)),
            ", ".join(tag for tag in model.tags if not KNOWN.fullmatch(tag)),
            str(model.downloads),
        )
        for model in found
    ]
    table(("model", "scale", "tags", "downloads"), rows, right="downloads")
