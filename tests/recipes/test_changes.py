"""``--set`` against stages: it reaches all of them, or says that it cannot."""

from __future__ import annotations

import re

import pytest
from helpers import ROOT, needs_torch
from hypothesis import given
from hypothesis import strategies as st

from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.recipes.changes import apply_overrides

STAGED = [name for name in recipe.recipe_folders() if recipe.read(name).stages]


@pytest.mark.parametrize("name", STAGED)
@pytest.mark.parametrize(
    ("change", "found"),
    [
        ("data.train={name='folder', path='mine'}", lambda r: (r.data.train.plain()["path"],)),
        ("data.train.path=mine", lambda r: (r.data.train.plain()["path"],)),
        ("data.batch='mine'", None),
        ("optimizer.lr=0.125", lambda r: (r.optimizer.lr,)),
        ("train.evaluate_every=77", lambda r: (r.train.evaluate_every,)),
        ("train.metrics=['psnr_rgb']", lambda r: [m.name for m in r.train.metrics]),
        ("losses=['mse']", lambda r: [loss.use.name for loss in r.losses]),
        ("schedule={}", lambda r: (r.schedule.warmup, r.schedule.name)),
    ],
)
def test_a_set_reaches_every_stage(name, change, found):
    if found is None:
        with pytest.raises(SrzooError, match="batch is 'mine'"):
            recipe.read(name, [change])
        return
    parts = recipe.read(name, [change]).each()
    assert len({tuple(found(part)) for part in parts}) == 1
    assert tuple(found(parts[0])) in {
        ("mine",), (0.125,), (77,), ("psnr_rgb",), ("mse",), (0, "constant")
    }  # fmt: skip


@pytest.mark.parametrize("name", STAGED)
@pytest.mark.parametrize("steps", [100, 5000, 12_345])
def test_train_steps_is_the_length_of_the_run(name, steps):
    before, after = (recipe.read(name, sets) for sets in ([], [f"train.steps={steps}"]))
    assert after.steps == steps
    for old, new in zip(before.each(), after.each(), strict=True):
        assert abs(new.train.steps - old.train.steps * steps / before.steps) <= 2


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=9), st.integers(0, 10**6))
def test_steps_are_shared_whole(lengths, more):
    stages = [{"name": str(n), "train": {"steps": steps}} for n, steps in enumerate(lengths)]
    values = {"train": {"steps": 1}, "stages": stages}
    steps = len(lengths) + more
    apply_overrides(values, [f"train.steps={steps}"])
    shares = [stage["train"]["steps"] for stage in values["stages"]]
    assert sum(shares) == steps
    assert min(shares) >= 1


def test_fewer_steps_than_stages_are_refused():
    with pytest.raises(SrzooError, match="6 stages cannot share 5 steps.*stages="):
        recipe.read("edsr-x4", ["train.steps=5"])


def test_what_is_said_of_one_stage_counts_for_it_in_any_order():
    for sets in (["stages.2.optimizer.lr=3", "optimizer.lr=2"],
                 ["optimizer.lr=2", "stages.2.optimizer.lr=3"]):  # fmt: skip
        rates = [part.optimizer.lr for part in recipe.read("edsr-x4", sets).each()]
        assert rates == [2, 2, 3, 2, 2, 2]
    assert recipe.read("edsr-x4", ["train.steps=7", "stages=[]"]).steps == 7


def test_a_place_in_a_list_means_what_is_called_the_same_there():
    parts = recipe.read("edsrgan-real-x4", ["losses.2.weight=7", "losses.1.weight=3"]).each()
    for part in parts:
        weights = {loss.use.name: loss.weight for loss in part.losses}
        assert weights.get("checkerboard", 7) == 7
        assert weights["l1"] == 3
    assert [loss.use.name for loss in parts[0].losses] == ["l1"]


def test_a_game_is_changed_where_there_is_one():
    parts = recipe.read("edsrgan-x4", ["adversarial.weight=0.5", "adversarial.loss=lsgan"]).each()
    assert parts[0].adversarial is None
    assert {(p.adversarial.weight, p.adversarial.loss.name) for p in parts[1:]} == {(0.5, "lsgan")}


BASE = {"data": {"train": {"name": "folder", "path": "a"}}, "optimizer": {"name": "adam"}}


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ({"data": {"train": {"name": "paired", "hr": "b"}}}, "data.train.path=c"),
        ({"data": {"train": [{"name": "paired", "hr": "b"}]}}, "data.train.path=c"),
        ({"data": {"train": "drawn"}}, "data.train.path=c"),
        ({"optimizer": {"name": "sgd"}}, "optimizer.betas=[0.5, 0.9]"),
    ],
)
def test_a_stage_with_another_plugin_there_is_named(stage, change):
    values = {**BASE, "stages": [{"name": "one"}, {"name": "two", **stage}]}
    with pytest.raises(SrzooError, match="stage 'two' has another.*stages.1"):
        apply_overrides(values, [change])


def test_rates_are_everyones():
    values = {**BASE, "stages": [{"name": "two", "optimizer": {"name": "sgd"}}]}
    apply_overrides(values, ["optimizer.lr=2"])
    assert values["stages"][0]["optimizer"] == {"name": "sgd", "lr": 2}


def test_a_set_that_no_stage_takes_is_refused():
    stages = [{"name": "one", "losses": ["mse"]}]
    with pytest.raises(SrzooError, match="changes nothing"):
        apply_overrides({"losses": ["l1"], "stages": stages}, ["losses.0.weight=2"])


def commands() -> list[tuple[str, list[str]]]:
    """Every ``srzoo train NAME --set ...`` of the docs, by name."""
    found = []
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        for name, rest in re.findall(r"srzoo train ([a-z0-9-]+-x\d)(.*)", text):
            sets = [a or b for a, b in re.findall(r"--set (?:'([^']*)'|(\S+))", rest)]
            found.append((name, sets))
    return found


@needs_torch
@pytest.mark.parametrize(("name", "sets"), commands())
def test_the_commands_of_the_docs_are_right(name, sets, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "class SiLU:\n    'A block of the reader.'\n    def __init__(self, *, channels): ...\n"
    (tmp_path / "silu.py").write_text(code)
    sets = [each.replace("=smooth", "=./silu.py:SiLU") for each in sets]  # a reader's package
    loaded = recipe.load(name, sets)
    asked = dict(each.split("=", 1) for each in sets)
    if "train.steps" in asked:
        assert loaded.steps == int(asked["train.steps"])
