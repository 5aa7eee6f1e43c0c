"""Attributes of contracts: facts that a class states by any kind of attribute."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from builtins import property as fact
else:

    class fact:  # noqa: N801
        """An attribute of a contract, which type checkers read as a read-only property.

        A class attribute, an attribute set in ``__init__`` and a property all satisfy it, in a
        subclass of the contract too: there a property would refuse the second.
        """

        def __init__(self, stated):
            self.__doc__ = stated.__doc__

        def __set_name__(self, owner, name):
            self.name = name

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            raise AttributeError(f"{type(instance).__name__} does not state {self.name!r}")


__all__ = ["fact"]
