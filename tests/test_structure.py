"""The rules of docs/explanation/architecture.md that a machine can hold us to."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from helpers import ROOT

TORCH = (
    "authoring.short_training", "authoring.trying", "benching.bench", "benching.work",
    "building.networks", "exporting.carrying", "exporting.convert", "exporting.saving",
    "networks", "testing", "training",
)  # fmt: skip
"""What imports torch; nothing else of the core does."""


def test_rooms_import_only_from_those_below():
    """Which, is said in pyproject.toml, for import-linter."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_architectures_table_is_in_the_linters_order():
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = settings["tool"]["importlinter"]["contracts"][0]["layers"]
    text = (ROOT / "docs/explanation/architecture.md").read_text(encoding="utf-8")
    _, _, section = text.partition("\n## The rooms\n")
    rooms = re.findall(r"^\| `(\w+)/?` \|", section.partition("\n## ")[0], re.MULTILINE)
    for layer in reversed(layers):
        level = set(layer.split(" | ")) - {"_version"}
        assert set(rooms[: len(level)]) == level
        rooms = rooms[len(level) :]
    assert not rooms


def test_nothing_else_imports_torch():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in sorted((ROOT / "srzoo").rglob("*.py"))
        if path.name != "__main__.py"
    ]
    heavy = tuple(f"srzoo.{name}" for name in TORCH)
    modules = [name for name in modules if not name.startswith(heavy)]
    code = f"import {', '.join(modules)}, sys; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_core_imports_no_plugin():
    for path in (ROOT / "srzoo").rglob("*.py"):
        assert "srzoo_plugins" not in path.read_text(), path.name


@pytest.mark.parametrize("path", sorted((ROOT / "srzoo").rglob("*.py")), ids=lambda p: p.stem)
def test_modules_stay_small(path):
    assert len(path.read_text().splitlines()) <= 400


def test_processors_are_counted_in_one_place():
    """Those that this process may use: a container or ``taskset`` gives it fewer than there are."""
    counting = [
        path.relative_to(ROOT).as_posix()
        for folder in ("srzoo", "plugins")
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "os.cpu_count" in path.read_text(encoding="utf-8")
    ]
    assert counting == ["srzoo/common/memory.py"]
