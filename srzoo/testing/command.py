"""The contract tests of commands."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import click

from ..plugins import kinds
from ..plugins.plugin import OWN_DIST
from ._case import Case
from ._promise import basic, run_all, suite


def _command(case: Case) -> Any:
    return kinds.commands.get(case.name)


@basic
def is_a_command(case: Case) -> None:
    """It is a ``click.Command``, or a group of them."""
    found: object = _command(case)
    mend = "write `@click.command()` over the function"
    name = type(found).__name__
    assert isinstance(found, click.Command), f"{case} is a {name}, not a click.Command: {mend}"


def has_help(case: Case) -> None:
    """It and its subcommands have a help text, and ``--help`` can be printed."""
    mend = "write a docstring, which becomes its help"
    for name, command in _all(case, _command(case), case.name):
        assert (command.help or "").strip(), f"{case}: {name} has no help: {mend}"
        with click.Context(command, info_name=name) as context:
            command.get_help(context)


def takes_its_options(case: Case) -> None:
    """Its function takes the values of its options and arguments."""
    for name, command in _all(case, _command(case), case.name):
        function = command.callback
        assert function or type(command) is not click.Command, f"{case}: {name} does nothing"
        if not function or hasattr(function, "__wrapped__"):
            continue  # a decorator may take some and pass others
        parameters = inspect.signature(function).parameters
        if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
            continue
        given = {each.name for each in command.params if each.expose_value and each.name}
        if unknown := sorted(given - parameters.keys()):
            mend = f"write `def {function.__name__}({', '.join([*parameters, *unknown])})`"
            raise AssertionError(f"{case}: {name} has {unknown[0]}, not taken by it: {mend}")
        needed = {n for n, each in parameters.items() if each.default is each.empty} - given
        if needed:
            missing = sorted(needed)[0]
            mend = f"write `@click.option('--{missing}')`, or give it a default"
            raise AssertionError(f"{case}: {name} gets no {missing}, but needs it: {mend}")


def _all(case: Case, command: Any, name: str) -> Iterator[tuple[str, click.Command]]:
    """A command, and the commands of a group."""
    yield name, command
    if isinstance(command, click.Group):
        with click.Context(command, info_name=name) as context:
            found = {
                each: command.get_command(context, each) for each in command.list_commands(context)
            }
        assert found, f"{case}: {name} is a group without commands: write `@{name}.command()`"
        for each, inner in found.items():
            assert inner, f"{case}: {name} lists {each}, but has no such command"
            yield from _all(case, inner, f"{name} {each}")


def its_name_is_free(case: Case) -> None:
    """No command of srzoo has its name."""
    found = kinds.commands.find(case.name)
    own = {plugin.name for plugin in kinds.commands if plugin.dist == OWN_DIST}
    fine = found.dist == OWN_DIST or found.name not in own
    assert fine, f"{case} has the name of srzoo's own command: give its entry point another name"


CHECKS: tuple[Callable[[Case], None], ...] = suite(
    "command", is_a_command, has_help, takes_its_options, its_name_is_free
)


def check_command(case: Case) -> None:
    """Run every check on one command; only the name of the case is used.

    Raises:
        ContractError: the first broken rule.
    """
    run_all(CHECKS, case)
