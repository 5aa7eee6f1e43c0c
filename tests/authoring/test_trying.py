"""A class tried from its file: every piece is a line, also where it fails."""

from __future__ import annotations

import re

import pytest
import torch
from helpers import BLOCK_FILE, drawn

from srzoo import SrzooError, images
from srzoo.authoring import drawings, projects, short_training, trying
from srzoo.authoring.trying import KINDS, Trial
from srzoo.errors import ArgumentError

BLOCK = (
    BLOCK_FILE
    + '''
class Wide(SiLU):
    """Says too much."""
    reach = 2

class Far(Wide):
    """Says too little."""
    reach = 0

class Needy(nn.Module):
    """Has no example."""
    reach = 1
    def __init__(self, *, channels: int, width: int) -> None:
        super().__init__()

class Nan(Wide):
    """No number, from the first step."""
    def forward(self, x):
        return x / 0 - x / 0

class Broken(Wide):
    """Fails when it is called."""
    def forward(self, x):
        raise SystemExit(3)
'''
)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    (tmp_path / "my.py").write_text(BLOCK)
    return tmp_path


QUICK = "--no-export", "--steps", "2"


def test_a_block(place, srzoo_cli):
    done = srzoo_cli("plugin", "try", "my.py:Wide", "--as", "block", *QUICK, "--no-suite")
    assert done.code == 0, done.out + done.err
    assert "reach: measured 1, stated 2" in done.out
    assert "multiple: 1" in done.out
    assert re.search(r"parameters +9,248 +18,496\n", done.out)
    assert re.search(r"ms for 32x64x64 +[\d.]+ +[\d.]+\n", done.out)
    rows = re.findall(r"^  [12] +([\d.]+) +([\d.]+)$", done.out, re.MULTILINE)
    assert len(rows) == 2
    assert all(float(mine) != float(theirs) for mine, theirs in rows)
    assert images.read(place / "tried-Wide.png").size == (320, 320)
    assert "Nothing failed." in done.out
    assert "srzoo plugin new block NAME" in done.out


def test_what_fails_is_a_line_and_not_the_end(place, srzoo_cli):
    done = srzoo_cli("plugin", "try", "./my.py:Far", "--as", "block", *QUICK)
    assert done.code == 1
    assert re.search(r"FAILS reach bounds the receptive field: .*reach", done.out)
    assert "reach: measured 1, stated 0" in done.out
    assert "written: tried-Far.png" in done.out
    done = srzoo_cli("plugin", "try", "./my.py:Broken", "--as", "block", *QUICK)
    assert done.code == 1
    assert "SystemExit: 3" in done.out
    assert "Failed: " in done.out
    assert "FAILS picture: as reach" in done.out
    assert "more are not checked" in done.out
    assert "ContractError" not in done.out
    done = srzoo_cli("plugin", "try", "./my.py:Nan", "--as", "block", *QUICK, "--no-suite")
    assert "FAILS training: SR is not a number at step 1" in done.out
    assert "reach: measured more than 26, stated 2" in done.out
    assert max(map(len, done.out.splitlines())) <= 80


def test_its_own_picture_and_data(place, srzoo_cli):
    drawn(20, 16).save(place / "a.png")
    (place / "data").mkdir()
    drawn(60, 64).save(place / "data/b.png")
    done = srzoo_cli("plugin", "try", "my.py:Wide", "--as", "block", *QUICK, "--no-suite",
                     "--picture", "a.png", "--data", "data", "-o", "big.png")  # fmt: skip
    assert done.code == 0, done.out + done.err
    assert images.read(place / "big.png").size == (40, 32)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("block", "export-format")])
def test_each_kind(place, kind):
    """The classes of new projects, which pass."""
    made = projects.new(kind, "mine", place / "project")
    source = (made.folder / "srzoo_mine/__init__.py").read_text()
    name = re.findall(r"^class (\w+)", source, re.MULTILINE)[-1]
    (place / "part.py").write_text(source)
    said = []
    pictures = drawings.pictures(2, side=40)
    trial = Trial(kind, f"./part.py:{name}", pictures=pictures, say=said.append, steps=1)
    trial.facts()
    trial.training()
    trial.picture(place / "made.png")
    assert not trial.failed, said
    assert (place / "made.png").exists() != (kind == "metric")
    if kind in ("generator", "dataset", "degradation", "loss"):
        trial.suite()
        assert not trial.failed, said
        assert sum(line.startswith("  ok") for line in said) >= 1


@pytest.mark.slow
def test_exports_are_tried(place, monkeypatch):
    """One is written, and the others are said not to be there."""
    monkeypatch.setattr(
        trying.exports, "missing", lambda name: "" if name.endswith("onnx") else "a package"
    )
    said = []
    trial = Trial("block", "./my.py:Wide", say=said.append, steps=0)
    trial.exports()
    (done,) = [line for line in said if line.startswith("  ok ")]
    assert re.fullmatch(r"  ok    onnx: (as torch|differs by 1 level of 255), in \d+ s", done)
    left = [line for line in said if "not tried, as it is not installed: a package" in line]
    assert len(left) + 2 == len(said) >= 3


def test_what_cannot_be_tried(place):
    with pytest.raises(ArgumentError, match="Give channels: int; width: int, by --set"):
        Trial("block", "./my.py:Needy")
    with pytest.raises(ArgumentError, match="no argument 'width'"):
        Trial("block", "./my.py:Wide", {"width": 3})
    with pytest.raises(SrzooError, match="my.py:CLASS"):
        Trial("block", "my.py")
    with pytest.raises(SrzooError, match="srzoo plugin new command"):
        Trial("command", "./my.py:Wide")
    with pytest.raises(SrzooError, match="no kind of plugin"):
        Trial("blok", "./my.py:Wide")


def test_the_default_beside_itself_is_the_same(place, srzoo_cli):
    """Weights, pictures and crops are the same for both: what differs is the part's doing."""
    done = srzoo_cli("plugin", "try", "residual", "--as", "block", *QUICK, "--no-suite",
                     "--no-picture")  # fmt: skip
    rows = re.findall(r"^  [12] +([\d.]+) +([\d.]+)$", done.out, re.MULTILINE)
    assert len(rows) == 2
    assert all(mine == theirs for mine, theirs in rows)
    assert "To publish it" not in done.out
    first = short_training.seeded(lambda: torch.rand(1))
    torch.rand(1)
    assert first == short_training.seeded(lambda: torch.rand(1))


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "MemoryError"])
def test_what_ends_a_trial(place, error):
    (place / "ends.py").write_text(BLOCK_FILE.replace("return x", f"raise {error}; return x"))
    trial = Trial("block", "./ends.py:SiLU", steps=1)
    with pytest.raises({"KeyboardInterrupt": KeyboardInterrupt, "MemoryError": MemoryError}[error]):
        trial.training()
    assert not trial.failed


def test_drawn_pictures_are_the_same_each_time():
    assert (drawings.picture(3) == drawings.picture(3)).all()
    assert (drawings.picture(3) != drawings.picture(4)).any()
