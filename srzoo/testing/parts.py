"""The suite of any installed plugin, for every kind."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import DeviceError, PluginError
from ..plugins import kinds
from . import (
    adversarial,
    block,
    card,
    command,
    dataset,
    degradation,
    discriminator,
    engine,
    export_format,
    generator,
    importer,
    loss,
    metric,
    task,
)
from ._case import Case, cases_of
from ._promise import ContractError, basic, is_basic, line_of, title
from .apart import Fault, Outcome

if TYPE_CHECKING:
    from ..plugins.plugin import Plugin

CHECKS: dict[str, tuple[Callable[[Case], None], ...]] = {
    "generator": generator.CHECKS,
    "discriminator": discriminator.CHECKS,
    "block": block.CHECKS,
    "loss": loss.CHECKS,
    "adversarial-loss": adversarial.CHECKS,
    "task": task.CHECKS,
    "dataset": dataset.CHECKS,
    "degradation": degradation.CHECKS,
    "metric": metric.CHECKS,
    "engine": engine.CHECKS,
    "export-format": export_format.CHECKS,
    "importer": importer.CHECKS,
    "card": card.CHECKS,
    "command": command.CHECKS,
}
"""All checks of a kind, in their order: basic checks first."""


@dataclass(frozen=True)
class Check:
    """One check of one plugin with one set of arguments."""

    kind: str
    case: Case
    look: Callable[[Case], None]

    @property
    def title(self) -> str:
        """Its title, such as "reach bounds the receptive field"."""
        return title(self.look)

    def run(self) -> None:
        """Run the check.

        Raises:
            ContractError: the rule is broken.
            DeviceError: the check cannot run on this machine.
        """
        self.look(self.case)


def checks_of(kind: str, name: str) -> list[Check]:
    """The checks of a plugin: the rules, and those of its kind for each of its ``examples``.

    For a plugin that cannot be imported, or states that it cannot be built without files
    (``examples = ()``), only the rules are checked. The same holds for a dataset that needs
    arguments and states no examples.
    """
    rules, *others = CHECKS[kind]
    found = [Check(kind, Case(name), rules)]
    try:
        cases = cases_of(kind, name)
        if kind == "dataset":
            needed = kinds.datasets.signature(name).parameters.values()
            bare = any(each.default is each.empty for each in needed)
            cases = [case for case in cases if case.args or not bare]
    except PluginError:
        return found  # the rules report why
    except AssertionError as error:
        return [*found, Check(kind, Case(name), _failing(kind, str(error)))]
    return found + [Check(kind, case, look) for case in cases for look in others]


def _failing(kind: str, what: str) -> Callable[[Case], None]:
    @basic
    def examples_are_arguments(case: Case) -> None:
        raise ContractError(what, *line_of(kinds.kind(kind).get(case.name), "examples"))

    return examples_are_arguments


def check_part(kind: str, name: str) -> None:
    """Run the suite of a plugin that is installed or registered.

    >>> check_part("block", "residual")

    Raises:
        ContractError: the first broken rule.
        DeviceError: it cannot run on this machine.
    """
    for check in checks_of(kind, name):
        check.run()


def look_at(plugin: Plugin) -> Outcome:
    """Check a plugin: first its name, its import and the rules, then its suite."""
    began = time.perf_counter()
    quick = kinds.kind(plugin.kind).faults(plugin)
    found, skipped = ([Fault(what) for what in quick], []) if quick else _broken(plugin)
    return Outcome(plugin, tuple(found), tuple(skipped), time.perf_counter() - began)


def _broken(plugin: Plugin) -> tuple[list[Fault], list[str]]:
    checks = checks_of(plugin.kind, plugin.full_name)
    found: list[Fault] = []
    skipped: list[str] = []
    if len(checks) == 1:
        skipped.append("it is not built: it has no `examples` that need no files")
    for check in checks:
        try:
            check.run()
        except DeviceError as error:
            skipped.append(f"{check.title}: {error}")
        except ContractError as error:
            fault = Fault(error.what, error.file, error.line)
            found += [fault] if fault not in found else []
            if is_basic(check.look):
                break
    return found, skipped
