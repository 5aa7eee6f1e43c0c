"""``srzoo plugin``: which plugins there are, where they come from, whether they work."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import click

from ._console import as_json, table
from ._plugin_check import check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plugins.registry import Plugin

EXAMPLE_SIDES = {"generator": 24, "discriminator": 128}
"""The side of the picture that the layer table is made with."""

FACTS = {
    "generator": ("paper", "multiple"),
    "loss": ("reference", "card_args"),
    "degradation": ("deterministic", "clean", "phrase"),
    "metric": ("unit", "label", "short", "tolerance", "higher_is_better", "reference"),
    "export-format": ("suffix", "beside", "packages", "extra"),
}
"""The facts that a class of a kind may state; an engine's have a module of their own."""


@click.group()
def plugin() -> None:
    """Look at the plugins that are installed."""


@plugin.command("list")
@click.argument("kind", required=False)
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
def list_(kind: str | None, json_: bool) -> None:
    """List all plugins, or those of one KIND such as generator or block."""
    from dataclasses import asdict

    from ..plugins import kinds

    found = list(kinds.kind(kind)) if kind else kinds.plugins()
    if json_:
        as_json([asdict(item) for item in found])
    else:
        rows = [(f.kind, f.name, f"{f.dist} {f.version}", f.target) for f in found]
        table(("kind", "name", "package", "target"), rows)


@plugin.command("show")
@click.argument("kind")
@click.argument("name")
def show(kind: str, name: str) -> None:
    """Show a plugin's arguments, docstring and package, and what it states."""
    from ..plugins import kinds, schema

    registry = kinds.kind(kind)
    found = registry.find(name)
    target = registry.get(name)
    click.echo(f"{found}\n{found.target}\n")
    if inspect.isclass(target) or inspect.isfunction(target):
        for parameter in registry.signature(name).parameters.values():
            click.echo(f"  {schema.words(parameter)}")
    click.echo(f"\n{inspect.getdoc(target) or 'It has no docstring.'}")
    if stated := _facts(found, target):
        click.echo("\nIt states:\n")
        table(("fact", "value"), stated, width=80)
    if kind in EXAMPLE_SIDES:
        _layers(kind, name)


def _facts(plugin: Plugin, target: object) -> list[tuple[str, str]]:
    """Each fact that a class states, with its value in words."""
    if plugin.kind == "engine":
        from ..exporting import engine_facts

        pairs = vars(engine_facts.of_class(target, str(plugin)))
    else:
        pairs = {name: getattr(target, name, None) for name in FACTS.get(plugin.kind, ())}
        if plugin.kind == "metric":  # what counts, unless what is built states another
            unstated = {"tolerance": "a hundredth of a value", "short": plugin.name}
            pairs |= {name: text for name, text in unstated.items() if pairs[name] is None}
    return [(name, text) for name, value in pairs.items() if (text := _in_words(value))]


def _in_words(value: object) -> str:
    """A fact's value; empty where there is none."""
    from ..contracts import fact

    if value is None or isinstance(value, fact):
        return ""
    if isinstance(value, property):
        return "by its arguments"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):  # speeds by device, or packages and their modules
        pairs = cast("Mapping[str, object]", value).items()
        return ", ".join(key if isinstance(one, str) else f"{key} {one}" for key, one in pairs)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, cast("Sequence[object]", value)))
    return str(value)


def _layers(kind: str, name: str) -> None:
    """The layer table of a network with its defaults, as a run on one picture shows it."""
    import torch

    from ..contracts import multiple_of, on_grid
    from ..networks.summary import summarise
    from ..plugins import kinds

    module = kinds.kind(kind).create(name)
    multiple = multiple_of(module)
    side = on_grid(EXAMPLE_SIDES[kind], multiple)
    scale = [module.scales[-1]] if kind == "generator" else []
    found = summarise(module, torch.zeros(1, 3, side, side), *scale)
    rows = [
        (part.name, part.kind, "x".join(map(str, part.shape[1:])),
         f"{part.parameters + part.statistics:,}")
        for part in found.layers
    ]  # fmt: skip
    click.echo(f"\nWith its defaults, a picture of 3x{side}x{side}:\n")
    table(("layer", "class", "output", "parameters"), rows, right="output parameters")
    fixed = found.frozen + found.statistics
    if multiple > 1:
        click.echo(f"\nIt works on a grid of {multiple} pixels.")
    click.echo(f"\n{found.total:,} parameters: {found.trainable:,} trainable, {fixed:,} not")


plugin.add_command(check)
