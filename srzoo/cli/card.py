"""``srzoo card``: write and show a model's card, and measure its results again."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from .. import defaults
from ..errors import SrzooError
from ._console import as_json, progress_bar, say, table, to_stderr
from ._options import OVERWRITE, AliasOption, model_names, model_option, one_of


@click.group()
def card() -> None:
    """Write a model's card, show it, and check its results.

    \b
    srzoo card show edsr-x4
    srzoo card check edsr-x4 --data data/benchmarks

    Only srzoo evaluate --write-card writes results into a card.
    """


# fmt: off
@card.command("new")
@click.argument("folder", type=click.Path(path_type=Path), metavar="MODEL_FOLDER")
@click.option("--license",
              help="Licence of the weights, by the Hub's name for it, such as apache-2.0.")
@click.option("--dataset", "datasets", multiple=True, metavar="NAME",
              help="Training data, such as DIV2K; may be repeated.")
@click.option("--data-license", metavar="TEXT", help="Licence of the training pictures, in words.")
@click.option("--author", metavar="NAME", help="Author of the model.")
@click.option("--picture", type=click.Path(path_type=Path), metavar="FILE",
              help="A photo for sample.png, which shows its middle, upscaled by the model.")
@click.option("--picture-credit", metavar="TEXT", help="The photo's title, author and licence.")
@click.option("--paper", "papers", multiple=True, metavar="URL", help="The paper; may be repeated.")
@click.option(*OVERWRITE, "overwrite", cls=AliasOption, is_flag=True,
              help="Write an existing card again; its results are kept.")
def new(
    folder: Path, license: str | None, datasets: tuple[str, ...], data_license: str | None,
    author: str | None, picture: Path | None, picture_credit: str | None,
    papers: tuple[str, ...], overwrite: bool,
) -> None:
    # fmt: on
    """Write a card into a model folder, from its recipe, its log and its results.

    \b
    srzoo card new runs/mine --license apache-2.0 --dataset DIV2K

    Facts that are neither known nor given are marked TO BE FILLED IN.
    """
    from ..modelcards import cardtext
    from ..models.folder import read_folder

    found = read_folder(folder)
    facts = cardtext.CardFacts(
        license=license, datasets=datasets, data_license=data_license, author=author,
        picture=picture, picture_credit=picture_credit, papers=papers,
    )  # fmt: skip
    to_stderr(f"written: {cardtext.new(found, facts, force=overwrite)}")
    for problem in cardtext.problems(found):
        say(problem)


@card.command("show")
@click.argument("model", required=False, metavar="MODEL", shell_complete=model_names)
@model_option
@click.option("--text", is_flag=True, help="Print the card's text instead of its results.")
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
def show(model: str | None, model_: str | None, text: bool, json_: bool) -> None:
    """Show the results in a card's metadata; MODEL may be a folder.

    \b
    srzoo card show edsr-x4
    srzoo card show runs/mine --text
    """
    from dataclasses import asdict

    from ..evaluating import claims
    from ..evaluating.results import shown
    from ..modelcards import cardtext
    from ..models import locate

    if text and json_:
        raise SrzooError("--text and --json do not go together", "Give one of them")
    asked = one_of(model, model_)
    found = locate.find(asked)
    if text:
        _print(cardtext.prose(found))
        return
    read = claims.read(found)
    if json_:
        as_json([asdict(claim) for claim in read])
        return
    if not read:
        click.echo(_none(asked))
        return
    rows = [(claim.data, claim.label, shown(claim.value)) for claim in read]
    table(("data", "metric", "value"), rows, right="value")
    click.echo()
    for label, protocol in dict.fromkeys((claim.label, claim.protocol) for claim in read):
        say(f"{label}: {protocol or 'no protocol is given'}")


def _print(text: str) -> None:
    """Markdown, rendered on a terminal and unchanged elsewhere."""
    if not sys.stdout.isatty():
        click.echo(text, nl=False)
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text, hyperlinks=False))


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
        if not name or not found[name] >= 0:  # also true for NaN
            like = f"{defaults.METRICS[0]}=0.05"
            raise SrzooError(f"{text!r} is not a tolerance", f"Write it like {like}")
    return found


# fmt: off
@card.command("check")
@click.argument("model", required=False, metavar="MODEL", shell_complete=model_names)
@model_option
@click.option("--data", type=click.Path(path_type=Path),
              help="Folder of the sets of pictures.  [default: $SRZOO_DATA]")
@click.option("--tolerance", "tolerances", multiple=True, callback=_tolerances,
              metavar="METRIC=SIZE",
              help="Accept values this much worse.  [default: the metric's own, or 1 %]")
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
@click.pass_context
def check(
    ctx: click.Context, model: str | None, model_: str | None, data: Path | None,
    tolerances: dict[str, float], json_: bool,
) -> None:
    # fmt: on
    """Measure every result that a card claims again; MODEL may be a folder.

    \b
    srzoo card check edsr-x4 --data data/benchmarks
    srzoo card check runs/mine --tolerance psnr_y=0.05

    Exit codes: 0 all claims hold, 1 one does not, 2 a claim could not be measured.
    """
    from dataclasses import asdict

    from ..evaluating import claims
    from ..modelcards import cardtext
    from ..models import locate
    from ..models.folder import local_parts
    from ..plugins.references import PACKAGE

    asked = one_of(model, model_)
    found = locate.find(asked)
    if local := local_parts(found):
        to_stderr(f"note: it cannot be published, as it names {' and '.join(local)}."
                  f" {PACKAGE}")  # fmt: skip
    with progress_bar() as progress:
        checks = claims.check(found, root=data, tolerances=tolerances, progress=progress)
    if json_:
        as_json([asdict(check) for check in checks])
    elif not checks:
        click.echo(_none(asked))
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
            to_stderr(f"{text} {c.claim.protocol!r}, measured now: {c.protocol!r}")
    if lacks := cardtext.problems(found):
        to_stderr(f"note: the card lacks something: {' '.join(lacks)}")
    ctx.exit(0 if all(c.holds for c in checks) else 1)


def _none(asked: str) -> str:
    return f"the card of {asked} claims no results; see: srzoo evaluate {asked} --write-card"
