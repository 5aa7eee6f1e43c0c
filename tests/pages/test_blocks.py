"""Every block of README and docs that can run is run, from the top of its page to the bottom."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

import pytest
import reading
from helpers import ROOT
from markdown_it import MarkdownIt

PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md"))
      if not page.is_relative_to(ROOT / "docs/cards") and "example-plugin" not in page.parts),
]  # fmt: skip
ELSEWHERE = ROOT / "docs/tutorials/a-network.md"
"""A page that tests/models/hub/test_paper_to_hub.py runs, for it needs a Hub."""
TO_RUN = [
    page
    for page in PAGES
    if page != ELSEWHERE
    and any(
        block.language in reading.RUN and not block.not_run
        for block in reading.blocks(page.read_text(encoding="utf-8"))
    )
]
WHY = ("a browser", "a card", "hours", "installs", "several machines", "the Hub")
"""What a block needs that is not run."""


@pytest.fixture(scope="session")
def outcomes(request, tmp_path_factory) -> Iterator[dict[Path, Future[str]]]:
    """What each page that is asked for printed before it failed; several run at the same time."""
    asked = [
        item.callspec.params["page"]
        for item in request.session.items
        if getattr(item, "originalname", "") == test_a_page_does_what_it_says.__name__
    ]
    cache = tmp_path_factory.mktemp("readers-cache")
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield {
            page: pool.submit(outcome, page, tmp_path_factory.mktemp("page"), cache)
            for page in asked
        }
        pool.shutdown(cancel_futures=True)


def outcome(page: Path, place: Path, cache: Path) -> str:
    text = page.read_text(encoding="utf-8")
    todo = [
        asdict(block)
        for block in reading.blocks(text)
        if not block.not_run and (block.file or block.language in reading.RUN)
    ]
    (place / "blocks.json").write_text(json.dumps(todo), encoding="utf-8")
    home = place / "home"
    home.mkdir()
    reading.lay_out(home)
    binaries = Path(sys.executable).parent
    if text.startswith(reading.NEEDS_VENV):
        binaries = reading.own_venv(place / "venv")
    program = Path(reading.__file__).with_name("try_page.py")
    done = subprocess.run(
        [binaries / "python", program, place / "blocks.json"], cwd=home, text=True,
        env=reading.surroundings(binaries, cache), capture_output=True, check=False, timeout=600,
    )  # fmt: skip
    return "" if done.returncode == 0 else f"{page.name}, {done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.parametrize("page", TO_RUN, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_does_what_it_says(page, outcomes):
    failed = outcomes[page].result()
    assert not failed, failed


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_is_not_run_says_why(page):
    text = page.read_text(encoding="utf-8")
    for block in reading.blocks(text):
        assert block.language, f"{page.name}, line {block.line}: no language"
        assert not block.not_run or block.not_run.startswith(WHY), block
    indented = [token.map for token in MarkdownIt().parse(text) if token.type == "code_block"]
    assert not indented, f"{page.name}: code without a fence, which nothing runs"


def test_blocks_are_found():
    text = "# A\n\n<!-- not run: hours -->\n```sh\nx\n```\n* b\n\n  ```python\n  y\n    z\n  ```\n"
    one, two = reading.blocks(text)
    assert (one.line, one.language, one.code, one.not_run) == (5, "sh", "x\n", "hours")
    assert (two.line, two.language, two.code, two.not_run) == (10, "python", "y\n  z\n", "")
