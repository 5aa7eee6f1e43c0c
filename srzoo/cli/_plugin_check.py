"""``srzoo plugin check``: the contract tests of installed plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ._console import as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plugins.plugin import Plugin
    from ..testing.apart import Outcome


@click.command("check")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--kind", help="Only plugins of this kind, such as block.")
@click.option("--all", "all_", is_flag=True, help="Include srzoo's own plugins.")
@click.option("--json", "json_", is_flag=True, help="One JSON list on stdout.")
@click.option(
    "--timeout", type=click.FloatRange(min=1), default=600.0, show_default=True,
    help="Seconds that one plugin may take.",
)  # fmt: skip
def check(
    names: tuple[str, ...], kind: str | None, all_: bool, json_: bool, timeout: float
) -> None:
    """Run the contract tests of installed plugins; exit code 1 if any fails.

    \b
    srzoo plugin check
    srzoo plugin check generator:edsr
    srzoo plugin check --kind block --all

    NAME is a plugin, KIND:NAME, or a package. Without one, all plugins except
    srzoo's own are tested. Each fault is reported with the line in its author's file.
    """
    from ..plugins import importing, kinds
    from ..testing import apart

    chosen = _chosen(names, kind, all_)
    if chosen:
        importing.need_torch("testing plugins")
    outcomes: list[Outcome] = []
    misnamed = [] if names else [p for r in kinds.KINDS.values() for p in r.misnamed()]
    for problem in misnamed:
        outcomes.append(apart.Outcome(problem.plugin, (apart.Fault(problem.what),)))
        if not json_:
            _tell(outcomes[-1])
    for outcome in apart.look_apart(chosen, timeout):
        outcomes.append(outcome)
        if not json_:
            _tell(outcome)
    problems = sum(len(outcome.faults) for outcome in outcomes)
    if json_:
        as_json([outcome.plain() for outcome in outcomes])
    else:
        none = "; --all includes srzoo's own" if not (outcomes or names) else ""
        plugins = f"{len(outcomes)} plugin{'s' * (len(outcomes) != 1)}"
        click.echo(f"{plugins}, {problems} problem{'s' * (problems != 1)}{none}")
    raise SystemExit(1 if problems else 0)


def _tell(outcome: Outcome) -> None:
    for fault in outcome.faults:
        click.echo(f"{outcome.plugin}: {str(fault).removeprefix(f'{outcome.plugin} ')}")
    if not outcome.faults:
        click.echo(f"{outcome.plugin}: ok")
    for what in outcome.skipped:
        click.echo(f"{outcome.plugin}: not checked: {what}")


def _chosen(names: Sequence[str], kind: str | None, all_: bool) -> list[Plugin]:
    """The plugins for names, without duplicates.

    Raises:
        SrzooError: the kind does not exist, or no plugin or package has that name.
    """
    from ..errors import MissingPluginError, did_you_mean
    from ..plugins import kinds, known
    from ..plugins.plugin import OWN_DIST

    every = list(kinds.kind(kind)) if kind else kinds.plugins()
    if not names:
        return [plugin for plugin in every if all_ or plugin.dist != OWN_DIST]
    found: list[Plugin] = []
    for name in names:
        hits = [plugin for plugin in every if _means(name, plugin)]
        if not hits:
            what = f"no {kind or 'plugin'} and no package is called {name!r}"
            called = {plugin.name for plugin in every} | {plugin.dist for plugin in every}
            advice = known.advice(kind or "", name)
            raise MissingPluginError(what, advice or did_you_mean(name, sorted(called)))
        found += [plugin for plugin in hits if plugin not in found]
    return found


def _means(name: str, plugin: Plugin) -> bool:
    from ..plugins import packages

    short = name.removeprefix(f"{plugin.kind}:")
    dist, _, last = short.rpartition(":")
    if not dist:
        alone = short == name and packages.normal(plugin.dist) == packages.normal(name)
        return alone or plugin.name == short
    return plugin.name == last and packages.normal(plugin.dist) == packages.normal(dist)
