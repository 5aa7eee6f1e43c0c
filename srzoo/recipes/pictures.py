"""The origin of a recipe's LR pictures, and so the purpose of its model, as its plugins state."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, cast

from ..contracts import Described
from ..contracts.optional import clean_of, described, phrase_of
from ..errors import BrokenPluginError, PluginError
from ..models.folder import FAITHFUL, PERCEPTUAL, REAL_PHOTOS, Purpose
from ..plugins import kinds
from ..plugins.plugin import Use
from ..plugins.registry import Registry

if TYPE_CHECKING:
    from .recipe import Recipe


@dataclass(frozen=True)
class Origin:
    """The origin of LR pictures.

    Attributes:
        text: what made them, in words.
        clean: whether they are HR downscaled without other flaws; None if unknown.
        phrase: how they were made, which follows the word "pictures"; empty if unknown.
    """

    text: str
    clean: bool | None
    phrase: str = ""


def lr_origin(recipe: Recipe, own_lr: Sequence[bool] = ()) -> Origin:
    """The origin of the LR pictures of all sets of a recipe without stages.

    Args:
        recipe: the recipe.
        own_lr: for each set, whether it has LR pictures of its own, if they were examined.
    """
    sets = zip_longest(recipe.data.train.each, own_lr)
    found = [
        _origin_of_set(source.use, recipe.data.degradation, own) for source, own in sets if source
    ]
    stated = {origin.clean for origin in found}
    clean = False if False in stated else None if None in stated else True
    phrases = dict.fromkeys(origin.phrase for origin in found if origin.phrase)
    text = "; others ".join(dict.fromkeys(origin.text for origin in found))
    return Origin(text, clean, " or ".join(phrases))


def is_adversarial(recipe: Recipe | None) -> bool:
    """Whether any stage trains against a discriminator."""
    return recipe is not None and any(part.adversarial for part in recipe.each())


def purpose(
    recipe: Recipe, stage: int | None = None, own_lr: Sequence[bool] = ()
) -> Purpose | None:
    """The purpose of the model that a recipe trains; None if its plugins do not state enough.

    Args:
        recipe: of the whole run.
        stage: the last stage that counts, from 0; None for all.
        own_lr: as for :func:`lr_origin`, of that stage.
    """
    stages = recipe.each()[: None if stage is None else stage + 1]
    clean = lr_origin(stages[-1], own_lr).clean
    if clean is None:
        return None
    if not clean:
        return REAL_PHOTOS
    return PERCEPTUAL if any(map(is_adversarial, stages)) else FAITHFUL


def describe(use: Use) -> Described | None:
    """A dataset's description; None if it has none, or is not installed."""
    try:
        dataset = kinds.datasets.get(use.name)
        return _describe_guarded(use.name, dataset, effective(kinds.datasets, use))
    except PluginError:
        return None


def _describe_guarded(name: str, dataset: object, args: Mapping[str, Any]) -> Described | None:
    try:
        found = cast("object", described(dataset, args))
    except Exception as error:  # plugins may raise anything
        raise BrokenPluginError(f"dataset {name!r}: {error}", "Upgrade it") from error
    if found is None or isinstance(found, Described):
        return found
    raise BrokenPluginError(f"dataset {name!r} describes itself by {found!r}", "Upgrade it")


def _origin_of_set(use: Use, degradation: Use, seen: bool | None) -> Origin:
    facts = describe(use)
    if facts is None and seen:
        return Origin(f"the data set's own (`{use.name}`)", None)  # of unknown kind
    if facts and facts.own_lr:
        which = f" ({facts.lr})" if facts.lr else f" (`{use.name}`)"
        return Origin(f"the data set's own{which}", facts.clean, facts.phrase)
    made = _origin_of_degradation(degradation)
    if facts or seen is False:
        return made
    # The set does not state whether it has LR pictures of its own.
    text = f"{made.text}, where the data set `{use.name}` has none of its own"
    return Origin(text, None if made.clean else made.clean, made.phrase)


def _origin_of_degradation(use: Use) -> Origin:
    args = effective(kinds.degradations, use)
    given = Use(use.name, {key: value for key, value in args.items() if value is not None})
    text = f"made by {shown_use(given)}{_phrase(use.name)}"
    try:
        degradation = kinds.degradations.build(use)
    except Exception:  # noqa: BLE001 - not installed, a missing file, or any error
        return Origin(text, None)
    return Origin(text, clean_of(degradation), phrase_of(degradation))


def _phrase(degradation: str) -> str:
    """The first line of a degradation's docstring, after a colon."""
    try:
        doc = inspect.getdoc(kinds.degradations.get(degradation))
    except PluginError:
        return ""
    return f": {doc.splitlines()[0].rstrip('.')}" if doc else ""


def effective(registry: Registry[Any], use: Use) -> dict[str, Any]:
    """A use's arguments with defaults; without defaults if the plugin is not installed."""
    try:
        parameters = registry.signature(use.name).parameters.values()
    except PluginError:
        return dict(use.args)
    known = {each.name: each.default for each in parameters if each.default is not each.empty}
    return known | dict(use.args)


def shown_use(use: Use) -> str:
    """A plugin and its arguments: `folder` (path = photos)."""
    args = ", ".join(f"{name} = {shown(value)}" for name, value in use.args.items())
    return f"`{use.name}`{f' ({args})' if args else ''}"


def shown(value: object) -> str:
    """An argument's value; of a path only its end, as the rest is local to a machine."""
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, cast("list[object]", value)))
    text = str(value)
    return PurePath(text).name if text.startswith("~") or PurePath(text).is_absolute() else text
