"""Packages that a model or a recipe needs, with hints to install missing ones."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ModelError
from ..plugins import packages
from .folder import Config, ModelFolder


def check(requires: Iterable[str], who: str) -> None:
    """Refuse to go on without packages that are not installed; no plugin is imported.

    Args:
        requires: each as ``package==version``, or without a version.
        who: needs them.

    Raises:
        ModelError: some are missing; it names all of them, and how to install them.
    """
    if missing := [one for one in requires if packages.version(packages.unpinned(one)) is None]:
        named = " and ".join(one.replace("==", " ") for one in missing)
        raise ModelError(
            f"{who} needs {named}, which {'is' if len(missing) == 1 else 'are'} not installed",
            packages.install(missing),
        )


def check_models(*folders: ModelFolder) -> None:
    """The same for models, all that is missing for any of them at once.

    Raises:
        ModelError: some are missing.
    """
    wanting = [folder for folder in folders if folder.config.requires]
    every = dict.fromkeys(one for folder in wanting for one in folder.config.requires)
    check(every, " and ".join(dict.fromkeys(str(folder.path) for folder in wanting)))


def describe_others(config: Config) -> str:
    """Which of a model's packages are here in another version, in words; empty if none is."""
    others: list[str] = []
    for requirement in config.requires:
        name, _, then = requirement.partition("==")
        now = packages.version(name)
        if then and now and then != now:
            others.append(f"it was made with {name} {then}, here is {now}")
    return " and ".join(others)
