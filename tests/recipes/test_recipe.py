"""Recipes are strict, and every one in the repo is right."""

from __future__ import annotations

import re

import pytest

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.models import locate
from srzoo.models.folder import read_folder
from srzoo.recipes import recipe


@pytest.mark.parametrize("name", recipe.recipe_folders())
def test_every_recipe_in_the_repo_is_right(name):
    loaded = recipe.load(name)
    assert loaded.summary
    if name in srzoo.list_models():
        assert locate.find(name).config.generator == loaded.generator.name


@pytest.mark.parametrize("name", recipe.recipe_folders())
def test_every_recipe_runs_two_real_steps(name, tiny, tmp_path):
    """On tiny pictures; the network and everything else as the recipe says."""
    scales = 4 if "mdsr" in name else int(name[-1])
    loaded = recipe.read(name)
    steps = 2 * max(1, len(loaded.stages))
    changes = [
        "data.train=drawn", "data.validation=drawn", f"data.lr_crop={48 // scales}",
        "data.batch=2", f"train.steps={steps}", "schedule={}",
    ]  # fmt: skip
    # No network here, nor files: the backbone is drawn, and judges nothing. And what is not
    # released yet is trained for a step.
    if any(metric.args.get("weights") for metric in loaded.train.metrics):
        changes.append('train.metrics=["psnr_y"]')
    changes += [
        f"losses.{number}.weights=random"
        for number, loss in enumerate(loaded.losses)
        if loss.use.name == "perceptual"
    ]
    # What the recipe itself has not is of a stage alone.
    if "perceptual" not in {loss.use.name for loss in loaded.losses}:
        changes += [
            f"stages.{number}.losses.{place}.weights=random"
            for number, stage in enumerate(loaded.stages)
            for place, loss in enumerate(stage.changes.get("losses", ()))
            if loss["name"] == "perceptual"
        ]
    changes += [f"stages.{number}.train.steps=2" for number in range(len(loaded.stages))]
    if loaded.init and loaded.init not in srzoo.list_models():
        first = recipe.load(
            loaded.init, [*changes[:4], "stages=[]", "train.steps=1", "schedule={}"]
        )
        training.train(first, tmp_path / "init")
        changes.append(f"init={tmp_path / 'init'}")
    outcome = training.train(recipe.load(name, changes), tmp_path / "run")
    assert outcome.complete
    assert outcome.step == steps
    assert read_folder(tmp_path / "run").config.weights


def test_the_report_and_the_papers_systems_have_recipes():
    assert {
        "srresnet-x4", "srgan-x4", "srgan-vgg22-x4", "srgan-mse-x4", "srgan-rrdb-x4", "edsr-x4",
        "edsr-report-x4", "edsrgan-x4", "edsrgan-real-x4", "mdsr", "wdsr-x4",
    } <= recipe.recipe_folders().keys()  # fmt: skip


STAGES = "stages=[{name='one'}, {name='two', optimizer={lr=1}, losses=['mse'], train={steps=7}}]"


def test_stages_change_what_they_name(tiny, tmp_path):
    loaded = recipe.load(tiny(), [STAGES, "optimizer.eps=0.5"])
    one, two = loaded.each()
    assert one == recipe.load(tiny(), ["optimizer.eps=0.5"])
    assert (two.optimizer.lr, two.optimizer.eps) == (1.0, 0.5)
    assert (two.train.steps, two.train.ema) == (7, one.train.ema)
    assert [loss.use.name for loss in two.losses] == ["mse"]
    assert loaded.steps == 19
    (tmp_path / "again.toml").write_text(loaded.to_toml())
    assert recipe.load(tmp_path / "again.toml") == loaded


def test_a_table_with_a_name_takes_the_place_of_the_recipes(tiny):
    change = "stages=[{name='one', optimizer={name='sgd', momentum=0.5}}]"
    (one,) = recipe.load(tiny(), [change, "optimizer.eps=0.5"]).each()
    assert (one.optimizer.name, one.optimizer.eps) == ("sgd", 1e-8)


def test_a_plan_is_no_model():
    assert "srgan-rrdb-x4" in recipe.recipe_folders()
    assert "srgan-rrdb-x4" not in srzoo.list_models()


def test_toml_there_and_back(tiny, tmp_path):
    loaded = recipe.load(tiny(), ["losses=[{name='l1', weight=2}, {name='charbonnier', eps=0.1}]"])
    (tmp_path / "again.toml").write_text(loaded.to_toml())
    assert recipe.load(tmp_path / "again.toml") == loaded
    assert loaded.losses[0].weight == 2.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.stepz=3", "train has an unknown key 'stepz'.*mean steps"),
        ("trian.steps=3", "unknown key 'trian'.*mean train"),
        ("train.steps=many", "steps is 'many'.*int"),
        ("train.steps=true", "steps is True"),
        ("train.steps=0", "train.steps is 0.*at least 1"),
        ("train.ema=1.5", "at least 0 and at most 1"),
        ("generator.n_feat=3", "no argument 'n_feat'.*mean n_feats"),
        ("generator.name=esdr", "no generator is called 'esdr'.*mean edsr"),
        ("losses=[]", "has no losses"),
        ("losses.0.name=l2", "no loss is called 'l2'"),
        ("losses.3.name=l1", "not a place in a list of 1"),
        ("losses.0.weight=heavy", "weight of l1 is 'heavy'"),
        ("optimizer.betas=[0.9, 'x']", r"betas\[1\] is 'x'"),
        ("schedule.name=cosin", "mean cosine"),
        ("data.train=3", "Give a name, or a table"),
        ("data=3", "Give a table of keys"),
        ("train.steps", "has no value"),
        ("adversarial.discriminator=srgn", "no discriminator is called 'srgn'.*mean srgan"),
        ("adversarial={discriminator='srgan', loss='lsgn'}", "'lsgn'.*mean lsgan"),
        ("adversarial.weight=1", "adversarial has no 'discriminator'"),
        ("optimizer.lr=-1", "optimizer.lr is -1.*at least 0"),
        ("optimizer.lr=nan", "optimizer.lr is nan.*finite"),
        ("optimizer.betas=[0.9]", r"optimizer.betas is \[0.9\].*Give two"),
        ("optimizer.betas=[0.9, 1.0]", r"optimizer.betas.1 is 1.0.*at least 0 and below 1"),
        ("optimizer.betas=[-0.1, 0.9]", r"optimizer.betas.0 is -0.1"),
        ("optimizer.eps=0.0", "optimizer.eps is 0.0.*above 0"),
        ("optimizer.weight_decay=-0.1", "optimizer.weight_decay is -0.1"),
        ("optimizer.momentum=0.9", "optimizer.momentum is 0.9, but adam has none.*momentum=0"),
        ("optimizer={name='adamw', momentum=0.9}", "adamw has none"),
        ("optimizer={name='sgd', momentum=1.0}", "optimizer.momentum is 1.0.*below 1"),
        ("optimizer={name='sgd', betas=[0.5, 0.9]}", "optimizer.betas is .*sgd has none"),
        ("optimizer.name=muon", "optimizer.momentum is 0, but muon needs momentum"),
        ("train.clip=-1", "train.clip is -1.*at least 0"),
        ("train.clip=inf", "train.clip is inf.*finite"),
        ("train.seed=-1", "train.seed is -1.*at least 0 and at most 9,223,"),
        ("train.seed=10000000000000000000", "train.seed is 10000000000000000000"),
        ("train.ema=-0.1", "train.ema is -0.1"),
        ("train.ema=nan", "train.ema is nan"),
        ("train.keep=0", "train.keep is 0"),
        ("train.accumulate=0", "train.accumulate is 0"),
        ("data.batch=0", "data.batch is 0"),
        ("losses.0.weight=nan", "losses.0.weight is nan.*finite"),
        ("losses.0.weight=-1", "losses.0.weight is -1.*at least 0"),
        ("losses.0.weight=0", "no loss of a weight above 0"),
        ("losses.0={name='charbonnier', eps=nan}", "losses.0.eps is nan"),
        ("adversarial={discriminator='srgan', weight=-1}", "weight is -1"),
        ("adversarial={discriminator='srgan', optimizer={lr=-1}}", "adversarial.optimizer.lr is"),
        ("adversarial={discriminator='srgan', optimizer={betas=[]}}", "adversarial.optimizer.be"),
        ("schedule.warmup=13", "schedule.warmup is 13, but there are only 12 steps"),
        ("schedule.warmup=-1", "schedule.warmup is -1"),
        ("schedule={name='step'}", "schedule.at is empty"),
        ("schedule={name='step', at=[12]}", r"schedule.at is \[12\], but there are only 12 steps"),
        ("schedule={name='step', at=[0]}", r"schedule.at is \[0\]"),
        ("schedule={name='step', at=[5, 5]}", r"schedule.at is \[5, 5\].*rising"),
        ("schedule={name='step', at=[5], gamma=-0.5}", "schedule.gamma is -0.5"),
        ("schedule={name='step', at=[5], gamma=1.5}", "schedule.gamma is 1.5"),
        ("schedule={name='cosine', floor=-0.5}", "schedule.floor is -0.5"),
        ("schedule={name='cosine', at=[5]}", "schedule.at is .*'cosine' has none"),
        ("schedule.floor=0.5", "schedule.floor is 0.5, but the schedule 'constant' has none"),
        ("stages=[{name='gan', optimizer={lr=-1}}]", "stage 'gan': optimizer.lr is -1"),
        ("stages=[{name='gan', train={steps=2}, schedule={warmup=3}}]", "'gan': schedule.warmup"),
        ("train.metrics=['psnr']", "no metric is called 'psnr'.*mean psnr_y"),
        ("train.metrics=[]", "has no train.metrics"),
        ("watchdog.patience=0", "watchdog.patience is 0"),
        ("stages=[{train={steps=2}}]", "a stage has no name"),
        ("stages=[{name='gan', generator='srgan'}]", "stage 'gan' changes 'generator'"),
        ("stages=[{name='gan', trian={steps=2}}]", "stage 'gan' has an unknown key 'trian'"),
        ("stages=[{name='gan', losses=['l3']}]", "no loss is called 'l3'"),
        ("stages=[{name='gan', train={steps=0}}]", "stage 'gan': train.steps is 0"),
        ("train.steps.x=3", "not a table"),
        ("srzoo=2", "version 2.*Upgrade"),
        ("srzoo=old", "srzoo = 1"),
    ],
)
def test_mistakes_say_where_and_what_was_meant(tiny, change, message):
    with pytest.raises(SrzooError, match=message):
        recipe.load(tiny(), [change])


def as_written(change: str, stage: bool) -> str:
    return f"stages=['first', {{name='later', {change}}}]" if stage else change


@pytest.mark.parametrize("stage", [False, True])
@pytest.mark.parametrize(
    "fault",
    [
        "weight=-1", "weight=nan", "weight='a'", "d_steps=0", "d_steps=13", "d_steps=1.5",
        "start=-1", "start=12", "dsteps=2", "loss='lsgn'", "optimizer={lr=-1}",
        "optimizer={lr=inf}", "optimizer={lrr=1}", "optimizer={betas=[]}",
        "optimizer={momentum=0.5}", "optimizer={groups=[{match='a', lr=-1}]}",
        "schedule={warmup=13}", "schedule={name='step', at=[12]}", "schedule={name='step'}",
        "schedule={name='cosin'}", "schedule={floor=0.5}",
    ],
)  # fmt: skip
def test_a_game_is_held_to_the_same_rules_in_both_tables(tiny, fault, stage):
    said = []
    for table in ("adversarial={", "task={name='gan', "):
        change = f"{table}discriminator='srgan', {fault}}}"
        with pytest.raises(SrzooError) as caught:
            recipe.load(tiny(), [as_written(change, stage)])
        said.append(str(caught.value))
    where = "stage 'later'" if stage else "tiny.toml"
    assert where in said[0]
    assert said[1] == re.sub(r"\badversarial\b(?!-)", "task", said[0])
    assert ("task" in said[1]) != ("lsgn" in fault)


@pytest.mark.parametrize("base", ["adversarial={", "task={name='gan', "])
def test_a_stage_changes_a_game_however_both_write_it(tiny, base):
    def later(change: str) -> recipe.Recipe:
        game = base + "discriminator='srgan', weight=0.5}"
        return recipe.load(tiny(), [game, as_written(change, stage=True)]).each()[1]

    for table in ("adversarial", "task"):
        game = later(f"{table}={{d_steps=2}}").adversarial
        assert (game.d_steps, game.weight, game.discriminator.name) == (2, 0.5, "srgan")
        with pytest.raises(SrzooError, match="stage 'later'.*d_steps is 0"):
            later(f"{table}={{d_steps=0}}")
    assert later("task={name='gan', discriminator='patchgan'}").adversarial.weight == 1e-3
    other = later("task={name='distillation', teacher='edsr-x2'}")
    assert (other.adversarial, other.task.use.name) == (None, "distillation")


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
