"""The rules of docs/architecture.md that a machine can hold us to."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

ORDER = [
    "_version", "errors", "descriptors", "whole", "files", "troubles", "strict", "keeping",
    "registry", "contracts", "kinds", "card", "hub", "dataroot", "locate", "changes", "descent",
    "sources", "recipe_checks", "recipe",
    "images", "guidance",
    "upscaling.sizing", "upscaling.memory", "upscaling.work", "upscaling.planner",
    "upscaling.alpha", "upscaling.tiles", "upscaling.bicubic", "upscaling.stitching",
    "upscaling.upscaler",
    "batches.outputs", "batches.ledger", "batches.naming", "batches.tree", "batches.batch",
    "batches.options", "batches.making", "batches.forecast", "batches.pipeline",
    "exporting.about", "exporting.trial", "exporting.code", "exporting.exports",
    "exporting.measure", "exporting.runner", "exporting.engine", "exporting.lazy",
    "devices", "zoo", "caches",
    "evaluating.partners", "evaluating.layouts", "evaluating.sets", "evaluating.naming",
    "evaluating.judging", "evaluating.measuring", "evaluating.evaluation", "evaluating.results",
    "evaluating.claims",
    "comparing.places", "comparing.sheet", "comparing.comparison", "comparing.figure",
    "comparing.page", "comparing.preview",
    "modelcards.provenance", "modelcards.cardcheck", "modelcards.cardsections",
    "modelcards.cardtext", "modelcards.publishing",
    "networks.devices", "networks.weights", "networks.grid",
    "networks.fold", "networks.folders", "building",
    "networks.lean", "networks.recompute", "networks.runner", "networks.summary",
    "exporting.convert",
    "benching.machine", "benching.work", "benching.once", "benching.bench",
    "doctor", "training", "testing",
]  # fmt: skip
"""Packages without a dot have an order of their own inside."""
BELOW_THE_TORCH_LINE = set(ORDER[ORDER.index("networks.devices") :])


def imports(path: Path) -> set[str]:
    """The core's modules that a module imports, inside functions too, but not for typing."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    package = path.relative_to(ROOT / "srzoo").parts[:-1]
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.ImportFrom) or not node.level or id(node) in typing_only:
            continue
        base = (*package[: len(package) + 1 - node.level], *(node.module or "").split("."))
        for alias in node.names:
            whole = ".".join(part for part in (*base, alias.name) if part)
            found.add(next((n for n in ORDER if f"{whole}.".startswith(f"{n}.")), whole))
    return found


def test_every_module_is_in_the_order():
    modules = {
        ".".join(path.relative_to(ROOT / "srzoo").with_suffix("").parts)
        for path in (ROOT / "srzoo").rglob("*.py")
        if path.name not in ("__init__.py", "__main__.py")
    }
    units = {n for n in ORDER if (ROOT / "srzoo" / n).is_dir()} | {"cli"}
    assert {m for m in modules if m.split(".")[0] not in units} == set(ORDER) - units


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in ORDER
        # Two go down to torch when there is something to build.
        if name
        not in ("images", "exporting.runner", "modelcards.publishing", "training", "testing")
    ],
)
def test_modules_import_only_from_those_above(name):
    above = ORDER[: ORDER.index(name)]
    assert imports(ROOT / "srzoo" / f"{name.replace('.', '/')}.py") <= set(above)


def test_nothing_above_the_torch_line_imports_torch():
    modules = [f"srzoo.{name}" for name in ORDER if name not in BELOW_THE_TORCH_LINE]
    modules += ["srzoo", "srzoo.cli", *(f"srzoo.cli.{c}" for c in ("upscale", "model", "plugin"))]
    code = f"import {', '.join(modules)}, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_core_names_no_plugin():
    """zoo.DEFAULT_MODEL and the default engine are settings; nothing else may know a name."""
    for path in (ROOT / "srzoo").rglob("*.py"):
        for plugin in (ROOT / "plugins").iterdir():
            assert plugin.name not in path.read_text(), f"{path.name} knows {plugin.name}"


@pytest.mark.parametrize("path", sorted((ROOT / "srzoo").rglob("*.py")), ids=lambda p: p.stem)
def test_modules_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400
