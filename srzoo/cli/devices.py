"""``srzoo devices``: the devices of this machine."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ._console import as_json, printable, table

if TYPE_CHECKING:
    from ..common.devices import Device
    from ..upkeep.doctor import EngineStatus


@click.command()
@click.option("--json", "json_", is_flag=True, help="One JSON object on stdout.")
def devices(json_: bool) -> None:
    """Show what models can run on here: processor, graphics cards, engines.

    \b
    srzoo devices
    srzoo upscale photo.jpg --device cuda:1
    srzoo upscale photo.jpg --device cpu --engine torch
    """
    from ..benching import machine
    from ..upkeep import doctor

    there, found, engines = machine.this_machine(), doctor.all_devices(), doctor.engines()
    if json_:
        as_json(
            {"machine": asdict(there), "devices": [asdict(one) for one in found],
             "engines": [asdict(one) for one in engines]}
        )  # fmt: skip
        return
    print_devices(found, engines)
    cpu = ", ".join(part for part in (there.cpu, there.vectors, there.system) if part)
    click.echo(f"\n{printable(cpu)}: {there.cores} cores, {there.threads} of them compute")


def print_devices(found: list[Device], engines: list[EngineStatus]) -> None:
    """The tables of devices and of engines."""
    table(
        ("device", "what", "memory", "free", "precisions"),
        [
            (one.name, printable(one.title), _gigabytes(one.memory), _gigabytes(one.free),
             " ".join(one.precisions))
            for one in found
        ],
        right="memory free",
    )  # fmt: skip
    click.echo()
    table(
        ("engine", "devices", "precisions", "version"),
        [
            (one.name, " ".join(one.devices), " ".join(one.precisions), one.version or one.missing)
            for one in engines
        ],
    )


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size else ""
