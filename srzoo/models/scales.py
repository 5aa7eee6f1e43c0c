"""Choice of one of a model's scales."""

from __future__ import annotations

from collections.abc import Sequence

from ..common.amounts import whole
from ..errors import PictureError


def choose(name: str, scales: Sequence[int], scale: int | None) -> int:
    """The requested scale, or the model's only one.

    Args:
        name: of the model, for messages.
        scales: the model's scales.
        scale: the requested one; None for a model with a single scale.

    Raises:
        PictureError: the model does not have that scale, or has several and none is requested; or
            the request is not a whole number.
    """
    choices = ", ".join(map(str, scales))
    number = whole(scale)
    if number is not None and number in scales:
        return number
    if scale is not None and number is None:
        raise PictureError(f"scale is {scale!r}", f"It is a whole number: {choices}")
    if scale is None and len(scales) == 1:
        return scales[0]
    what = f"{name} can enlarge by {choices}"
    if scale is not None:
        what = f"{name} enlarges by {choices}, not by {scale}"
    raise PictureError(what, f"Choose the scale: {choices}")
