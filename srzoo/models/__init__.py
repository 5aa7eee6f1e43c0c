"""Models: their folders, and how they are found.

``srzoo.models("edsr")`` lists models: this module can be called, as its class has ``__call__``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records import ModelRecord


class _Models(ModuleType):
    def __call__(self, pattern: str = "*") -> list[ModelRecord]:
        """See :func:`srzoo.models.records.models`."""
        from . import records

        return records.models(pattern)


sys.modules[__name__].__class__ = _Models
