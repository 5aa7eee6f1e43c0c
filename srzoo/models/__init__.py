"""What a model is, and where models are found.

``srzoo.models("edsr")`` lists models: this module can be called, which Python allows of modules
whose class says so.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .records import ModelRecord


class _Models(ModuleType):
    def __call__(self, pattern: str = "*") -> list[ModelRecord]:
        """As :func:`srzoo.models.records.models`."""
        from . import records

        return records.models(pattern)


sys.modules[__name__].__class__ = _Models
