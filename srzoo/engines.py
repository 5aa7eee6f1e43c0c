"""The registry of engines, and base classes for authors of engines and export formats.

>>> import srzoo
>>> srzoo.engines.create("torch", folder=Path("runs/mine"))   # doctest: +SKIP
>>> srzoo.engines.registry.names()                            # doctest: +SKIP
>>> srzoo.engines.register("mine", MyEngine)                  # doctest: +SKIP

An engine is any class that meets the contract :class:`Engine`. :class:`ExportRunner` is a base
class for engines that run an exported file, :class:`DeviceRunner` for those that also do so on
GPUs, and :class:`ModuleRunner` for those that run an ``nn.Module``. Names that need torch import
it when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .contracts import Engine, ExportFormat, Runner, Session
from .exporting.about import INPUT, OUTPUT, About
from .exporting.engine_facts import Facts
from .exporting.exports import USE_ANOTHER, UnfinishedError
from .exporting.on_devices import DeviceRunner
from .exporting.runner import ExportRunner
from .exporting.trial import trial_picture as trial_picture
from .images.bicubic import Interpolation
from .plugins.kinds import engines as registry

if TYPE_CHECKING:
    from .networks.devices import find_device as find_device
    from .networks.inference import for_inference as for_inference
    from .networks.runner import ModuleRunner

_TORCH = {
    "ModuleRunner": ("runner", "ModuleRunner"),
    "find_device": ("devices", "find_device"),
    "for_inference": ("inference", "for_inference"),
}
"""The names that import torch, by their modules in ``networks``."""

create = registry.create
register = registry.register
unregister = registry.unregister

__all__ = [
    "INPUT",
    "OUTPUT",
    "USE_ANOTHER",
    "About",
    "DeviceRunner",
    "Engine",
    "ExportFormat",
    "ExportRunner",
    "Facts",
    "Interpolation",
    "ModuleRunner",
    "Runner",
    "Session",
    "UnfinishedError",
    "create",
    "find_device",
    "for_inference",
    "register",
    "registry",
    "trial_picture",
    "unregister",
]


def __getattr__(name: str) -> object:
    if name not in _TORCH:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, there = _TORCH[name]
    return getattr(import_module(f".networks.{module}", __package__), there)


def __dir__() -> list[str]:
    return __all__
