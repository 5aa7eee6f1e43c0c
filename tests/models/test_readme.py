"""A card's metadata are told from its prose as the Hub does it, and are never lost in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from srzoo.errors import ModelError
from srzoo.models import readme

PATH = Path("model/README.md")
TAGS = "tags:\n- a\n- real-photos\n"


@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
@pytest.mark.parametrize("after", ["", " ", "\t "])
@pytest.mark.parametrize("before", ["", "\n", " \n\n", "\ufeff", "\ufeff\n", " "])
def test_where_the_metadata_lie(before, after, line_break):
    text = f"{before}---\nlicense: mit\n{TAGS}---{after}\n# A model\n".replace("\n", line_break)
    card = readme.parse(text, PATH)
    assert card.data.tags == ["a", "real-photos"]
    assert card.prose == f"# A model{line_break}"
    assert card.block is not None
    assert text[card.block] == f"license: mit\n{TAGS}".replace("\n", line_break)
    place = readme.entry(card, "tags")
    assert place is not None
    assert text[place] == TAGS.replace("\n", line_break)


@pytest.mark.parametrize(
    "text",
    ["", "# A model\n", "---\n# A rule, and no other\n", "----\na\n----\n", "a\n---\nb\n---\n"],
)
def test_cards_without_metadata(text):
    card = readme.parse(text, PATH)
    assert (card.block, card.prose, card.data.to_dict()) == (None, text, {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"--- \n{TAGS}---\n", "cannot be read: .*Write --- alone"),
        (f"\n---\t\r\n{TAGS}---\r\n# A model\r\n", "cannot be read: .*Write --- alone"),
        (f"\ufeff--- \n{TAGS}---", "cannot be read: .*Write --- alone"),
        ("---\n---\n# A model\n", "cannot be read: .*Write --- alone"),
        ("---\n\n---\n# A model\n", "are empty.*library_name: srzoo"),
        ("---\n# nothing yet\n---\n", "are empty.*library_name: srzoo"),
        ("---\n- a\n---\n", "cannot be read: .*Fix the block"),
        ("---\na: [\n---\n", "cannot be read: .*Fix the block"),
    ],
)
def test_metadata_are_not_lost_in_silence(text, message):
    with pytest.raises(ModelError, match=f"(?s)the metadata of {PATH} {message}"):
        readme.parse(text, PATH)
