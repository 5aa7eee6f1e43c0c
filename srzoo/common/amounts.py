"""Amounts as people read them."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """A time: 12 s, 3 min, 1.5 h.

    >>> duration(180)
    '3 min'
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
