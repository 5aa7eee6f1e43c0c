"""Makes LR pictures with any degradation, and checks them against the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np

from ..errors import BrokenPluginError, PictureError, SrzooError
from ..plugins import importing, origin

if TYPE_CHECKING:
    from ..contracts import U8, Degradation


def degrade(
    hr: U8,
    scale: int,
    degradation: Degradation,
    name: str,
    rng: np.random.Generator,
    called: str,
) -> U8:
    """Degrade an HR picture, and check the result against the contract.

    Args:
        hr: uint8 H x W x 3, H and W multiples of ``scale``.
        scale: the factor by which it becomes smaller.
        degradation: the degradation.
        name: its name, for errors.
        rng: the source of all random numbers.
        called: the picture's name, for errors.

    Raises:
        PictureError: the degradation fails, or its result has a wrong type or size.
    """
    wanted = (hr.shape[0] // scale, hr.shape[1] // scale, 3)
    plugin = origin.origin(degradation)
    whose = f"the {plugin}" if plugin else f"the degradation {name!r}"
    try:
        with importing.blamed(degradation):
            lr = cast("object", degradation(hr, scale, rng))
    except BrokenPluginError as error:  # the picture may be the reason, and can be left out
        raise PictureError(f"{called}: the {error.what}", error.fix) from error
    except (SrzooError, MemoryError):
        raise
    except Exception as error:  # plugins may raise anything
        raise PictureError(
            f"{called}: {whose}: {type(error).__name__}: {error}", "Fix the degradation"
        ) from error
    if isinstance(lr, np.ndarray):
        found = cast("U8", lr)
        if found.dtype == np.uint8 and found.shape == wanted:
            return found
        lr = found
    height, width = hr.shape[:2]
    raise PictureError(
        f"{called}: {whose} returned {array_facts(lr)} of {width}x{height}, not uint8 {wanted}, for"
        f" scale {scale}",
        "Fix the degradation",
    )


def array_facts(picture: object) -> str:
    """Type and shape of a value that should be a picture."""
    if isinstance(picture, np.ndarray):
        return f"{cast('U8', picture).dtype} {cast('U8', picture).shape}"
    return f"a {type(picture).__name__}"
