"""One registry for each kind of plugin: the only list of kinds."""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING, Any

from .. import contracts
from ..errors import SrzooError, did_you_mean
from .plugin import Plugin, Problem
from .registry import Registry

if TYPE_CHECKING:
    import click

generators: Registry[contracts.Generator] = Registry(
    "generator", "srzoo.generators", needs=("scales", "reach")
)
discriminators: Registry[contracts.Discriminator] = Registry(
    "discriminator", "srzoo.discriminators"
)
blocks: Registry[contracts.Block] = Registry("block", "srzoo.blocks", needs=("reach",))
losses: Registry[contracts.Loss] = Registry("loss", "srzoo.losses")
adversarial_losses: Registry[contracts.AdversarialLoss] = Registry(
    "adversarial-loss", "srzoo.adversarial_losses"
)
tasks: Registry[contracts.Task] = Registry(
    "task", "srzoo.tasks", needs=("networks", "helpers", "scales")
)
datasets: Registry[contracts.Dataset] = Registry("dataset", "srzoo.datasets")
degradations: Registry[contracts.Degradation] = Registry("degradation", "srzoo.degradations")
metrics: Registry[contracts.Metric] = Registry("metric", "srzoo.metrics", needs=("reference",))
engines: Registry[contracts.Engine] = Registry("engine", "srzoo.engines", needs=("reach", "model"))
export_formats: Registry[contracts.ExportFormat] = Registry(
    "export-format", "srzoo.export_formats", needs=("suffix", "beside", "packages", "extra")
)
importers: Registry[contracts.Importer] = Registry("importer", "srzoo.importers")
cards: Registry[ModuleType] = Registry("card", "srzoo.cards")
commands: Registry[click.Command] = Registry("command", "srzoo.commands")

KINDS: dict[str, Registry[Any]] = {
    registry.kind: registry
    for registry in (
        generators, discriminators, blocks, losses, adversarial_losses, tasks,
        datasets, degradations, metrics, engines, export_formats, importers, cards, commands,
    )
}  # fmt: skip


def kind(name: str) -> Registry[Any]:
    """The registry of one kind: "generator", "block", ...

    Raises:
        SrzooError: there is no such kind.
    """
    if name not in KINDS:
        raise SrzooError(f"no kind of plugin is called {name!r}", did_you_mean(name, KINDS))
    return KINDS[name]


def plugins() -> list[Plugin]:
    """Every plugin of every kind. Imports nothing."""
    return [plugin for registry in KINDS.values() for plugin in registry]


def problems() -> list[Problem]:
    """Import every plugin of every kind, and list the faults of each."""
    return [problem for registry in KINDS.values() for problem in registry.check()]
