"""Amounts in readable form."""

from __future__ import annotations

import re
from typing import SupportsIndex

from ..errors import SrzooError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def duration(seconds: float) -> str:
    """A time: 12 s, 3 min, 1.5 h.

    >>> duration(180)
    '3 min'
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def memory_size(text: str) -> int:
    """Bytes from "2GB", "500M", "1.5GiB" or a plain number.

    Raises:
        SrzooError: it is not an amount, or less than one byte.
    """
    return amount(re.sub(r"B\s*$", "", text, flags=re.IGNORECASE), "amount of memory", "2GB", text)


def amount(text: str, what: str, example: str, given: str | None = None) -> int:
    """A number from "500M", "1.5Gi" or plain digits.

    Raises:
        SrzooError: it is not a number, or less than one; ``what`` is its name.
    """
    match = re.fullmatch(r"\s*([0-9.]+)\s*(|[KMG]I?)\s*", text, re.IGNORECASE)
    try:
        found = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    except (ValueError, OverflowError):
        found = 0
    if found < 1:
        raise SrzooError(f"{given or text!r} is not a valid {what}", f"Write it like {example}")
    return found


def whole(value: object) -> int | None:
    """An integer of any type, including numpy's and torch's; None for a bool and other values."""
    if isinstance(value, bool) or not isinstance(value, SupportsIndex):
        return None
    try:
        return value.__index__()
    except (TypeError, ValueError):  # an array, or a tensor of floats
        return None
