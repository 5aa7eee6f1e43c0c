"""The rules of docs/architecture.md that a machine can hold us to."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

ORDER = [
    "_version", "errors", "files", "strict", "registry", "contracts", "kinds", "card", "hub",
    "locate", "recipe", "images", "guidance", "places", "sheet", "sizing", "memory", "planner",
    "alpha", "tiles", "stitching", "upscaler", "outputs", "ledger", "tree", "batch", "making",
    "forecast", "pipeline", "zoo", "sets", "evaluation", "comparison", "figure", "page",
    "results", "claims", "provenance", "cardcheck", "cardsections", "cardtext", "publishing",
    "weights", "runner", "building", "fold", "summary", "training", "testing",
]  # fmt: skip
BELOW_THE_TORCH_LINE = set(ORDER[ORDER.index("weights") :])


def imports(path: Path) -> set[str]:
    """The core's modules that a module imports, inside functions too, but not for typing."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for child in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1 and id(node) not in typing_only:
            found |= {node.module} if node.module else {alias.name for alias in node.names}
    return found


def test_every_module_is_in_the_order():
    modules = {path.stem for path in (ROOT / "srzoo").iterdir() if path.name[0] != "_"}
    assert modules - {"cli", "py", "papers"} == set(ORDER) - {"_version"}


@pytest.mark.parametrize(
    "name", [name for name in ORDER if name not in ("images", "zoo", "training", "testing")]
)
def test_modules_import_only_from_those_above(name):
    above = ORDER[: ORDER.index(name)]
    assert imports(ROOT / "srzoo" / f"{name}.py") <= set(above)


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
