"""The site is built without a warning, its links lead somewhere, and it fits a phone."""

from __future__ import annotations

import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from chromium import Chromium, installed
from helpers import ROOT

pytest.importorskip("furo")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-d",
         place / "doctrees", "-b", "html", ROOT / "docs", place / "html"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return place / "html"


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if name in ("href", "src") and value:
                self.links.append(value)


def test_links_and_anchors(site):
    pages = {path: Page(path) for path in site.rglob("*.html")}
    assert len(pages) > 30
    lost = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            anchor = unquote(parts.fragment)
            if not target.exists() or (
                anchor and target in pages and anchor not in pages[target].anchors
            ):
                lost.append((path.name, link))
    assert not lost


def test_links_to_the_repository_lead_to_files(site):
    there = "https://github.com/srzoo/srzoo/blob/main/"
    for path in site.rglob("*.html"):
        for link in Page(path).links:
            if link.startswith(there):
                assert (ROOT / link.removeprefix(there).partition("#")[0]).exists(), (path, link)


@pytest.mark.skipif(not installed(), reason="no chromium")
def test_it_fits_a_desk_and_a_phone(site, tmp_path):
    """No page is wider than the screen; code and tables scroll by themselves."""
    pages = sorted(site.rglob("*.html"))
    with Chromium(installed(), tmp_path) as browser:
        for width, height, touch in ((1280, 800, False), (390, 844, True)):
            browser.size(width, height, touch=touch)
            for path in pages:
                browser.open(path)
                assert browser.run("document.documentElement.scrollWidth") <= width, path
