"""The sections of a card, from the model's folder; ``card.md`` is the template."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..models.folder import ModelFolder, count_parameters
from ..recipes import pictures
from ..recipes.recipe import RECIPE, Recipe
from . import provenance
from .cardcheck import SAMPLE, TO_DO
from .provenance import Log


@dataclass(frozen=True)
class CardFacts:
    """The facts that a model folder does not contain.

    Attributes:
        license: of the weights, by its name on the Hub: "apache-2.0".
        datasets: the names of the training sets; on the Hub, "org/name".
        data_license: of these pictures, as text.
        author: who made the model.
        picture, picture_credit: a photo for the sample picture, and its title, author and licence.
        papers: links; the generator's own if there are none.
    """

    license: str | None = None
    datasets: tuple[str, ...] = ()
    data_license: str | None = None
    author: str | None = None
    picture: Path | None = None
    picture_credit: str | None = None
    papers: tuple[str, ...] = ()


def values(
    folder: ModelFolder, facts: CardFacts, recipe: Recipe | None, log: Log | None
) -> dict[str, Any]:
    """The values for the places in ``card.md``, except the metadata."""
    config = folder.config
    summary = config.summary or f"{TO_DO}: one sentence on the model's purpose"
    args = ", ".join(f"{name} = {value}" for name, value in config.args.items())
    count = count_parameters(folder)
    printed = provenance.printed(config, pictures.is_adversarial(recipe))
    return {
        "name": folder.name,
        "summary": f"{summary[0].upper()}{summary[1:].rstrip('.')}.",
        "scales": _scales(folder),
        "scale": max(config.scales),
        "several": len(config.scales) > 1,
        "generator": config.generator,
        "requires": config.requires,
        "args": f" ({args})" if args else "",
        "size": f" It has {count:,} parameters." if count else "",
        "trained": config.weights is not None,
        "author": facts.author,
        "papers": facts.papers or tuple(filter(None, [provenance.paper_of(config.generator)])),
        "shown": SAMPLE if facts.picture or (folder.path / SAMPLE).is_file() else None,
        "credit": (facts.picture_credit or f"{TO_DO}: its title, author and licence").rstrip("."),
        "uses": _uses(folder, recipe),
        "printed": printed,
        "sets": list(dict.fromkeys(name for network in printed for name in network.figures)),
        "training": _training(folder, facts, recipe, log),
        "limits": _limits(folder, recipe),
        "to_do": TO_DO,
    }


def set_names(recipe: Recipe | None) -> tuple[str, ...]:
    """The names of a recipe's sets of pictures, if they have names of their own."""
    parts = recipe.each() if recipe else []
    described = [pictures.describe(source.use) for part in parts for source in part.data.train.each]
    return tuple(dict.fromkeys(facts.name for facts in described if facts and facts.name))


def _scales(folder: ModelFolder) -> str:
    *others, last = map(str, folder.config.scales)
    return f"{', '.join(others)} or {last}" if others else last


def _uses(folder: ModelFolder, recipe: Recipe | None) -> list[str]:
    if folder.config.weights is None:
        return [
            "**Use it** to compare, or where no detail may be guessed: it has learned nothing.",
            "**Not** where sharpness matters.",
        ]
    if recipe is None:
        return [f"{TO_DO}: which pictures it is for, and which not"]
    return provenance.uses(recipe, folder.config.purpose)


def _training(
    folder: ModelFolder, facts: CardFacts, recipe: Recipe | None, log: Log | None
) -> list[str]:
    weights = facts.license or f"{TO_DO}: the licence of the weights, also in the metadata above"
    if folder.config.weights is None:
        lines = ["Nothing was trained: it has no weights.", f"Licence: {weights}."]
    else:
        names = facts.datasets or set_names(recipe)
        data = ", ".join(names) or f"{TO_DO}: the names of the sets of pictures"
        terms = facts.data_license or f"{TO_DO}: the licence of the training pictures"
        terms = terms.rstrip().removesuffix(".")  # whole sentences end with one full stop
        lines = [
            f"Training data: {data}.",
            f"Licence of the training pictures: {terms}.",
            f"Licence, of the weights only: {weights}.",
        ]
    if recipe:
        lines.append(f"By [{RECIPE}]({RECIPE}) in this folder: `srzoo train {RECIPE} --data DIR`.")
        lines += provenance.training(recipe, log)
    elif folder.config.weights:
        lines.append(f"{TO_DO}: how it was trained (degradation, losses, optimiser, steps)")
    return lines


def _limits(folder: ModelFolder, recipe: Recipe | None) -> list[str]:
    lines = [f"It enlarges by {_scales(folder)}."]
    if folder.config.weights:
        lines += [
            "It guesses all detail that the small picture lacks. Do not trust details of the large"
            " one that you cannot read in the small one, such as small letters or distant faces.",
            "Results are worse than the figures above for pictures that were downscaled in another"
            " way than its training pictures.",
        ]
    if pictures.is_adversarial(recipe):
        lines.append("It invents texture: do not use results as evidence, or for measurements.")
    return lines
