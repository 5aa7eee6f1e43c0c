"""``srzoo card new``, and what ``show`` and ``check`` say of a card's prose."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from helpers import ROOT, drawn, needs_torch

from srzoo.modelcards import cardtext
from srzoo.models.folder import read_folder


@pytest.fixture
def folder(tmp_path):
    """A released model's folder, without its card."""
    copy = shutil.copytree(ROOT / "cards/bicubic-x2", tmp_path / "mine-x2")
    (copy / "README.md").unlink()
    (copy / "sample.png").unlink()
    return copy


@pytest.fixture
def picture(tmp_path):
    drawn(300, 260).save(tmp_path / "photo.png")
    return tmp_path / "photo.png"


@needs_torch
def test_a_new_card(srzoo_cli, folder, picture):
    result = srzoo_cli(
        "card", "new", folder, "--license", "mit", "--author", "A. Nyone", "--dataset", "A",
        "--dataset", "B", "--data-license", "CC0", "--picture", picture, "--picture-credit",
        "Waves by nobody, CC0", "--paper", "https://example.org/1", "--paper",
        "https://example.org/2",
    )  # fmt: skip
    assert result.code == 0
    assert result.err == f"written: {folder / 'README.md'}\n"
    wanted = f"Still to be filled in: results (srzoo evaluate {folder} --data Set5 --write-card)."
    assert "".join(result.out.split()) == wanted.replace(" ", "")
    text = (folder / "README.md").read_text()
    for words in ("license: mit", "A. Nyone", "Waves by nobody", "example.org/2", "- A\n- B\n"):
        assert words in text, words
    assert (folder / "sample.png").is_file()


def test_what_is_there_stays(srzoo_cli, folder, picture):
    assert srzoo_cli("card", "new", folder).code == 0
    before = (folder / "README.md").read_text()
    result = srzoo_cli("card", "new", folder, "--license", "mit")
    assert result.code == 2
    assert "--overwrite" in result.err
    result = srzoo_cli("card", "new", folder, "--overwrite", "--picture", picture)
    assert result.code == 2
    assert "--picture-credit" in result.err
    assert (folder / "README.md").read_text() == before
    assert srzoo_cli("card", "new", folder, "--license", "mit", "--force").code == 0
    assert "license: mit" in (folder / "README.md").read_text()


def test_no_model_folder(srzoo_cli, tmp_path):
    result = srzoo_cli("card", "new", tmp_path)
    assert (result.code, result.out) == (2, "")
    assert "not a model folder" in result.err


def test_show_text(srzoo_cli, folder):
    assert "srzoo card new" in srzoo_cli("card", "show", folder, "--text").err
    srzoo_cli("card", "new", folder)
    result = srzoo_cli("card", "show", folder, "--text")
    assert result.code == 0
    assert result.out == cardtext.prose(read_folder(folder))
    assert "## Use it" in result.out
    both = srzoo_cli("card", "show", folder, "--text", "--json")
    assert (both.code, both.out) == (2, "")


def test_show_text_on_a_terminal(srzoo_cli, folder, monkeypatch):
    srzoo_cli("card", "new", folder)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    text = srzoo_cli("card", "show", folder, "--text").out
    assert "Use it" in text
    assert "## Use it" not in text
    assert "```" not in text


def test_show_still_shows_results(srzoo_cli):
    assert "28.43" in srzoo_cli("card", "show", "bicubic-x4").out
    shown = json.loads(srzoo_cli("card", "show", "bicubic-x4", "--json").out)
    assert len(shown) == 6


@needs_torch
def test_check_says_what_the_card_lacks(srzoo_cli, folder):
    srzoo_cli("card", "new", folder, "--license", "mit")
    result = srzoo_cli("card", "check", folder)
    assert result.code == 0
    note = result.err.splitlines()[-1]
    assert note.startswith("note: the card lacks something: Still to be filled in: ")
    assert "sample picture" in note
    released = ROOT / "cards/bicubic-x2/README.md"
    text = released.read_text()
    head, _, rest = text.partition("model-index:")
    (folder / "README.md").write_text(f"{head}---{rest.partition('---')[2]}")
    shutil.copy(ROOT / "cards/bicubic-x2/sample.png", folder)
    assert "no results" in srzoo_cli("card", "check", folder, "--json").err
