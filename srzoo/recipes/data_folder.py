"""The folder of training and benchmark data: ``{data}`` in recipes and metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..errors import SrzooError
from ..plugins.plugin import Use

DATA_VARIABLE = "SRZOO_DATA"
"""Names the folder; its ``benchmarks`` hold the sets that have a short name."""


def fill_in_data_folder(use: Use, root: Path | None) -> Use:
    """A plugin's use with ``{data}`` filled in.

    Args:
        use: whose arguments may hold it.
        root: what it stands for; None for ``$SRZOO_DATA``.

    Raises:
        SrzooError: it is there, and nothing says what it stands for.
    """
    place = str(root) if root else os.environ.get(DATA_VARIABLE)

    def fill(value: Any, who: str) -> Any:
        if isinstance(value, Mapping):  # another plugin, which this one is made of
            table = cast("Mapping[str, Any]", value)
            return {key: fill(item, str(table.get("name", who))) for key, item in table.items()}
        if isinstance(value, list | tuple):
            items = [fill(item, who) for item in cast("Sequence[Any]", value)]
            return tuple(items) if isinstance(value, tuple) else items
        if not isinstance(value, str) or "{data}" not in value:
            return value
        if place is None:
            raise SrzooError(
                f"{who} needs files from {value}, and that folder is not set",
                f'Give data="DIR", or set {DATA_VARIABLE}',
            )
        return value.replace("{data}", place)

    return Use(use.name, {key: fill(value, use.name) for key, value in use.args.items()})
