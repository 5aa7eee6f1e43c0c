"""Classes in files as parts: found, guarded, kept by runs, and never published."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import sys
import time
from pathlib import Path

import pytest
import torch
from helpers import BLOCK_FILE as BLOCK

import srzoo
from srzoo import SrzooError
from srzoo.errors import BrokenPluginError, MissingPluginError, ModelError
from srzoo.models import folder as model_folder
from srzoo.models.folder import read_folder
from srzoo.networks import folders
from srzoo.plugins import kinds, references
from srzoo.recipes import recipe as recipes

OTHERS = '''
from dataclasses import dataclass

class Half:
    """Takes each second pixel."""
    deterministic = True
    def __call__(self, hr, scale, rng):
        if hr.shape[0] % scale or hr.shape[1] % scale:
            raise ValueError("no multiple")
        return hr[::scale, ::scale].copy()

@dataclass(kw_only=True)
class Far:
    """The mean square."""
    power: int = 2
    reference = True
    def __call__(self, pair):
        return ((pair.sr - pair.hr).abs() ** self.power).mean()

class Mean:
    """How bright it is."""
    higher_is_better, reference, protocol = True, False, "the mean"
    def __call__(self, sr, hr, scale):
        return float(sr.mean())
'''
ARGS = {"n_resblocks": 1, "n_feats": 4, "scale": 2}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "silu.py").write_text(BLOCK)
    (tmp_path / "others.py").write_text(OTHERS)
    return tmp_path


def test_a_class_of_a_file_is_a_part(place):
    net = srzoo.generators.create("edsr", block="./silu.py:SiLU", **ARGS)
    assert net(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 16, 16)
    assert type(srzoo.blocks.create(f"{place}/silu.py:SiLU", channels=4)) is type(net.body[0])
    loss = srzoo.losses.create("./others.py:Far", power=3)
    assert pickle.loads(pickle.dumps(loss)) == loss
    assert str(kinds.blocks.find("./silu.py:SiLU")) == "block ./silu.py:SiLU (a file)"
    assert "silu" not in sys.modules


def test_a_file_that_changed_is_run_again(place):
    assert srzoo.blocks.create("./silu.py:SiLU", channels=4).reach == 1
    time.sleep(0.01)
    (place / "silu.py").write_text(BLOCK.replace("reach = 1", "reach = 3"))
    assert srzoo.blocks.create("./silu.py:SiLU", channels=4).reach == 3


@pytest.mark.parametrize(
    ("name", "kind", "what"),
    [
        ("./no.py:X", MissingPluginError, "the file no.py of ./no.py:X does not exist"),
        ("./silu.py:SiLUs", BrokenPluginError, "it has no SiLUs. Did you mean SiLU"),
        ("silu.py:SiLU", MissingPluginError, "Write a file with its folder: ./silu.py:SiLU"),
        ("./exits.py:X", BrokenPluginError, "SystemExit: 3"),
        ("./wrong.py:X", BrokenPluginError, "SyntaxError"),
        ("./needs.py:X", BrokenPluginError, "it can import installed packages"),
        ("./silu.py:SiLU:x", MissingPluginError, "no block is called"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(place, name, kind, what):
    (place / "exits.py").write_text("raise SystemExit(3)")
    (place / "wrong.py").write_text("def (")
    (place / "needs.py").write_text("import nothing_of_this_name")
    with pytest.raises(kind) as caught:
        srzoo.blocks.create(name, channels=4)
    assert what in str(caught.value)


def test_what_fails_in_a_file_says_where(place):
    (place / "bad.py").write_text(BLOCK.replace("super().__init__()", "1 / 0"))
    with pytest.raises(BrokenPluginError, match=r"bad.py:12: ZeroDivisionError"):
        srzoo.blocks.create("./bad.py:SiLU", channels=4)


def test_a_recipe_names_files_beside_itself_and_sets_those_here(place, tiny, monkeypatch):
    (place / "there").mkdir()
    path = place / "there/mine.toml"
    path.write_text(
        tiny().read_text().replace('name = "edsr"', 'name = "edsr"\nblock = "./b.py:SiLU"')
    )
    (place / "there/b.py").write_text(BLOCK)
    read = recipes.load(path, ["data.degradation=./others.py:Half", 'losses=["./others.py:Far"]'])
    home = place.resolve().as_posix()
    assert read.generator.args["block"] == f"{home}/there/b.py:SiLU"
    assert read.data.degradation.name == f"{home}/others.py:Half"
    assert read.losses[0].use.name == f"{home}/others.py:Far"
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    (place / "copy.toml").write_text(read.to_toml())
    assert recipes.load(place / "copy.toml") == read


@pytest.mark.parametrize("workers", [0, 1])
def test_a_run_says_so_once_and_is_used_here(place, tiny, srzoo_cli, monkeypatch, workers):
    words = ["--set", "generator.block=./silu.py:SiLU", "--set",
             "data.degradation=./others.py:Half", "--set", f"data.workers={workers}"]  # fmt: skip
    done = srzoo_cli("train", str(tiny()), *words, "-o", "out")
    assert done.code == 0, done.err
    assert (done.out + done.err).count("cannot be published") == 1
    assert "srzoo plugin new" in done.out + done.err
    config = json.loads((place / "out/config.json").read_text())
    assert config["args"]["block"] == f"{place.resolve().as_posix()}/silu.py:SiLU"
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    assert srzoo.load(place / "out").model
    for words in (["push", "../out", "org/mine", "--no-check"], ["model", "pack", "../out", "p"]):
        refused = srzoo_cli(*words)
        assert refused.code == 2
        assert "silu.py:SiLU" in refused.err
        assert "which other people do not have" in refused.err
        assert "srzoo plugin new" in refused.err
    assert not os.path.exists("p")


def test_a_card_check_names_it(place, srzoo_cli):
    net = srzoo.generators.create("edsr", block="./silu.py:SiLU", **ARGS)
    args = {**ARGS, "block": "./silu.py:SiLU"}
    made = folders.save(net, place / "made", generator="edsr", args=args)
    assert made.config.args["block"] == f"{place.resolve().as_posix()}/silu.py:SiLU"
    assert model_folder.local_parts(made) == [made.config.args["block"]]
    done = srzoo_cli("card", "check", "made")
    assert "cannot be published, as it" in done.err
    assert "srzoo plugin new" in done.err


CONFIG = {"srzoo": 1, "generator": "edsr", "args": {}, "scales": [2], "weights": None}
HARM = "open('RAN', 'w')\n" + BLOCK


@pytest.mark.parametrize("name", ["./evil.py:SiLU", "{here}/evil.py:SiLU", "evil/../evil.py:SiLU",
                                  "{here}/../got/evil.py:SiLU", "//host/share/evil.py:SiLU",
                                  "\\\\host\\share\\evil.py:SiLU"])  # fmt: skip
@pytest.mark.parametrize("way", ["generator", "args", "deep"])
def test_no_code_of_a_folder_is_run(place, name, way):
    got = place / "got"
    got.mkdir()
    (got / "evil.py").write_text(HARM)
    name = name.format(here=got)
    args = {"args": {"block": name}, "deep": {"x": [{"name": name}]}, "generator": {}}[way]
    changed = {"generator": name} if way == "generator" else {}
    (got / "config.json").write_text(json.dumps({**CONFIG, "args": args, **changed}))
    with pytest.raises(ModelError, match="names code in a file"):
        read_folder(got)
    with pytest.raises(ModelError, match="names code in a file"):
        srzoo.load(got)
    assert not list(place.rglob("RAN"))


def test_no_code_beside_a_folders_recipe_is_run(place, tiny):
    got = place / "got"
    got.mkdir()
    (got / "evil.py").write_text(HARM)
    (got / "config.json").write_text("{}")
    text = tiny().read_text().replace('name = "edsr"', 'name = "./evil.py:SiLU"')
    (got / "recipe.toml").write_text(text)
    with pytest.raises(SrzooError, match="contains no code"):
        recipes.load(got)
    assert not list(place.rglob("RAN"))


def test_metrics_and_engines_come_from_files(place):
    from srzoo.evaluating.naming import build_metric

    assert build_metric("./others.py:Mean")(torch.ones(2, 2, 3).numpy(), None, 2) == 1
    shutil.copy(Path(__file__).parents[1] / "own_engine.py", place / "engine.py")
    big = srzoo.load("bicubic-x2", engine="./engine.py:OwnEngine").array(
        torch.zeros(8, 8, 3, dtype=torch.uint8).numpy()
    )
    assert big.shape == (16, 16, 3)


@pytest.mark.parametrize("name", ["chess.py:knight", "package:name", "a.py", "./a.py", "./a.txt:X",
                                  "./a.py:x y", "./a.py:", "http://x/y", 3, None])  # fmt: skip
def test_what_is_no_reference(name):
    assert not references.is_reference(name)
