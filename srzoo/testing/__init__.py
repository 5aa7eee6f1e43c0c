"""The contracts as checks, for everything that is registered and for plugin authors.

In the tests of a plugin package::

    from srzoo.testing import Case, check_block

    def test_my_block():
        check_block(Case("mine", {"channels": 8}))

Every check builds the network with random weights and raises AssertionError with a sentence
that says which promise is broken. ``CHECKS[kind]`` lists them one by one, to parametrize with.
"""

from collections.abc import Callable

from . import block, discriminator, generator
from ._case import Case, cases
from .block import check_block
from .discriminator import check_discriminator
from .generator import check_generator

CHECKS: dict[str, tuple[Callable[[Case], None], ...]] = {
    "generator": generator.CHECKS,
    "discriminator": discriminator.CHECKS,
    "block": block.CHECKS,
}

__all__ = ["CHECKS", "Case", "cases", "check_block", "check_discriminator", "check_generator"]
