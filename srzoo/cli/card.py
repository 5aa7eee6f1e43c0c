"""``srzoo card``: the results in a model's card, shown, and measured again."""

from __future__ import annotations

from pathlib import Path

import click

from ..errors import SrzooError
from ._output import as_json, table
from .evaluate import finite, progress_bar, say


@click.group()
def card() -> None:
    """Look at the results in a model's card, and check them.

    Results are written by srzoo evaluate --write-card, and by nothing else.
    """


@card.command("show")
@click.argument("model")
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
def show(model: str, json_: bool) -> None:
    """Show the results in a card's metadata; MODEL may be a folder."""
    from dataclasses import asdict

    from .. import card, claims
    from ..results import shown

    found = card.find(model)
    read = claims.read(found)
    if json_:
        as_json(finite([asdict(claim) for claim in read]))
        return
    if not read:
        click.echo(_none(found.name))
        return
    rows = [(claim.data, claim.label, shown(claim.value)) for claim in read]
    table(("data", "metric", "value"), rows, right="value")
    click.echo()
    for label, protocol in dict.fromkeys((claim.label, claim.protocol) for claim in read):
        say(f"{label}: {protocol or 'no protocol is given'}")


def _tolerances(
    _ctx: click.Context, _param: click.Parameter, texts: tuple[str, ...]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for text in texts:
        name, _, size = text.rpartition("=")
        try:
            found[name] = float(size)
        except ValueError:
            found[name] = -1.0
        if not name or not found[name] >= 0:  # NaN fails too
            raise SrzooError(f"{text!r} is no tolerance", "Write it like psnr_y=0.05")
    return found


# fmt: off
@card.command("check")
@click.argument("model")
@click.option("--data", type=click.Path(path_type=Path),
              help="Holds the sets of pictures.  [default: $SRZOO_DATA]")
@click.option("--tolerance", "tolerances", multiple=True, callback=_tolerances,
              metavar="METRIC=SIZE",
              help="How much worse than claimed. [psnr: 0.02, ssim: 0.001, others: 1 %]")
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
@click.pass_context
def check(
    ctx: click.Context, model: str, data: Path | None, tolerances: dict[str, float], json_: bool
) -> None:
    # fmt: on
    """Measure every claim of a card again; MODEL may be a folder.

    Exit codes: 0 all claims hold, 1 one does not, 2 it could not be measured.
    """
    from dataclasses import asdict

    from .. import card, claims

    found = card.find(model)
    with progress_bar() as progress:
        checks = claims.check(found, root=data, tolerances=tolerances, progress=progress)
    if json_:
        as_json(finite([asdict(check) for check in checks]))
    elif not checks:
        click.echo(_none(found.name))
    else:
        rows = [
            (c.claim.data, c.claim.label, f"{c.claim.value:.4f}", f"{c.measured:.4f}",
             "holds" if c.holds else "FAILS")
            for c in checks
        ]  # fmt: skip
        table(("data", "metric", "claimed", "measured", ""), rows, right="claimed measured")
    for c in checks:
        if c.protocol != c.claim.protocol:
            text = f"note: {c.claim.data}, {c.claim.label}: the card's protocol is"
            click.echo(f"{text} {c.claim.protocol!r}, measured now: {c.protocol!r}", err=True)
    ctx.exit(0 if all(c.holds for c in checks) else 1)


def _none(name: str) -> str:
    return f"the card of {name} claims no results; see: srzoo evaluate {name} --write-card"
