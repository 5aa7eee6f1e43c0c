"""srzoo: a plugin-based model zoo for image super-resolution.

>>> import srzoo
>>> big = srzoo.upscale("photo.jpg", model="edsr-x4")        # doctest: +SKIP
>>> model = srzoo.load("edsr-x4")                            # doctest: +SKIP
>>> net = srzoo.network("edsr-x4")                           # doctest: +SKIP
>>> net = srzoo.generators.create("edsr", n_resblocks=8)     # doctest: +SKIP
>>> srzoo.save(net, "models/mine")                           # doctest: +SKIP

Each name is imported when it is first used; ``import srzoo`` does not import torch.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from . import engines
    from .building.networks import network
    from .errors import SrzooError
    from .evaluating.evaluation import evaluate
    from .exporting.saving import save
    from .modelcards.pretrained import Network
    from .modelcards.publishing import push
    from .models.hub import pull, search
    from .models.locate import list_models
    from .models.records import Figure, ModelRecord, models
    from .plugins.kinds import (
        adversarial_losses,
        blocks,
        cards,
        commands,
        datasets,
        degradations,
        discriminators,
        export_formats,
        generators,
        importers,
        losses,
        metrics,
        tasks,
    )
    from .plugins.manners import PLUGIN_API
    from .recipes.recipe import Recipe
    from .training import train
    from .training.callbacks import Callbacks, Outcome
    from .upscaling.loading import load, upscale
    from .upscaling.upscaler import Upscaler

_HOMES = {
    "Callbacks": "training.callbacks",
    "Outcome": "training.callbacks",
    "Figure": "models.records",
    "ModelRecord": "models.records",
    "Network": "modelcards.pretrained",
    "network": "building.networks",
    "save": "exporting.saving",
    "list_models": "models.locate",
    "pull": "models.hub",
    "push": "modelcards.publishing",
    "search": "models.hub",
    "SrzooError": "errors",
    "PLUGIN_API": "plugins.manners",
    "Upscaler": "upscaling.upscaler",
    "Recipe": "recipes.recipe",
    "evaluate": "evaluating.evaluation",
    "train": "training",
    "load": "upscaling.loading",
    "upscale": "upscaling.loading",
} | dict.fromkeys(
    (
        "adversarial_losses", "blocks", "cards", "commands", "datasets", "degradations",
        "discriminators", "export_formats", "generators", "importers", "losses", "metrics",
        "tasks",
    ),
    "plugins.kinds",
)  # fmt: skip

__all__ = [
    "PLUGIN_API",
    "Callbacks",
    "Figure",
    "ModelRecord",
    "Network",
    "Outcome",
    "Recipe",
    "SrzooError",
    "Upscaler",
    "__version__",
    "adversarial_losses",
    "blocks",
    "cards",
    "commands",
    "datasets",
    "degradations",
    "discriminators",
    "engines",
    "evaluate",
    "export_formats",
    "generators",
    "importers",
    "list_models",
    "load",
    "losses",
    "metrics",
    "models",
    "network",
    "pull",
    "push",
    "save",
    "search",
    "tasks",
    "train",
    "upscale",
]


_MODULES = {"engines", "models"}
"""Names of modules; ``models`` can also be called."""
_WITH_TORCH = {"network": "torch", "save": "torch", "train": "train"}
"""Functions that need torch, with the extras that install what they need."""


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f".{name}", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in _WITH_TORCH:
        from .plugins.importing import need_torch

        need_torch(f"srzoo.{name}", _WITH_TORCH[name])
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    """The available names, all of which ``help(srzoo)`` imports."""
    missing = _WITH_TORCH if find_spec("torch") is None else ()
    return [name for name in __all__ if name not in missing]
