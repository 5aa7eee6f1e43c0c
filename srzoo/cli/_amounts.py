"""Amounts on the command line: 2GB, 500M."""

from __future__ import annotations

import re

import click

from ..errors import SrzooError

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "KI": 2**10, "MI": 2**20, "GI": 2**30}


def memory_size(text: str) -> int:
    """Bytes from "2GB", "500M", "1.5GiB" or a plain number.

    Raises:
        SrzooError: it is none of these, or less than one byte.
    """
    return amount(re.sub(r"B\s*$", "", text, flags=re.IGNORECASE), "amount of memory", "2GB", text)


def memory_option(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """What ``--memory`` says, in bytes."""
    return memory_size(value) if value else None


def amount(text: str, what: str, example: str, given: str | None = None) -> int:
    """A number from "500M", "1.5Gi" or plain digits.

    Raises:
        SrzooError: it is none of these, or less than one; ``what`` it should be.
    """
    match = re.fullmatch(r"\s*([0-9.]+)\s*(|[KMG]I?)\s*", text, re.IGNORECASE)
    try:
        found = int(float(match[1]) * UNITS[match[2].upper()]) if match else 0
    except ValueError:
        found = 0
    if found < 1:
        raise SrzooError(f"{given or text!r} is no {what}", f"Write it like {example}")
    return found
