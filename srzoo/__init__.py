"""srzoo: a plugin-based model zoo for image super-resolution.

>>> import srzoo
>>> big = srzoo.upscale("photo.jpg", model="edsr-x4")        # doctest: +SKIP
>>> model = srzoo.load("edsr-x4")                            # doctest: +SKIP
>>> net = srzoo.generators.create("edsr", n_resblocks=8)     # doctest: +SKIP

Everything here is imported when it is first used; ``import srzoo`` costs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from ._version import __version__

if TYPE_CHECKING:
    from . import engines
    from .errors import SrzooError
    from .evaluating.evaluation import evaluate
    from .modelcards.publishing import push
    from .models.hub import pull, search
    from .models.locate import list_models
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
    "pull",
    "push",
    "search",
    "tasks",
    "train",
    "upscale",
]


def __getattr__(name: str) -> object:
    if name == "engines":
        return import_module(".engines", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
