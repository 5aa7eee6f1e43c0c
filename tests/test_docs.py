"""What the docs say is what the code does."""

from __future__ import annotations

import importlib.util
import re

import pytest
from helpers import ROOT

DOCS = [
    path
    for path in sorted((ROOT / "docs").rglob("*.md"))
    if not path.is_relative_to(ROOT / "docs/cards")  # copies that the site is made of
]


@pytest.mark.parametrize(
    "page",
    [
        "llms.txt",
        "reference/cli.md",
        "reference/models.md",
        "reference/modules.md",
        "reference/performance.md",
        "reference/recipes.md",
    ],
)
def test_generated_docs_are_up_to_date(page):
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    assert text == generate.PAGES[page](), "run: python docs/generate.py"


@pytest.mark.parametrize(
    "path", [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)  # fmt: skip
def test_links_lead_somewhere(path):
    text = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_ci_runs_the_readmes_commands():
    """.ci/run differs from the README only in where the environment lies."""
    readme, ci = (ROOT / "README.md").read_text(), (ROOT / ".ci/run").read_text()
    for command in re.findall(r"^python3 -m venv .*$", readme, re.MULTILINE):
        for part in command.split(" && "):
            assert part.replace(".venv", '"$venv"') in ci, part
