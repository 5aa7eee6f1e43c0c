"""Choice of one of a model's scales."""

from __future__ import annotations

from collections.abc import Sequence

from ..common.amounts import whole
from ..errors import PictureError


def choose(name: str, scales: Sequence[int], scale: int | None) -> int:
    """The scale that is asked for, or the only one there is.

    Args:
        name: of the model, for messages.
        scales: the factors it enlarges by.
        scale: what is asked for; None leaves it to a model that has but one.

    Raises:
        PictureError: it does not enlarge by that, or by several and none is asked for; or what is
            asked for is not a whole number.
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
