"""A model's results in its card; only the evaluator writes them.

README.md contains them twice, made from the same values: as the ``model-index`` of its YAML
metadata, which the Hub reads, and as a table between two markers. The rest of the file is kept
byte for byte.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..common import files
from ..errors import ModelError, SrzooError
from ..models import readme
from ..models.folder import ModelFolder
from ..models.readme import README
from ..plugins.plugin import Use
from .evaluation import Result, local_path_in
from .naming import name_of, use_of

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

    from ..models.readme import Readme

BEGIN, END = "<!-- results -->", "<!-- /results -->"
TABLE = re.compile(f"{BEGIN}.*?{END}", re.DOTALL)
INDEX = "model-index"
METRIC = "metric"
"""The argument of a result that states how its metric is built, if its type does not."""
DIGITS = 4


def check_writable(folder: ModelFolder) -> None:
    """Refuse a folder whose card cannot be written, before anything is measured.

    Raises:
        ModelError: the folder is not writable, for example that of an installed package.
    """
    if not os.access(folder.path, os.W_OK):
        raise ModelError(
            f"cannot write {folder.path / README}: the folder is not writable",
            "Copy the model folder, and measure the copy",
        )


def write(folder: ModelFolder, rows: Sequence[Result]) -> Path:
    """Write results into a model's card, in one atomic replacement.

    A result replaces an earlier one for the same pictures and metric; others are kept. A missing
    card is created.

    Raises:
        ModelError: the card cannot be read or written, or its metadata is broken.
        SrzooError: a value is not finite.
    """
    path = folder.path / README
    card = readme.read(folder.path) if path.exists() else readme.parse(f"# {folder.name}\n", path)
    line_break = "\r\n" if "\r\n" in card.text else "\n"
    if card.block is None:
        text = line_break.join(["---", "library_name: srzoo", "---", "", card.text])
        card = readme.parse(text, path)
    before = card.data
    found = {_key(result): _with_short_type(result) for result in card.results}
    found |= {_key(result): result for row in rows for result in _eval_results(row)}
    results = list(found.values())
    index = _index(before.model_name or folder.name, results)
    text = _with_index(card, index.replace("\n", line_break))
    text = _with_table(text, _table(results).replace("\n", line_break), path)
    _expect_only_results_changed(before, readme.parse(text, path).data, results, path)
    try:
        with files.atomic_write(path) as file:
            file.write(text.encode())
    except OSError as error:
        raise ModelError(
            f"cannot write {path}: {error.strerror or error}", "Copy the model folder, measure it"
        ) from error
    return path


def read(folder: ModelFolder) -> list[EvalResult]:
    """The results in a card's metadata; empty if it has no metadata.

    Raises:
        ModelError: the card cannot be read, or its metadata is broken.
    """
    return readme.read(folder.path).results


def shown(value: object) -> str:
    """A value as in tables: 28.43, 0.8111."""
    if not isinstance(value, float | int):
        return str(value)
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.{DIGITS}f}"


def label(result: EvalResult) -> tuple[str, str]:
    """The set of pictures and the metric of a result, as in tables."""
    data = " ".join(filter(None, (result.dataset_name, result.dataset_config)))
    return data, result.metric_name or result.metric_type


def metric_of(result: EvalResult) -> str:
    """The name by which a result's metric is built, as :func:`.naming.build_metric` reads it."""
    stated: object = (result.metric_args or {}).get(METRIC)
    if isinstance(stated, dict) and isinstance(cast("dict[str, object]", stated).get("name"), str):
        return name_of(Use.of(cast("dict[str, Any]", stated)))
    return result.metric_type


def _with_short_type(result: EvalResult) -> EvalResult:
    """A result with today's short type; earlier versions wrote the metric's whole JSON as type."""
    if not result.metric_type.startswith("{"):
        return result
    use = use_of(result.metric_type)
    args = {**(result.metric_args or {}), METRIC: use.plain()}
    return replace(result, metric_type=use.name, metric_args=args)


def check_metric(name: str) -> None:
    """Check before any work that a metric's results can be written into a card.

    Raises:
        SrzooError: an argument is a path of this machine.
    """
    if place := local_path_in(name):
        raise SrzooError(
            f"{place} is a path of this machine, which a card must not contain",
            "Give the metric a path below {data}, the folder that SRZOO_DATA names",
        )


def _config(row: Result) -> str:
    """The configuration of a result: the scale, and the source of the LR pictures."""
    return f"x{row.scale}" + (f" {row.degradation}, seed {row.seed}" if row.degradation else "")


def _eval_results(row: Result) -> list[EvalResult]:
    from huggingface_hub import EvalResult

    data: dict[str, Any] = {"scale": row.scale}
    if row.degradation:
        data |= {"degradation": row.degradation, "seed": row.seed}
    found: list[EvalResult] = []
    for value in row.values:
        if not math.isfinite(value.value):
            raise SrzooError(
                f"{value.metric} of {row.model} on {row.dataset} is {value.value}",
                "A card can hold only finite values: leave this metric out",
            )
        check_metric(value.metric)
        args: dict[str, Any] = {"protocol": value.protocol}
        use = use_of(value.metric)
        short = value.short or use.name
        if short != value.metric:
            args[METRIC] = use.plain()
        if row.self_ensemble:
            args["self_ensemble"] = True
        found.append(
            EvalResult(
                task_type="image-to-image",
                task_name="Super-resolution",
                dataset_type=row.dataset,
                dataset_name=row.dataset,
                dataset_config=_config(row),
                dataset_args=data,
                metric_type=short,
                metric_name=f"{value.label}{', self-ensemble' if row.self_ensemble else ''}",
                metric_value=round(value.value, DIGITS),
                metric_args=args,
            )
        )
    return found


def _key(result: EvalResult) -> tuple[str, ...]:
    name = metric_of(result)
    how = json.dumps(use_of(name).plain(), sort_keys=True) if name.startswith("{") else name
    return *label(result), how


def _index(name: str, results: list[EvalResult]) -> str:
    """The metadata's ``model-index``, as YAML that ends with a line break."""
    from huggingface_hub import ModelCardData

    data: Any = ModelCardData(model_name=name, eval_results=results)
    return f"{data.to_yaml()}\n"


def _with_index(card: Readme, index: str) -> str:
    """The card's text with a new ``model-index``, in its place or at the end of the metadata."""
    assert card.block
    place = readme.entry(card, INDEX) or slice(card.block.stop, card.block.stop)
    return f"{card.text[: place.start]}{index}{card.text[place.stop :]}"


def _with_table(text: str, table: str, path: Path) -> str:
    if TABLE.search(text):
        return TABLE.sub(lambda _: table, text, count=1)
    if BEGIN in text or END in text:
        raise ModelError(f"{path} has only one of the markers {BEGIN} {END}", "Add the other")
    line_break = "\r\n" if "\r\n" in text else "\n"
    gap = "" if text.endswith(line_break) else line_break
    return f"{text}{gap}{line_break}## Measured{line_break}{line_break}{table}{line_break}"


def _table(results: list[EvalResult]) -> str:
    """The Markdown table with its markers."""
    rows: dict[str, dict[str, str]] = {}
    protocols: dict[str, None] = {}
    for result in results:
        data, metric = label(result)
        rows.setdefault(data, {})[metric] = shown(result.metric_value)
        protocol = (result.metric_args or {}).get("protocol", "no protocol is given")
        protocols[f"* {metric}: {protocol}"] = None
    metrics = list(dict.fromkeys(label(result)[1] for result in results))
    lines = [f"| | {' | '.join(metrics)} |", "|---|" + "---|" * len(metrics)]
    for data, values in rows.items():
        lines.append(f"| {data} | {' | '.join(values.get(name, '') for name in metrics)} |")
    return "\n".join([BEGIN, "", *lines, "", *protocols, "", END])


def _expect_only_results_changed(
    before: ModelCardData, after: ModelCardData, results: list[EvalResult], path: Path
) -> None:
    """Check the changed metadata, as cutting a YAML block by lines may damage it."""
    names = ("eval_results", "model_name")
    old, new = ({k: v for k, v in vars(d).items() if k not in names} for d in (before, after))
    found = {_key(result): result for result in after.eval_results or []}
    if old != new or found != {_key(result): result for result in results}:
        raise ModelError(
            f"the metadata of {path} has a layout into which results cannot be written",
            f"Write {INDEX}: as a block of its own, or remove it, and write the results again",
        )
