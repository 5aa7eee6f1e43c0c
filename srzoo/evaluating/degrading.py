"""LR pictures by any degradation, checked against the contract."""

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
    """What a degradation makes of an HR picture, held to the contract.

    Args:
        hr: uint8 H x W x 3, H and W multiples of ``scale``.
        scale: by which it becomes smaller.
        degradation: makes it.
        name: of the degradation, for errors.
        rng: all chance.
        called: what errors call the picture.

    Raises:
        PictureError: it is another type or size, or none could be made.
    """
    wanted = (hr.shape[0] // scale, hr.shape[1] // scale, 3)
    plugin = origin.origin(degradation)
    whose = f"the {plugin}" if plugin else f"the degradation {name!r}"
    try:
        with importing.blamed(degradation):
            lr = cast("object", degradation(hr, scale, rng))
    except BrokenPluginError as error:  # a picture's fault, perhaps: it may be left out
        raise PictureError(f"{called}: the {error.what}", error.fix) from error
    except (SrzooError, MemoryError):
        raise
    except Exception as error:  # a third party's plugin may raise anything at all
        raise PictureError(
            f"{called}: {whose}: {type(error).__name__}: {error}", "Correct the degradation"
        ) from error
    if isinstance(lr, np.ndarray):
        found = cast("U8", lr)
        if found.dtype == np.uint8 and found.shape == wanted:
            return found
        lr = found
    height, width = hr.shape[:2]
    raise PictureError(
        f"{called}: {whose} made {array_facts(lr)} of {width}x{height}, not uint8 {wanted}, for"
        f" scale {scale}",
        "Correct the degradation",
    )


def array_facts(picture: object) -> str:
    """What something is that should be a picture."""
    if isinstance(picture, np.ndarray):
        return f"{cast('U8', picture).dtype} {cast('U8', picture).shape}"
    return f"a {type(picture).__name__}"
