"""What every command has to keep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..plugins import kinds
from ..plugins.plugin import OWN_DIST
from ._case import Case
from ._promise import run_all, suite


def _command(case: Case) -> Any:
    return kinds.commands.get(case.name)


def is_a_command(case: Case) -> None:
    """It is a ``click.Command``, or a group of them."""
    found: object = _command(case)
    mend = "write `@click.command()` over the function"
    name = type(found).__name__
    assert isinstance(found, click.Command), f"{case} is a {name}, not a click.Command: {mend}"


def has_help(case: Case) -> None:
    """Its docstring says what it does, and ``--help`` can be printed."""
    command = _command(case)
    mend = "write a docstring, which becomes its help"
    assert (command.help or "").strip(), f"{case} has no help: {mend}"
    with click.Context(command, info_name=case.name) as context:
        command.get_help(context)


def its_name_is_free(case: Case) -> None:
    """No command of srzoo's own is called so."""
    found = kinds.commands.find(case.name)
    own = {plugin.name for plugin in kinds.commands if plugin.dist == OWN_DIST}
    fine = found.dist == OWN_DIST or found.name not in own
    assert fine, f"{case} has the name of srzoo's own command: give its entry point another name"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "command", is_a_command, has_help, its_name_is_free
)


def check_command(case: Case) -> None:
    """Run every check on one command; its name is all that counts.

    Raises:
        ContractError: the first promise that is broken.
    """
    run_all(CHECKS, case)
