"""``srzoo plugin show``: a plugin's arguments, stated facts, and layers."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import click

from ..plugins import examples, importing, kinds, type_words
from ._console import say, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plugins.plugin import Plugin

SIDES = {"generator": 24, "discriminator": 128, "block": 24}
"""Side of the picture for the layer table."""
CHANNELS = "channels"

FACTS = {
    "generator": ("paper", "printed", "multiple"),
    "discriminator": ("min_size",),
    "block": ("reach", "multiple"),
    "loss": ("reference", "card_args"),
    "degradation": ("deterministic", "clean", "phrase"),
    "metric": ("unit", "label", "short", "tolerance", "higher_is_better", "reference", "protocol",
               "thread_safe"),
    "export-format": ("suffix", "beside", "packages", "extra"),
}  # fmt: skip
"""The facts that a class of a kind may state; an engine's are in their own module."""


def show(found: Plugin) -> None:
    """Print all facts of a plugin; its errors are reported as its own."""
    with importing.blamed(found, let=(BrokenPipeError,)):  # of whoever reads what is printed
        _show(found)


def _show(found: Plugin) -> None:
    registry = kinds.kind(found.kind)
    target: object = registry.get(found.full_name)
    click.echo(f"{found}\n{found.target}\n")
    if inspect.isclass(target) or inspect.isfunction(target):
        parameters = registry.signature(found.full_name).parameters.values()
        for parameter in parameters:
            say(f"  {type_words.of(parameter)}", indent=6)
        click.echo("" if parameters else "It takes no arguments.\n")
    click.echo(_told(found, target))
    if stated := _facts(found, target):
        click.echo("\nIt states:\n")
        table(("fact", "value"), stated, width=80)
    if found.kind in SIDES:
        _layers(found)


def _told(found: Plugin, target: object) -> str:
    """Its docstring; for a command its help, and for a package of cards its models."""
    if isinstance(target, click.Command):
        return target.get_help(click.Context(target, info_name=f"srzoo {found.name}"))
    text = inspect.getdoc(target) or "It has no docstring."
    if found.kind == "card":
        from ..models import locate
        from ..models.folder import read_folder

        lines = [
            f"  {one.path.name}: {read_folder(one.path).config.summary}"
            for one in locate.packaged("config.json")
            if one.dist == found.dist
        ]
        text += "\n\nIts models:\n\n" + ("\n".join(lines) or "  none")
    return text


def _facts(plugin: Plugin, target: object) -> list[tuple[str, str]]:
    """Each fact that a class states, with its value as text."""
    from ..contracts import GridFacts

    if plugin.kind == "engine":
        from ..exporting import engine_facts

        pairs = vars(engine_facts.of_class(target, str(plugin)))
    else:
        pairs = {name: getattr(target, name, None) for name in FACTS.get(plugin.kind, ())}
        if plugin.kind == "metric":  # the default, unless an instance states another
            unstated = {"tolerance": "a hundredth of a value", "short": plugin.name}
            pairs |= {name: text for name, text in unstated.items() if pairs[name] is None}
        if pairs.get("multiple") == GridFacts.multiple:
            del pairs["multiple"]
        if plugin.kind == "dataset" and hasattr(target, "fetch"):
            pairs["download"] = f"srzoo data get {plugin.name}"
        if plugin.kind == "importer":
            pairs["methods"] = [n for n in ("recognise", "convert") if hasattr(target, n)]
    pairs["plugin_api"] = getattr(target, "plugin_api", None)
    return [(name, text) for name, value in pairs.items() if (text := _in_words(value))]


def _in_words(value: object) -> str:
    """A fact's value; empty if it has none."""
    from ..contracts import Printed, fact

    if value is None or isinstance(value, fact):
        return ""
    if isinstance(value, property):
        return "by its arguments"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):  # speeds by device, or modules by package
        pairs = cast("Mapping[str, object]", value).items()
        return ", ".join(key if isinstance(one, str) else f"{key} {one}" for key, one in pairs)
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return ", ".join(one.name if isinstance(one, Printed) else str(one) for one in items)
    return str(value)


def _layers(plugin: Plugin) -> None:
    """The layer table of a network, from a run on one picture."""
    import torch

    from ..contracts import multiple_of, on_grid
    from ..networks.summary import summarise
    from ..plugins.plugin import Use

    args = examples.arguments(plugin)
    if args is None:
        click.echo()
        say("It cannot be built from its defaults. Its author may state arguments to build it"
            " with: examples = ({...},)")  # fmt: skip
        return
    module = kinds.kind(plugin.kind).build(Use(plugin.full_name, args))
    multiple = multiple_of(module)
    side = on_grid(SIDES[plugin.kind], multiple)
    channels = args.get(CHANNELS, 3) if plugin.kind == "block" else 3
    scale = [module.scales[-1]] if plugin.kind == "generator" else []
    found = summarise(module, torch.zeros(1, channels, side, side), *scale)
    rows = [
        (part.name, part.kind, "x".join(map(str, part.shape[1:])),
         f"{part.parameters + part.statistics:,}")
        for part in found.layers
    ]  # fmt: skip
    given = ", ".join(f"{key} = {value!r}" for key, value in args.items()) or "its defaults"
    click.echo(f"\nWith {given}, a picture of {channels}x{side}x{side}:\n")
    table(("layer", "class", "output", "parameters"), rows, right="output parameters")
    fixed = found.frozen + found.statistics
    if plugin.kind in ("generator", "block"):
        count = module.reach
        reach = "the whole picture" if count is None else f"{count} pixel{'s' * (count != 1)}"
        click.echo(f"\nAn output pixel depends on {reach} on each side.")
    if multiple > 1:
        click.echo(f"\nIt works on a grid of {multiple} pixels.")
    click.echo(f"\n{found.total:,} parameters: {found.trainable:,} trainable, {fixed:,} not")
