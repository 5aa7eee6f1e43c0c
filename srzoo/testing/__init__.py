"""The contracts as checks, for everything that is registered and for plugin authors.

In the tests of a plugin package::

    from srzoo.testing import Case, check_block

    def test_my_block():
        check_block(Case("mine", {"channels": 8}))

Every check builds the plugin (networks with random weights; an engine with a small network of the
suite's own) and raises AssertionError with a
sentence that says which promise is broken. ``CHECKS[kind]`` lists them one by one, to
parametrize tests with.
"""

from collections.abc import Callable

from . import (
    adversarial,
    block,
    degradation,
    discriminator,
    engine,
    export_format,
    generator,
    loss,
    metric,
    task,
)
from ._case import Case, cases
from .adversarial import check_adversarial_loss
from .block import check_block
from .dataset import check_dataset
from .degradation import check_degradation
from .discriminator import check_discriminator
from .engine import check_engine
from .export_format import check_export_format
from .generator import check_generator
from .loss import check_loss
from .metric import check_metric
from .task import check_task

CHECKS: dict[str, tuple[Callable[[Case], None], ...]] = {
    "generator": generator.CHECKS,
    "discriminator": discriminator.CHECKS,
    "block": block.CHECKS,
    "loss": loss.CHECKS,
    "adversarial-loss": adversarial.CHECKS,
    "task": task.CHECKS,
    "degradation": degradation.CHECKS,
    "metric": metric.CHECKS,
    "engine": engine.CHECKS,
    "export-format": export_format.CHECKS,
}

__all__ = [
    "CHECKS",
    "Case",
    "cases",
    "check_adversarial_loss",
    "check_block",
    "check_dataset",
    "check_degradation",
    "check_discriminator",
    "check_engine",
    "check_export_format",
    "check_generator",
    "check_loss",
    "check_metric",
    "check_task",
]
