"""``srzoo train``: a recipe to a model folder."""

from __future__ import annotations

import os
import shlex
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click
from click.core import ParameterSource

from ..common.amounts import duration
from ._console import progress_bars
from ._options import AliasOption

if TYPE_CHECKING:
    from ..recipes.recipe import Recipe
    from ..training import Callbacks
    from ..training.checks import CheckedStage


# fmt: off
@click.command()
@click.argument("recipe")
@click.option("--set", "overrides", multiple=True, metavar="A.B=VALUE",
              help="Change a value of the recipe.")
@click.option("--data", type=click.Path(path_type=Path),
              help="The folder that {data} means in the recipe.")
@click.option("-o", "--output", "--out!", "output", cls=AliasOption,
              type=click.Path(path_type=Path), help="The folder of the run.  [default: runs/NAME]")
@click.option("--resume", default="auto", show_default=True, metavar="auto|never|DIR",
              help="Resume from the newest checkpoint, or from DIR.")
@click.option("--track", multiple=True, metavar="NAME",
              help="Report to a tracker too: tensorboard, wandb, ...")
@click.option("--tensorboard", is_flag=True, help="The same as --track tensorboard.")
@click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
@click.option("--dry-run", is_flag=True, help="Build everything, train nothing.")
@click.pass_context
def train(
    ctx: click.Context, recipe: str, overrides: tuple[str, ...], data: Path | None,
    output: Path | None, resume: str, track: tuple[str, ...], tensorboard: bool, quiet: bool,
    dry_run: bool,
) -> None:
    # fmt: on
    """Train the RECIPE (a TOML file, or the name of a model that has one).

    \b
    srzoo train edsr-x4 --data data
    srzoo train mine.toml --set train.steps=2000 -o runs/short
    srzoo upscale photo.jpg -m runs/short

    The run stops cleanly at Ctrl-C or SIGTERM, and prints the command that resumes
    it. Its folder is a model folder from the first checkpoint on. Exit code 130 if
    stopped.
    """
    from ..models import hub
    from ..plugins import importing
    from ..recipes import recipe as recipes

    importing.need_torch("training", "train")
    ctx.with_resource(hub.same_commits())
    found = recipes.find(recipe)
    loaded = recipes.load(found, overrides)
    folder = output or Path("runs") / found.name
    if dry_run:
        _describe(loaded, data, quiet=quiet)
        return
    from .. import training

    trackers = (*track, *(["tensorboard"] if tensorboard else []))
    with _progress_callbacks(loaded.steps, quiet=quiet) as watch:
        outcome = training.train(
            loaded, folder, data=data, resume=resume, watch=watch, track=trackers
        )
    speaks = _is_first_process() and not quiet
    if not outcome.complete:
        if speaks:
            click.echo(f"to resume: {_command(ctx)}")
        ctx.exit(130)
    if speaks:
        click.echo(f"{folder}: complete after {outcome.step} steps  {_values(outcome.values)}")


def _command(ctx: click.Context) -> str:
    """The command that resumes the run: the given one without the original ``--resume``."""
    words = ["srzoo", "train", str(ctx.params["recipe"])]
    for option in ctx.command.params:
        value: Any = ctx.params.get(option.name or "")
        if not isinstance(option, click.Option) or option.name == "resume":
            continue
        if ctx.get_parameter_source(option.name or "") is ParameterSource.DEFAULT:
            continue
        old: list[str] = getattr(option, "old", [])
        name = [each for each in option.opts if each not in old][-1]
        if option.is_flag:
            words += [name] * bool(value)
        else:
            for each in value if option.multiple else [value]:
                words += [name, str(each)]
    return shlex.join(words)


def _is_first_process() -> bool:
    """Whether this process reports for all of them (accelerate launch sets RANK)."""
    return os.environ.get("RANK", "0") == "0"


def _describe(recipe: Recipe, data: Path | None, *, quiet: bool) -> None:
    """Print the recipe, and the parts of each stage, which are all built and tested.

    The output is TOML with comments; anomalies are reported on stderr.
    """
    from ..training import checks

    def say(word: str) -> None:
        if word and not quiet:
            click.echo(word, err=True)

    click.echo(recipe.to_toml())
    with _progress_callbacks(recipe.steps, quiet=quiet) as watch:
        checked = checks.check(recipe, data, watch.on_decoding, say=say)
    recipes = recipe.each()
    for number, (part, built) in enumerate(zip(recipes, checked.stages, strict=True)):
        if recipe.stages:
            click.echo(f"# stage {number}, {recipe.stages[number].name}:")
        for name, value in _chosen_plugins(part, built):
            click.echo(f"#   {name:<13} {value}")
    if len(recipes) > 1:
        click.echo(f"# {recipe.steps:,} steps in all")
    say(checked.init_report)


def _chosen_plugins(part: Recipe, built: CheckedStage) -> Generator[tuple[str, str]]:
    """The main facts of a stage, one line each."""
    train, pictures, schedule = part.train, part.data, part.schedule
    yield "steps", f"{train.steps:,}, batches of {pictures.batch}, LR crops of {pictures.lr_crop}"
    yield "data", f"{_value_text(pictures.train)}: {built.training:,} pictures, by {pictures.draw}"
    held_out = f"{_value_text(pictures.validation)}: validated on {built.validation:,} pictures"
    yield "validation", held_out
    yield "degradation", _value_text(pictures.degradation)
    warmup = f" after {schedule.warmup:,} steps of warmup" if schedule.warmup else ""
    yield "rate", f"{part.optimizer.lr:g} by {part.optimizer.name}, {schedule.name}{warmup}"
    yield "losses", ", ".join(f"{loss.weight:g} {_value_text(loss.use)}" for loss in part.losses)
    yield "generator", f"{part.generator.name} of {built.generator:,} parameters"
    if part.adversarial:
        game, settings = part.adversarial, part.adversarial.optimizer or part.optimizer
        yield "adversarial", f"{game.weight:g} {_value_text(game.loss)}"
        name = _value_text(game.discriminator)
        yield "discriminator", f"{name} of {built.beside['discriminator']:,} parameters"
        yield "its rate", f"{settings.lr:g} by {settings.name}"
    elif part.task:
        yield "task", _value_text(part.task.use)
        for name, parameters in built.beside.items():
            yield name, f"{parameters:,} parameters, {part.opponent.lr:g} by {part.opponent.name}"
    yield "metrics", ", ".join(_value_text(metric) for metric in train.metrics)


def _value_text(value: Any) -> str:
    """A plugin with its arguments, or several."""
    from ..common import strict

    found: Any = strict.plain(value)
    if isinstance(found, list):
        return " and ".join(_value_text(item) for item in cast("list[Any]", found))
    table = dict(cast("dict[str, Any]", found))
    args = ", ".join(f"{key}={item}" for key, item in table.items() if key != "name")
    return f"{table['name']} ({args})" if args else str(table["name"])


def _values(values: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in values.items())


def _line(line: dict[str, Any], steps: int) -> str:
    """A line for fifty steps: losses, rate, speed, share of waiting, and time left."""
    speed = line["steps_per_second"]
    left = (steps - line["step"]) / speed if speed else 0
    return (
        f"step {line['step']}/{steps}  {_values(line['losses'])}  lr {line['lr']:.3g}"
        f"  {speed:.2f}/s  waiting {line['waiting']:.1%}  {duration(left)} left"
    )


@contextmanager
def _progress_callbacks(steps: int, *, quiet: bool = False) -> Generator[Callbacks]:
    """Progress with time left on a terminal; otherwise a line every 50 steps."""
    from ..training import Callbacks

    def evaluated(step: int, values: dict[str, float]) -> None:
        click.echo(f"step {step}  {_values(values)}")

    def logged(line: dict[str, Any]) -> None:
        click.echo(_line(line, steps))

    if quiet or not _is_first_process():
        yield Callbacks()
        return
    columns = ("steps", 16, "done", "left", "{task.description}")
    with progress_bars(*columns) as bars:
        if bars is None:
            yield Callbacks(on_evaluation=evaluated, on_word=click.echo, on_log=logged)
            return
        task = bars.add_task("", total=steps)

        def stepped(step: int, losses: dict[str, float], speed: float, wait: float) -> None:
            text = f"{_values(losses)}  {speed:.2f}/s  waiting {wait:.1%}"
            bars.update(task, completed=step, description=text)

        def decoding(done: int, total: int) -> None:
            bars.update(task, description=f"decoding picture {done} of {total}")

        yield Callbacks(stepped, evaluated, click.echo, decoding)
