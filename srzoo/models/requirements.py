"""Packages that a model or a recipe needs, with hints to install missing ones."""

from __future__ import annotations

from collections.abc import Iterable

from ..errors import ModelError
from ..plugins import packages
from .folder import Config, ModelFolder


def check(requires: Iterable[str], who: str) -> None:
    """Raise an error if a required package is not installed; no plugin is imported.

    Args:
        requires: each as ``package==version``, or without a version.
        who: what needs them, for the message.

    Raises:
        ModelError: some are missing; the message names all of them, and how to install them.
    """
    if missing := [one for one in requires if packages.version(packages.unpinned(one)) is None]:
        named = " and ".join(one.replace("==", " ") for one in missing)
        raise ModelError(
            f"{who} needs {named}, which {'is' if len(missing) == 1 else 'are'} not installed",
            packages.install(missing),
        )


def check_models(*folders: ModelFolder) -> None:
    """The same for models, with all missing packages in one error.

    Raises:
        ModelError: some are missing.
    """
    wanting = [folder for folder in folders if folder.config.requires]
    every = dict.fromkeys(one for folder in wanting for one in folder.config.requires)
    check(every, " and ".join(dict.fromkeys(str(folder.path) for folder in wanting)))


def describe_others(config: Config) -> str:
    """The model's packages that are installed in another version, as a sentence; else empty."""
    others: list[str] = []
    for requirement in config.requires:
        name, _, then = requirement.partition("==")
        now = packages.version(name)
        if then and now and then != now:
            others.append(f"it was made with {name} {then}, and {now} is installed")
    return " and ".join(others)
