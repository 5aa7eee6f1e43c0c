"""The core knows no plugin by its name: it asks what a plugin states of itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest
from helpers import ROOT

import srzoo
from srzoo.plugins import kinds

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


def literals(text: str) -> Iterator[tuple[int, str]]:
    """Every string in a module's code, with its line; no docstrings, which hold more."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def found(kind: str) -> set[tuple[str, str]]:
    """The modules that have a name of a kind as a string, with the name."""
    names = {plugin.name for plugin in kinds.kind(kind) if plugin.dist == "srzoo"}
    root = ROOT / "srzoo"
    return {
        (path.relative_to(root).as_posix(), value)
        for path in root.rglob("*.py")
        for _, value in literals(path.read_text(encoding="utf-8"))
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


def test_defaults_are_there():
    from srzoo import defaults

    assert defaults.ADVERSARIAL_LOSS in srzoo.plugins.kinds.adversarial_losses
    assert defaults.BASELINE in srzoo.generators
    assert defaults.DEGRADATION in srzoo.degradations
    assert defaults.ENGINE in kinds.engines
    assert defaults.GAME in kinds.tasks
    assert all(name in srzoo.metrics for name in defaults.METRICS)
