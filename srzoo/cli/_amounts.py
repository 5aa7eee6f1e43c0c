"""Amounts on the command line: 2GB, 500M."""

from __future__ import annotations

import click

from ..common.amounts import memory_size


def memory_option(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """The value of ``--memory`` in bytes."""
    return memory_size(value) if value else None
