"""Recipes are strict, and every one in the repo is right."""

from __future__ import annotations

import pytest

import srzoo
from srzoo import card, recipe, training
from srzoo.errors import SrzooError


@pytest.mark.parametrize("name", recipe.plans())
def test_every_recipe_in_the_repo_is_right(name):
    plan = recipe.load(name)
    assert plan.summary
    if name in srzoo.list_models():
        assert card.find(name).config.generator == plan.generator.name


@pytest.mark.parametrize("name", recipe.plans())
def test_every_recipe_runs_two_real_steps(name, tiny, tmp_path):
    """On tiny pictures; the network and everything else as the recipe says."""
    scales = 4 if "mdsr" in name else int(name[-1])
    changes = [
        "data.train=drawn", "data.validation=drawn", f"data.lr_crop={48 // scales}",
        "data.batch=2", "train.steps=2",
    ]  # fmt: skip
    outcome = training.train(recipe.load(name, changes), tmp_path / "run")
    assert outcome.complete
    assert card.read(tmp_path / "run").config.weights


def test_a_plan_is_no_model():
    assert "srresnet-x4" in recipe.plans()
    assert "srresnet-x4" not in srzoo.list_models()


def test_toml_there_and_back(tiny, tmp_path):
    plan = recipe.load(tiny(), ["losses=[{name='l1', weight=2}, {name='charbonnier', eps=0.1}]"])
    (tmp_path / "again.toml").write_text(plan.to_toml())
    assert recipe.load(tmp_path / "again.toml") == plan
    assert plan.losses[0].weight == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.stepz=3", "train has an unknown key 'stepz'.*mean steps"),
        ("trian.steps=3", "unknown key 'trian'.*mean train"),
        ("train.steps=many", "steps is 'many'.*int"),
        ("train.steps=true", "steps is True"),
        ("train.steps=0", "train.steps is 0.*at least 1"),
        ("train.ema=1.5", "between 0 and 1"),
        ("generator.n_feat=3", "no argument 'n_feat'.*mean n_feats"),
        ("generator.name=esdr", "no generator is called 'esdr'.*mean edsr"),
        ("losses=[]", "has no losses"),
        ("losses.0.name=l2", "no loss is called 'l2'"),
        ("losses.3.name=l1", "no place in a list of 1"),
        ("losses.0.weight=heavy", "weight of l1 is 'heavy'"),
        ("optimizer.betas=[0.9, 'x']", r"betas\[1\] is 'x'"),
        ("schedule.name=cosin", "mean cosine"),
        ("data.train=3", "Give a name, or a table"),
        ("data=3", "Give a table of keys"),
        ("train.steps", "has no value"),
        ("train.steps.x=3", "no table"),
        ("srzoo=2", "version 2.*Upgrade"),
        ("srzoo=old", "srzoo = 1"),
    ],
)
def test_mistakes_say_where_and_what_was_meant(tiny, change, message):
    with pytest.raises(SrzooError, match=message):
        recipe.load(tiny(), [change])


def test_missing_parts(tiny, tmp_path):
    path = tiny()
    path.write_text(path.read_text().replace("steps = 12\n", ""))
    with pytest.raises(SrzooError, match="train has no 'steps'"):
        recipe.load(path)
    path.write_text("[[[")
    with pytest.raises(SrzooError, match="cannot read"):
        recipe.load(path)
    with pytest.raises(SrzooError, match="does not exist"):
        recipe.load(tmp_path / "none.toml")
    with pytest.raises(SrzooError, match=r"has no recipe\.toml"):
        recipe.load("bicubic-x2")
    with pytest.raises(SrzooError, match="mean edsr-x4"):
        recipe.load("edrs-x4")
