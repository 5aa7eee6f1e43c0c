"""Sphinx's settings for the site; ``python -m sphinx -W -b html docs site`` builds it.

The pages are plain Markdown that reads as well in the repository. What they link to there and the
site has no page for, leads to the repository.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

from srzoo import __version__

HERE = Path(__file__).parent
SOURCE = "https://github.com/srzoo/srzoo/blob/main"
CARDS = HERE / "cards"
LINK = re.compile(r"(?<=\]\()(?!https?:|#|/)([^)#\s]+)")
PAGES = {".md", ".png", ".jpg"}
"""What has a place of its own on the site."""

project = "srzoo"
author = "The srzoo contributors"
copyright = "The srzoo contributors, Apache-2.0"
version = release = __version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "example-plugin"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_use_ivar = True
html_theme = "furo"
html_title = f"srzoo {version}"
html_copy_source = True
html_extra_path = ["llms.txt"]


def copy_cards(_app: Sphinx) -> None:
    """Give each released model's card a page of its own."""
    shutil.rmtree(CARDS, ignore_errors=True)
    for card in sorted((HERE.parent / "cards").glob("*/README.md")):
        place = CARDS / card.parent.name
        place.mkdir(parents=True)
        for file in card.parent.iterdir():
            if file.suffix in (".md", ".png", ".jpg"):
                shutil.copy(file, place)


def lead_on(app: Sphinx, page: str, text: list[str]) -> None:
    """Links that leave the folder of the docs lead to a card's page, or to the repository."""
    place = (HERE / page).parent
    if place.is_relative_to(CARDS):
        place = HERE.parent / place.relative_to(HERE)

    def target(link: re.Match[str]) -> str:
        path = (place / link[1]).resolve()
        inside = path.relative_to(HERE.parent).as_posix()
        card = inside.startswith("cards/")
        if path.suffix in PAGES and (card or path.is_relative_to(HERE)):
            return f"/{inside}" if card else link[1]
        return f"{SOURCE}/{inside}"

    text[0] = LINK.sub(target, text[0])


def first_overload(_app: Sphinx, doctree: nodes.document) -> None:
    """Show one signature for each function; its text says what else it takes and returns."""
    for described in list(doctree.findall(addnodes.desc)):
        for signature in described.children[1:]:
            if isinstance(signature, addnodes.desc_signature):
                described.remove(signature)


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("builder-inited", copy_cards)
    app.connect("source-read", lead_on)
    app.connect("doctree-read", first_overload)
