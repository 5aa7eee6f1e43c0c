"""``srzoo data``: get a dataset, and make LR pictures of HR ones."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .. import defaults
from ..errors import ArgumentError, PictureError, SrzooError
from . import _fetching
from ._console import as_json, printable, progress_bars, size, table, to_stderr
from ._options import AliasOption, Factor, arguments_of

if TYPE_CHECKING:
    from rich.progress import TaskID

    from ..contracts import Degradation
    from ..plugins.plugin import Use

Report = Callable[[str, int, int], None]


@click.group()
def data() -> None:
    """Download datasets, and make LR pictures from HR ones.

    \b
    srzoo data get div2k
    srzoo data degrade photos/ lr/ -d realistic
    """


# fmt: off
@data.command(cls=_fetching.GetCommand)
@click.argument("dataset", shell_complete=_fetching.complete)
@click.option("-o", "--output", "--to!", "output", cls=AliasOption, type=click.Path(path_type=Path),
              help="A folder.  [default: data/DATASET]")
@click.option("--no-verify", is_flag=True, help="Accept archives of any size and checksum.")
@click.pass_context
def get(ctx: click.Context, dataset: str, output: Path | None, no_verify: bool) -> None:
    # fmt: on
    """Download a DATASET; files that exist already are kept.

    \b
    srzoo data get div2k
    srzoo data get div2k -o /data/DIV2K

    Run the command again to continue an interrupted download. A folder of pictures
    appears complete and checked, or not at all.

    A dataset may have options of its own: srzoo data get DATASET --help shows them.
    """
    fetch, own = _fetching.fetch_of(dataset), _fetching.own_values(ctx)
    to = output or Path("data") / dataset
    with _downloads() as progress:
        done = fetch(to=to, verify=not no_verify, progress=progress, **own)
    for sentence in done:
        click.echo(sentence)


@contextmanager
def _downloads() -> Generator[Report | None]:
    """Bytes, speed and time left on stderr; None if it is not a terminal."""
    with progress_bars("{task.description}", 20, "bytes", "speed", "left") as bars:
        if bars is None:
            yield None
            return
        tasks: dict[str, TaskID] = {}

        def report(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bars.add_task(name, total=total)
            bars.update(tasks[name], completed=done, total=total)

        yield report


@data.command()
@click.argument("words", nargs=-1, metavar="[SET]...")
@click.option("--clear", is_flag=True, help="Remove them, without asking.")
@click.option("--json", "json_", is_flag=True, help="One JSON array on stdout.")
def cache(words: tuple[str, ...], clear: bool, json_: bool) -> None:
    """List the datasets whose decoded pictures are cached, or --clear them.

    \b
    srzoo data cache
    srzoo data cache DIV2K --clear

    SET is a part of a dataset's name or folder; without one, all are meant. These
    are the files that srzoo cache list calls pixels.
    """
    from ..upkeep import caches

    found = [one for one in caches.pictures() if all(word in one.name for word in words)]
    if clear:
        freed = caches.clear(entry for one in found for entry in one.kept)
        click.echo(f"{len(found)} removed, {size(freed)} freed")
        return
    if json_:
        as_json(
            [
                {"set": one.name, "pictures": one.count, "bytes": one.bytes, "used": one.used,
                 "folders": [str(entry.path) for entry in one.kept]}
                for one in found
            ]
        )  # fmt: skip
        return
    rows = [
        [str(one.count), size(one.bytes), f"{datetime.fromtimestamp(one.used):%Y-%m-%d %H:%M}",
         printable(one.name)]
        for one in found
    ]  # fmt: skip
    if rows:
        table(["pictures", "size", "last used", "set"], rows, right="pictures size")
    click.echo(f"{len(found)} kept, {size(sum(one.bytes for one in found))}")


# fmt: off
@data.command()
@click.argument("given", nargs=-1, metavar="IN OUT", type=click.Path())
@click.option("-o", "--output", metavar="OUT", help="The same as the argument.")
@click.option("-d", "--degradation",
              help=f"See: srzoo plugin list degradation.  [default: {defaults.DEGRADATION}]")
@click.option("--recipe", help="Take the degradation of a recipe's last stage.")
@click.option("--set", "settings", metavar="KEY=VALUE", multiple=True,
              help="An argument of the degradation; may be given several times.")
@click.option("--scale", type=Factor(16), metavar="N", default=4, show_default=True,
              help="Factor by which the pictures shrink.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
@click.option("--overwrite", is_flag=True, help="Replace existing results; never an input.")
@click.option("--sheet", metavar="PNG", type=click.Path(path_type=Path),
              help="Instead of OUT: one picture with HR and several draws of LR.")
@click.pass_context
def degrade(
    ctx: click.Context, given: tuple[str, ...], output: str | None, degradation: str | None,
    recipe: str | None, settings: tuple[str, ...], scale: int, seed: int, overwrite: bool,
    sheet: Path | None,
) -> None:
    # fmt: on
    """Make LR pictures (PNG) of IN, a picture or a folder of them, in OUT.

    \b
    srzoo data degrade photos/ lr/ -d realistic --seed 1
    srzoo data degrade photos/ -d realistic --set "jpeg_range=[5, 30]" \\
      --sheet samples.png

    HR pictures are first cropped to a multiple of the scale. The result for a
    picture depends on its name and the seed, not on the other files in the folder.

    Exit codes: 0 all pictures made, 1 some pictures failed, 2 nothing was done.
    """
    from ..plugins import kinds

    use = _use(degradation, recipe, dict(_setting(text) for text in settings))
    made = kinds.degradations.build(use)
    if sheet:
        _sheet(given, output, sheet, made, use.name, scale, seed, overwrite)
        return
    source, target = map(Path, arguments_of(given, {"IN": None, "OUT": output}))
    jobs = _jobs(source, target, overwrite)
    failed: list[SrzooError] = []
    for name, picture, result in jobs:
        try:
            _degrade(picture, result, name, made, scale, seed)
        except SrzooError as error:
            if len(jobs) == 1:
                raise
            failed.append(error)
    done = len(jobs) - len(failed)
    click.echo(f"{done} picture{'' if done == 1 else 's'} in {target}")
    for error in failed:
        to_stderr(f"failed: {error}")
    ctx.exit(1 if failed else 0)


def _use(degradation: str | None, recipe: str | None, settings: dict[str, Any]) -> Use:
    """The requested degradation."""
    from ..plugins.plugin import Use
    from ..recipes import recipe as recipes

    if recipe is None:
        return Use(degradation or defaults.DEGRADATION, settings)
    if degradation is not None:
        raise ArgumentError("--degradation and --recipe both name a degradation", "Give one")
    found = recipes.read(recipe).each()[-1].data.degradation
    return Use(found.name, {**found.args, **settings})


def _sheet(
    given: tuple[str, ...],
    output: str | None,
    sheet: Path,
    made: Degradation,
    name: str,
    scale: int,
    seed: int,
    overwrite: bool,
) -> None:
    from . import _samples

    if output is not None:
        raise ArgumentError("--sheet writes no files to OUT", "Leave OUT out, or --sheet")
    source = Path(arguments_of(given, {"IN": None})[0])
    if not source.exists():
        raise PictureError(f"{source} does not exist", "Check the name")
    if sheet.suffix.lower() != ".png":
        raise PictureError(f"{sheet} is not a PNG file", "Name a .png file")
    if sheet.exists() and not overwrite:
        raise PictureError(f"{sheet} exists", "Give --overwrite to replace it")
    if source.is_dir():
        found = [(name, source / name) for name in _pictures(source, source / "*")]
    else:
        found = [(source.name, source)]
    if any(sheet.exists() and sheet.samefile(path) for _, path in found):
        raise PictureError(f"{sheet} is an input itself", "Choose another --sheet")
    shown = _samples.draw(found, sheet, made, name, scale, seed)
    click.echo(f"{shown} of {len(found)} picture{'' if len(found) == 1 else 's'} in {sheet}")


def _setting(text: str) -> tuple[str, Any]:
    """KEY=VALUE, with the value as JSON if it is valid JSON, else as text."""
    key, equals, value = text.partition("=")
    if not (key and equals):
        raise ArgumentError(f"--set {text} is not KEY=VALUE", "Write --set strength=0.5")
    try:
        return key, json.loads(value)
    except json.JSONDecodeError:
        return key, value


def _jobs(source: Path, target: Path, overwrite: bool) -> list[tuple[str, Path, Path]]:
    """Each picture's relative name, file and result; raises all errors known in advance."""
    from ..images import READABLE

    if source.is_dir():
        if target.suffix.lower() in READABLE and not target.exists():
            raise PictureError(
                f"several results cannot go to {target}, which is the name of one", "Name a folder"
            )
        names = _pictures(source, target)
        jobs = [(name, source / name, (target / name).with_suffix(".png")) for name in names]
    elif source.exists():
        if target.suffix.lower() in READABLE - {".png"}:
            raise PictureError(f"{target} is not a PNG file", "Name a .png file or a folder")
        single = target.suffix.lower() == ".png" and not target.is_dir()
        result = target if single else target / f"{source.stem}.png"
        jobs = [(source.name, source, result)]
    else:
        raise PictureError(f"{source} does not exist", "Check the name")
    owners: dict[Path, Path] = {}
    for _, picture, result in jobs:
        if result in owners:
            raise PictureError(
                f"{owners[result]} and {picture} would both become {result}", "Rename one"
            )
        owners[result] = picture
        if result.exists() and result.samefile(picture):
            raise PictureError(f"{result} is the input itself", "Choose another OUT")
        if result.exists() and not overwrite:
            raise PictureError(f"{result} exists", "Give --overwrite to replace it")
    return jobs


def _pictures(source: Path, target: Path) -> list[str]:
    """The pictures of a tree, without hidden ones and earlier results."""
    from ..images import KNOWN_FORMATS, READABLE

    if target.is_file():
        raise PictureError(f"{target} is a file, but there are several results", "Name a folder")
    out = os.path.realpath(target)
    names: list[str] = []
    for place, folders, files in os.walk(source):
        folders[:] = [
            name
            for name in folders
            if name[0] != "." and os.path.realpath(Path(place, name)) != out
        ]
        names += [
            Path(place, name).relative_to(source).as_posix()
            for name in files
            if name[0] != "." and Path(name).suffix.lower() in READABLE
        ]
    if not names:
        raise PictureError(f"{source} contains no pictures", KNOWN_FORMATS)
    return sorted(names)


def _degrade(
    picture: Path, result: Path, name: str, degradation: Degradation, scale: int, seed: int
) -> None:
    from .. import images
    from ..evaluating.degrading import degrade
    from ._samples import cropped, generator

    hr = cropped(images.rgb(images.read(picture)), scale, picture)
    called = type(degradation).__name__
    lr = degrade(hr, scale, degradation, called, generator(seed, name), str(picture))
    try:
        result.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(
            f"cannot create the folder {result.parent}: {error.strerror}", "Choose another OUT"
        ) from error
    images.write(images.Picture(lr), result, "png")
