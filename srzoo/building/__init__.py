"""For plugin authors: common parts of networks and datasets, which srzoo's plugins use too.

For generators: bodies of registered blocks, upsamplers, mean colours, their reach and their grid;
:func:`network` for plugins that call a trained model. For datasets: functions that find picture
files, read them as RGB, detect changes, and fit pairs.

Each name is imported when it is first used: reading pictures imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..plugins.plugin import Use
    from .networks import (
        DIV2K_MEAN,
        DIV2KMean,
        blocks,
        multiple_of,
        network,
        reach_of,
        steps_of,
        tail_reach,
        upsampler,
    )
    from .pictures import (
        find_pictures,
        fingerprint,
        fit_pair,
        pair_size,
        picture_key,
        picture_size,
        read_rgb,
        rgb_of_pil,
    )

__all__ = [
    "DIV2K_MEAN",
    "DIV2KMean",
    "Use",
    "blocks",
    "find_pictures",
    "fingerprint",
    "fit_pair",
    "multiple_of",
    "network",
    "pair_size",
    "picture_key",
    "picture_size",
    "reach_of",
    "read_rgb",
    "rgb_of_pil",
    "steps_of",
    "tail_reach",
    "upsampler",
]

_PICTURES = {
    "find_pictures", "fingerprint", "fit_pair", "pair_size", "picture_key", "picture_size",
    "read_rgb", "rgb_of_pil",
}  # fmt: skip
_HOMES = (
    dict.fromkeys(__all__, ".networks")
    | dict.fromkeys(_PICTURES, ".pictures")
    | {"Use": "..plugins.registry"}
)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name], __name__), name)


def __dir__() -> list[str]:
    return __all__
