"""The folder of training and benchmark data: ``{data}`` in recipes and metrics."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ..errors import SrzooError
from ..plugins.plugin import Use

DATA_VARIABLE = "SRZOO_DATA"
"""Names the folder; its subfolder ``benchmarks`` contains the sets with a short name."""


def fill_in_data_folder(use: Use, root: Path | None) -> Use:
    """Replace ``{data}`` in the arguments of a plugin's use.

    Args:
        use: the plugin and its arguments.
        root: the data folder; None for ``$SRZOO_DATA``.

    Raises:
        SrzooError: an argument contains ``{data}``, but the folder is not set.
    """
    place = str(root) if root else os.environ.get(DATA_VARIABLE)

    def fill(value: Any, who: str) -> Any:
        if isinstance(value, Mapping):  # the table of a nested plugin
            table = cast("Mapping[str, Any]", value)
            return {key: fill(item, str(table.get("name", who))) for key, item in table.items()}
        if isinstance(value, list | tuple):
            items = [fill(item, who) for item in cast("Sequence[Any]", value)]
            return tuple(items) if isinstance(value, tuple) else items
        if not isinstance(value, str) or "{data}" not in value:
            return value
        if place is None:
            raise SrzooError(
                f"{who} needs files from {value}, but that folder is not set",
                f'Give data="DIR", or set {DATA_VARIABLE}',
            )
        return value.replace("{data}", place)

    return Use(use.name, {key: fill(value, use.name) for key, value in use.args.items()})
