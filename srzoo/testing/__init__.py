"""Contract checks, for registered plugins and their authors.

In the tests of a plugin package::

    from srzoo.testing import check_part

    def test_my_block():
        check_part("block", "mine")

Every check builds the plugin (networks with random weights; an engine with a small network of the
suite) and raises a :class:`ContractError`, an AssertionError, whose message states the broken rule,
its line, and a fix. ``checks_of(kind, name)`` lists the checks, to parametrize tests with them;
``pytest --srzoo`` does that for all plugins of a project.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._case import Case, cases
    from ._promise import ContractError
    from .adversarial import check_adversarial_loss
    from .block import check_block
    from .card import check_card
    from .command import check_command
    from .dataset import check_dataset
    from .degradation import check_degradation
    from .discriminator import check_discriminator
    from .engine import check_engine
    from .export_format import check_export_format
    from .generator import check_generator
    from .importer import check_importer
    from .loss import check_loss
    from .metric import check_metric
    from .parts import CHECKS, Check, check_part, checks_of
    from .task import check_task

# Each imports torch. The pytest plugin, which every run of pytest imports, does not.
_HOMES = {
    "Case": "_case",
    "cases": "_case",
    "ContractError": "_promise",
    "CHECKS": "parts",
    "Check": "parts",
    "check_part": "parts",
    "checks_of": "parts",
    "check_adversarial_loss": "adversarial",
    "check_block": "block",
    "check_card": "card",
    "check_command": "command",
    "check_dataset": "dataset",
    "check_degradation": "degradation",
    "check_discriminator": "discriminator",
    "check_engine": "engine",
    "check_export_format": "export_format",
    "check_generator": "generator",
    "check_importer": "importer",
    "check_loss": "loss",
    "check_metric": "metric",
    "check_task": "task",
}

__all__ = [
    "CHECKS",
    "Case",
    "Check",
    "ContractError",
    "cases",
    "check_adversarial_loss",
    "check_block",
    "check_card",
    "check_command",
    "check_dataset",
    "check_degradation",
    "check_discriminator",
    "check_engine",
    "check_export_format",
    "check_generator",
    "check_importer",
    "check_loss",
    "check_metric",
    "check_part",
    "check_task",
    "checks_of",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
