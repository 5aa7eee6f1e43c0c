"""The facts of the released models, as records, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ..common import arguments
from ..errors import SrzooError
from ..plugins import importing
from . import locate, readme
from .folder import ModelFolder, Purpose, count_parameters, read_folder
from .readme import README


@dataclass(frozen=True)
class Figure:
    """A measured result on a card.

    Attributes:
        dataset: the set of pictures, such as "Set5".
        scale: the factor; None if the card does not state it.
        metric: the plugin, such as "psnr_y".
        value: in the metric's unit.
    """

    dataset: str
    scale: int | None
    metric: str
    value: float


@dataclass(frozen=True)
class ModelRecord:
    """A released model.

    Attributes:
        name: for ``srzoo.load(name)``.
        purpose: "faithful", "perceptual" or "real photos"; None if it is not known.
        scales: the factors it upscales by.
        parameters: their number; None if its weights cannot be read.
        licence: of the weights, from its card; None without one.
        figures: its card's results.
        summary: its purpose, in one line.
        path: its folder.
    """

    name: str
    purpose: Purpose | None
    scales: tuple[int, ...]
    parameters: int | None
    licence: str | None
    figures: tuple[Figure, ...]
    summary: str
    path: Path


def models(pattern: str = "*") -> list[ModelRecord]:
    """The released models whose names contain a text, or match a shell pattern, sorted.

    >>> import srzoo
    >>> [model.name for model in srzoo.models("bicubic")]
    ['bicubic-x2', 'bicubic-x3', 'bicubic-x4']
    >>> srzoo.models("edsr-x4")[0].parameters
    1517571

    Args:
        pattern: text that the name contains; with ``*``, ``?`` or ``[`` in it, a pattern for the
            whole name, as for :func:`srzoo.list_models`.

    Returns:
        One record per model. A model with a broken folder is left out, with a PluginWarning.
    """
    arguments.check_type("pattern", pattern, (str,))
    whole = pattern if set(pattern) & set("*?[") else f"*{pattern}*"
    found: list[ModelRecord] = []
    for name, path in sorted(locate.released().items()):
        if not fnmatchcase(name, whole):
            continue
        try:
            found.append(_record(name, read_folder(path)))
        except SrzooError as error:  # of another package: list the others nevertheless
            importing.warn(str(error))
    return found


def _record(name: str, folder: ModelFolder) -> ModelRecord:
    config, licence, figures = folder.config, None, ()
    if (folder.path / README).is_file():
        card = readme.read(folder.path)
        licence, figures = card.data.license, tuple(_figures(card))
    return ModelRecord(
        name, config.purpose, config.scales, count_parameters(folder), licence, figures,
        config.summary, folder.path,
    )  # fmt: skip


def _figures(card: readme.Readme) -> list[Figure]:
    return [
        Figure(
            result.dataset_name,
            (result.dataset_args or {}).get("scale"),
            result.metric_type,
            float(result.metric_value),
        )
        for result in card.results
        if isinstance(result.metric_value, int | float)
    ]
