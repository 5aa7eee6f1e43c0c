"""What a docstring refers to is there: every :func:, :class:, :meth:, :mod: and their like."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest
from helpers import ROOT

REFERENCE = re.compile(r":(?:func|class|meth|mod|attr|data|exc|obj|const):`[!~]?([^`]+)`")
FILES = sorted(
    path
    for top in ("srzoo", "plugins")
    for path in (ROOT / top).rglob("*.py")
    if REFERENCE.search(path.read_text(encoding="utf-8"))
)


def _module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    name = ".".join(parts).removesuffix(".__init__")
    return re.sub(r"^plugins", "srzoo_plugins", name)


def _imported(tree: ast.AST, package: str) -> dict[str, str]:
    """Names and where they come from, also of imports that are for types only."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(each.asname or each.name): each.name for each in node.names}
        elif isinstance(node, ast.ImportFrom):
            home = "." * node.level + (node.module or "")
            home = importlib.util.resolve_name(home, package) if node.level else home
            found |= {(each.asname or each.name): f"{home}.{each.name}" for each in node.names}
    return found


def _exists(dotted: str) -> bool:
    """Whether an absolute name leads to a module, or to something in one."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        return _has(found, parts[count:])
    return False


def _has(found: object, names: list[str]) -> bool:
    for index, name in enumerate(names):
        if hasattr(found, name):
            found = getattr(found, name)
            continue
        fields = getattr(found, "__annotations__", {})  # a dataclass's, without a default
        return name in fields and index == len(names) - 1
    return True


def _classes(tree: ast.Module) -> list[ast.ClassDef]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]


def lost(text: str, module: str, *, package: bool = False) -> list[str]:
    """References in a module's text that lead nowhere."""
    tree = ast.parse(text)
    home = module if package else module.rpartition(".")[0]
    imported = _imported(tree, home)
    gone: list[str] = []
    for target in dict.fromkeys(REFERENCE.findall(text)):
        name = re.sub(r"\s+", "", target).removesuffix("()")
        first, _, rest = name.partition(".")
        places = [f"{home}{name}"] if name.startswith(".") else [name, f"{module}.{name}"]
        if first in imported:
            places.append(".".join(filter(None, (imported[first], rest))))
        places += [f"{module}.{each.name}.{name}" for each in _classes(tree)]
        if not any(map(_exists, places)):
            gone.append(target)
    return gone


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_references_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    assert not lost(text, _module_of(path), package=path.name == "__init__.py")


def test_a_stale_reference_is_found():
    text = '"""As :func:`plan_batch`, not :func:`plan`; see :mod:`srzoo.batches.gone`."""'
    assert lost(text, "srzoo.batches.batch") == ["plan", "srzoo.batches.gone"]
