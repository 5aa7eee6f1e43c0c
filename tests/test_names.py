"""The core knows no plugin by its name: it asks what a plugin states of itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import get_args

import pytest
from helpers import ROOT

import srzoo
from srzoo.common import devices
from srzoo.models import folder, locate, readme
from srzoo.plugins import kinds
from srzoo.recipes import recipe

KINDS = ("generator", "discriminator", "block", "loss", "adversarial-loss", "task", "dataset",
         "degradation", "metric", "engine")  # fmt: skip
DEFAULTS = "defaults.py"
"""The one module that may name any."""

OTHERS = {
    ("cli/cache.py", "hub"): "a part of the cache",
    ("cli/card.py", "folder"): "an argument",
    ("cli/model.py", "folder"): "a key of what is printed",
    ("exporting/code.py", "torch"): "the library",
    ("images/sheet.py", "bicubic"): "the interpolation, which is no plugin",
    ("models/folder.py", "perceptual"): "a purpose",
    ("upkeep/caches.py", "hub"): "a part of the cache",
    ("upscaling/upscaler.py", "torch"): "the library",
}
"""Words that mean something else, and what; ten at most."""


def literals(text: str) -> Iterator[str]:
    """Every string in a module's code; no docstrings, which hold more."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def found(kind: str) -> set[tuple[str, str]]:
    """The modules that have a name of a kind as a string, with the name."""
    names = {plugin.name for plugin in kinds.kind(kind) if plugin.dist == "srzoo"}
    root = ROOT / "srzoo"
    return {
        (path.relative_to(root).as_posix(), value)
        for path in root.rglob("*.py")
        for value in literals(path.read_text(encoding="utf-8"))
        if value in names
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_core_names_no_plugin(kind):
    hits = {hit for hit in found(kind) if hit[0] != DEFAULTS} - OTHERS.keys()
    assert not hits


def test_the_exceptions_are_few_and_needed():
    assert len(OTHERS) <= 10
    hits = set().union(*map(found, KINDS))
    assert not OTHERS.keys() - hits


def tuples(text: str) -> Iterator[tuple[object, ...]]:
    """Every tuple of constants in a module's code."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Tuple) and all(isinstance(e, ast.Constant) for e in node.elts):
            yield tuple(e.value for e in node.elts if isinstance(e, ast.Constant))


@pytest.mark.parametrize(
    ("value", "module"),
    [
        *((name, DEFAULTS) for name in sorted({*locate.list_models(), *recipe.recipe_folders()})),
        (folder.CONFIG, "models/folder.py"),
        (folder.RECIPE, "models/folder.py"),
        (readme.README, "models/readme.py"),
        *((purpose, "models/folder.py") for purpose in get_args(folder.Purpose)),
        (devices.KINDS, "common/devices.py"),
        (devices.PRECISIONS, "common/devices.py"),
    ],
    ids=str,
)
def test_what_is_a_constant_stands_in_one_module(value, module):
    read = tuples if isinstance(value, tuple) else literals
    root = ROOT / "srzoo"
    there = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if value in read(path.read_text(encoding="utf-8"))
    }
    assert there <= {module}


def test_defaults_are_there():
    from srzoo import defaults

    assert defaults.ADVERSARIAL_LOSS in srzoo.plugins.kinds.adversarial_losses
    assert defaults.BASELINE in srzoo.generators
    assert defaults.DEGRADATION in srzoo.degradations
    assert defaults.ENGINE in kinds.engines
    assert defaults.GAME in kinds.tasks
    assert all(name in srzoo.metrics for name in defaults.METRICS)
    assert defaults.MODEL in locate.list_models()
