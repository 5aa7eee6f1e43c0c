"""The text of a model's card: written from the model folder, and checked.

A card is README.md: metadata for the Hub, and prose. Text between the markers in ``KEPT`` is kept
byte for byte when the card is written again.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import defaults, images
from ..common import files
from ..errors import ModelError, SrzooError
from ..evaluating import results
from ..evaluating.results import INDEX
from ..exporting import engine
from ..images import sheet
from ..models import hub, readme, requirements
from ..models.folder import ModelFolder
from ..models.readme import README
from ..plugins import kinds
from ..recipes import recipe as recipes
from ..recipes.recipe import RECIPE, Recipe
from ..upscaling import loading
from . import cardsections, provenance
from .cardcheck import SAMPLE, problems, prose, tags
from .cardsections import CardFacts, set_names

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCardData

    from ..models.readme import Readme

__all__ = ["CardFacts", "draw_sample", "new", "problems", "prose"]

TEMPLATE = Path(__file__).with_name("card.md")
KEPT = ("results", "sample", "own words")
"""The names of the blocks between ``<!-- NAME -->`` and ``<!-- /NAME -->`` that are kept."""
ORDER = ["license", "library_name", "pipeline_tag", "tags", "datasets", "base_model"]


def new(folder: ModelFolder, facts: CardFacts, *, force: bool = False) -> Path:
    """Write a model's card atomically.

    Args:
        folder: the model; its recipe.toml and log.jsonl are read if they exist.
        facts: the other facts. Missing ones appear in the card as ``TO BE FILLED IN``.
        force: replace an existing card; its results, its sample picture and the user's own text in
            it are kept.

    Raises:
        ModelError: the card exists, or cannot be written, or its results cannot be kept.
        SrzooError: the recipe or the picture is wrong, or the picture's credit is missing.
    """
    requirements.check_models(folder)
    results.check_writable(folder)
    path = folder.path / README
    if path.exists() and not force:
        raise ModelError(f"{path} exists", "Give --overwrite to replace it; its results are kept")
    if (facts.picture is None) != (facts.picture_credit is None):
        raise SrzooError(
            "a picture needs a credit, and a credit a picture",
            'Give --picture FILE and --picture-credit "TITLE by AUTHOR, LICENCE"',
        )
    old = readme.read(folder.path) if path.exists() else None
    before = old.results if old else []
    recipe = recipes.read(folder.path / RECIPE) if (folder.path / RECIPE).is_file() else None
    text = _text(folder, facts, recipe, old)
    _expect_results(text, before, path)
    try:
        with files.atomic_write(path) as file:
            file.write(text.encode())
            if facts.picture:  # before the card, so that an error keeps the old one
                draw_sample(folder, facts.picture)
    except OSError as error:
        raise ModelError(
            f"cannot write {path}: {error.strerror or error}", "Choose a writable folder"
        ) from error
    return path


def draw_sample(folder: ModelFolder, picture: Path) -> Path:
    """Draw sample.png: the middle of a picture as LR | bicubic | SR | HR.

    Raises:
        SrzooError: the picture cannot be read or is too small, or the model is wrong.
    """
    scale = max(folder.config.scales)
    hr = images.rgb(images.read(picture))
    if min(hr.shape[:2]) < sheet.SIDE:
        raise SrzooError(
            f"{picture} has {hr.shape[1]}x{hr.shape[0]} pixels", f"Use {sheet.SIDE} or more a side"
        )
    # More than is shown, so that borders have no influence; less than all, which may take long.
    height, width = (min(side, 2 * sheet.SIDE) // scale * scale for side in hr.shape[:2])
    top, left = (hr.shape[0] - height) // 2, (hr.shape[1] - width) // 2
    hr = np.ascontiguousarray(hr[top : top + height, left : left + width])
    lr = kinds.degradations.build(defaults.DEGRADATION)(hr, scale, np.random.default_rng(0))
    sr = loading.load(folder.path, engine=engine.reference()).array(lr, scale)
    sheet.draw(folder.path / SAMPLE, [(folder.name, (lr, sr, hr))])
    return folder.path / SAMPLE


def _text(folder: ModelFolder, facts: CardFacts, recipe: Recipe | None, card: Readme | None) -> str:
    """The whole card, with the line breaks of the old one."""
    from huggingface_hub import ModelCard

    old = card.text if card else ""
    kept = {name: block for name in KEPT if (block := _block(old, name))}
    if facts.picture or not (folder.path / SAMPLE).is_file():
        kept.pop("sample", None)
    place = readme.entry(card, INDEX) if card else None
    index = old[place] if place else ""
    log = provenance.read_log(folder.path / provenance.LOG)
    metadata: Any = _metadata(folder, facts, recipe)
    values = cardsections.values(folder, facts, recipe, log)
    made = ModelCard.from_template(  # pyright: ignore[reportUnknownMemberType]
        metadata, template_path=str(TEMPLATE), **values
    )
    text = f"---\n{metadata.to_yaml(original_order=ORDER)}\n---\n{made.text}\n"
    if "\r\n" in old:
        text = text.replace("\n", "\r\n")
    for name, block in kept.items():
        text = text.replace(_block(text, name), block, 1)
    line_break = "\r\n" if "\r\n" in old else "\n"
    end = f"{line_break}---{line_break}"
    return text.replace(end, f"{line_break}{index}---{line_break}", 1) if index else text


def _metadata(folder: ModelFolder, facts: CardFacts, recipe: Recipe | None) -> ModelCardData:
    from huggingface_hub import ModelCardData

    known = [
        name for name in (facts.datasets or set_names(recipe)) if re.fullmatch(r"[\w./-]+", name)
    ]
    start = hub.parse(recipe.init) if recipe and recipe.init else None
    if start and recipe and Path(recipe.init or "").exists():
        start = None  # runs/NAME, a folder
    return ModelCardData(
        license=facts.license,
        library_name="srzoo",
        pipeline_tag="image-to-image",
        tags=tags(folder),
        datasets=known or None,
        base_model=start.repo if start else None,
    )


def _block(text: str, name: str) -> str:
    """The text between two markers, with the markers; "" if they are missing."""
    found = re.search(rf"<!-- {name} -->.*?<!-- /{name} -->", text, re.DOTALL)
    return found[0] if found else ""


def _expect_results(text: str, before: list[EvalResult], path: Path) -> None:
    """Check the changed metadata, as cutting a YAML block by lines may damage it."""
    if readme.parse(text, path).results != before:
        raise ModelError(
            f"the results in {path} have a layout in which they cannot be kept",
            f"Write {INDEX}: as a block of its own, or remove it and measure again",
        )
