"""``srzoo doctor``: facts for a bug report."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ._console import as_json, in_options, printable, say
from .devices import print_devices as tell_devices

if TYPE_CHECKING:
    from ..upkeep.doctor import Diagnosis


@click.command()
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
@click.pass_context
def doctor(ctx: click.Context, json_: bool) -> None:
    """Check that everything works, and print what a bug report needs.

    \b
    srzoo doctor
    srzoo doctor --json

    Each installed engine upscales a small picture in a process of its own. Tokens
    are not printed and your home folder is shown as ~, so you can publish all of
    the output. Exit codes: 0 everything works, 1 something is broken.
    """
    from ..upkeep import doctor

    report = doctor.diagnose()
    if json_:
        as_json(asdict(report))
    else:
        _print(report)
    ctx.exit(1 if report.problems else 0)


def _print(report: Diagnosis) -> None:
    _list("versions", report.versions)
    _list("picture libraries", report.libraries)
    threads, cores = report.cores
    memory = ", ".join(f"{size / 1e9:.1f} GB {name}" for name, size in report.memory.items())
    say(printable(f"machine: {report.cpu}, {report.system}, {threads} of {cores} cores, {memory}"))
    _list("limits", {name: str(limit) for name, limit in report.limits.items()})
    click.echo()
    tell_devices(report.devices, report.engines)
    click.echo()
    for one in report.engines:
        if one.seconds is not None:
            click.echo(f"{one.name}: {'FAILS' if one.problem else 'right'}, {one.seconds:.1f} s")
    for folder, why in report.folders.items():
        click.echo(f"{printable(folder)}: {printable(why) or 'can be written'}")
    for name, value in report.environment.items():
        click.echo(f"{name}={printable(value)}")
    click.echo()
    for problem in report.problems:
        say(f"broken: {printable(in_options(problem))}")
    if not report.problems:
        click.echo("nothing is broken")


def _list(what: str, found: dict[str, str]) -> None:
    if found:
        say(
            printable(
                f"{what}: {', '.join(f'{name} {version}' for name, version in found.items())}"
            )
        )
