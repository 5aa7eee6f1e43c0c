"""Every block of README and docs that can run is run, from the top of its page to the bottom."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import reading
from helpers import ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md"))
      if not page.is_relative_to(ROOT / "docs/cards") and "example-plugin" not in page.parts),
]  # fmt: skip
TO_RUN = [
    page
    for page in PAGES
    if any(
        block.language in reading.RUN and not block.not_run
        for block in reading.blocks(page.read_text(encoding="utf-8"))
    )
]
WHY = ("a browser", "a card", "hours", "installs", "several machines", "the Hub")
"""What a block needs that is not run."""


@pytest.fixture(scope="session")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("readers-cache")


@pytest.mark.slow
@pytest.mark.parametrize("page", TO_RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_does_what_it_says(page, tmp_path, cache):
    text = page.read_text(encoding="utf-8")
    todo = [
        asdict(block)
        for block in reading.blocks(text)
        if not block.not_run and (block.file or block.language in reading.RUN)
    ]
    (tmp_path / "blocks.json").write_text(json.dumps(todo), encoding="utf-8")
    home = tmp_path / "home"
    home.mkdir()
    reading.lay_out(home)
    binaries = Path(sys.executable).parent
    if text.startswith(reading.NEEDS_VENV):
        binaries = reading.own_venv(tmp_path / "venv")
    program = Path(reading.__file__).with_name("try_page.py")
    done = subprocess.run(
        [binaries / "python", program, tmp_path / "blocks.json"], cwd=home, text=True,
        env=reading.surroundings(binaries, cache), capture_output=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, f"{page.name}, {done.stdout}{done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_not_run_says_why(page):
    for block in reading.blocks(page.read_text(encoding="utf-8")):
        assert block.language, f"{page.name}, line {block.line}: no language"
        assert block.not_run.startswith(("", *WHY) if not block.not_run else WHY), block


def test_blocks_are_found():
    text = "# A\n\n<!-- not run: hours -->\n```sh\nx\n```\n* b\n\n  ```python\n  y\n    z\n  ```\n"
    one, two = reading.blocks(text)
    assert (one.line, one.language, one.code, one.not_run) == (5, "sh", "x\n", "hours")
    assert (two.line, two.language, two.code, two.not_run) == (10, "python", "y\n  z\n", "")
