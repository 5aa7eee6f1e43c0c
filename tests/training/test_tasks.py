"""What is trained beside a generator is a plugin: two networks, a teacher, a game."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace

import pytest
import torch
from helpers import ROOT
from safetensors.torch import load_file
from torch import nn

import srzoo
from srzoo import building, training
from srzoo.contracts import Pair
from srzoo.errors import SrzooError
from srzoo.networks import folders
from srzoo.plugins.plugin import Use
from srzoo.recipes import recipe
from srzoo.recipes.data_folder import fill_in_data_folder
from srzoo.training import step, tasks
from srzoo.training.processes import accelerator_for
from srzoo.training.sending import Sender

GAME = 'adversarial={discriminator={name="patchgan", n_feats=4}, loss="lsgan", weight=0.1}'


class Scorer(nn.Module):
    """The mean of a picture, less what it learns."""

    min_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, y):
        return y.mean((1, 2, 3)) - self.bias


class Two:
    """Two networks; the second moves in every other step, the generator in every third."""

    scales = None

    def __init__(self, *, weight: float = 0.1) -> None:
        self.networks = {"first": Scorer(), "second": Scorer()}
        self.helpers = {}
        self.weight = weight

    def turns(self, step):
        who = {"first": True, "second": step % 2 == 1, "generator": step % 3 == 2}
        return [name for name, moves in who.items() if moves]

    def terms(self, pair, networks):
        scores = (network(pair.sr).square().mean() for network in networks.values())
        return {"scores": self.weight * sum(scores)}

    def loss_of(self, name, network, pair):
        said = network(pair.sr)
        return {name: said.square().mean()}, {f"{name}_says": said.detach().mean()}


@pytest.fixture
def two():
    srzoo.tasks.register("two", Two)
    yield
    srzoo.tasks.unregister("two")


@pytest.fixture
def teacher(tmp_path):
    """A model folder whose pictures are nothing like HR: its weights are random."""
    args = {"scale": 2, "n_feats": 4, "n_resblocks": 1}
    torch.manual_seed(5)
    net = srzoo.generators.create("edsr", **args)
    folder = tmp_path / "teacher"
    folders.save(net, folder, generator="edsr", args=args)
    return folder


def taught(folder, more: str = "") -> str:
    return f"task={{name='distillation', teacher='{folder}'{more}}}"


def state(run, at=12) -> dict[str, torch.Tensor]:
    return load_file(run / f"checkpoints/{at:09d}/state.safetensors")


def lines(run) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def stopping_at(place, monkeypatch):
    from srzoo.training import loop

    average, count = loop._average, iter(range(1, 1000))

    def stop(run, now):
        average(run, now)
        if next(count) == place:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "_average", stop)


def resumed_alike(loaded, tmp_path, monkeypatch) -> dict[str, torch.Tensor]:
    """A run that was stopped and one that was not end in the same bytes."""
    training.train(loaded, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stopping_at(5, patch)
        assert not training.train(loaded, tmp_path / "halves").complete
    assert training.train(loaded, tmp_path / "halves").complete
    whole, halves = state(tmp_path / "whole"), state(tmp_path / "halves")
    assert whole.keys() == halves.keys()
    assert all(torch.equal(whole[name], halves[name]) for name in whole)
    return whole


def test_two_networks_are_trained_kept_and_told_of(tiny, two, tmp_path, monkeypatch):
    task = "task={name='two', optimizer={name='sgd', lr=0.5}, schedule={name='linear'}}"
    loaded = recipe.load(tiny(), [task, "train.checkpoint_every=1", "train.keep=20"])
    whole = resumed_alike(loaded, tmp_path, monkeypatch)
    for name in ("first.bias", "second.bias", "opponent.rest", "opponent-second.rest"):
        assert name in whole, name
    states = [state(tmp_path / "whole", at) for at in range(13)]
    moved = {
        who: [
            any(not torch.equal(states[at][n], states[at + 1][n])
                for n in whole if n.startswith(f"{who}."))
            for at in range(11)  # the rate is 0 at the end
        ]
        for who in ("generator", "first", "second")
    }  # fmt: skip
    assert moved["first"] == [True] * 11
    assert moved["second"] == [at % 2 == 1 for at in range(11)]
    assert moved["generator"] == [at % 3 == 2 for at in range(11)]
    line = next(line for line in lines(tmp_path / "whole") if "losses" in line)
    assert line["losses"].keys() == {"l1", "scores", "first", "second"}
    assert {"first_says", "second_gradient", "generator_gradient"} <= line["facts"].keys()
    assert line["first_lr"] == pytest.approx(0.5 / 12)


def test_a_network_follows_its_own_loss_at_its_own_rate(tiny, two):
    """The rate of SGD 1 moves a bias by its gradient, whatever the generator's turn left."""
    loaded = recipe.load(tiny(), ["task={name='two', weight=100, optimizer={name='sgd', lr=1.0}}"])
    parts = training.assemble(loaded)
    batch = parts.crops.batch(0)
    run = step.prepare(parts, accelerator_for(loaded))
    with torch.no_grad():
        lr = Sender()(batch.lr)
        want = 2 * parts.generator(lr).mean()
    step.train_step(run, batch)
    for network in parts.task.networks.values():
        assert float(network.bias.detach()) == pytest.approx(float(want), rel=1e-4)
        assert network.bias.requires_grad
        assert network.bias.grad is None


def distance(net, teacher, parts) -> float:
    """Mean difference to the teacher's pictures."""
    with torch.no_grad():
        lr = Sender()(parts.crops.batch(1000).lr)
        return float((net(lr) - teacher(lr)).abs().mean())


def test_a_student_comes_nearer_to_its_teacher(tiny, teacher, tmp_path):
    changes = ["train.steps=60", "train.evaluate_every=60", "train.ema=0", "optimizer.lr=1e-2"]
    there = building.network(teacher)
    found = {}
    for name, more in (("alone", []), ("taught", [taught(teacher, ", weight=20.0")])):
        loaded = recipe.load(tiny(), changes + more)
        training.train(loaded, tmp_path / name)
        net = building.network(tmp_path / name)
        found[name] = distance(net, there, training.assemble(loaded))
    assert found["taught"] < 0.5 * found["alone"]


def test_the_teacher_stays_and_is_in_no_checkpoint(tiny, teacher, tmp_path, monkeypatch):
    loaded = recipe.load(tiny(), [taught(teacher), "losses=[]"])
    parts = training.assemble(loaded)
    net = parts.task.helpers["teacher"]
    before = [p.detach().clone() for p in net.parameters()]
    step.train_step(step.prepare(parts, accelerator_for(loaded)), parts.crops.batch(0))
    assert all(torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())
    whole = resumed_alike(loaded, tmp_path, monkeypatch)
    heads = {name.partition(".")[0] for name in whole}
    assert heads == {"rng", "generator", "ema", "optimizer"}
    assert next(x["losses"] for x in lines(tmp_path / "whole") if "losses" in x).keys() == {
        "distillation"
    }


def test_the_teachers_pictures_are_what_is_compared_with(tiny, teacher):
    """By each loss, with its weight and the whole's; HR does not count."""
    more = ", weight=3.0, loss=[{name='mse', weight=2.0}, 'l1']"
    parts = training.assemble(recipe.load(tiny(), [taught(teacher, more)]))
    batch = parts.crops.batch(0)
    lr, hr = (Sender()(side) for side in (batch.lr, batch.hr))
    apart = parts.task.helpers["teacher"](lr) - hr
    pair = Pair(lr=lr, hr=torch.zeros_like(hr), sr=hr)
    found = parts.task.terms(pair, {})
    want = 3 * (2 * apart.square().mean() + apart.abs().mean())
    assert float(found["distillation"]) == pytest.approx(float(want.detach()), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["task={name='distillation', teacher='bicubic-x4'}"], "enlarges by 2, .*works at 4"),
        (["task={name='distillation', teacher='nobody'}"], "nobody"),
        (["task={name='distillation'}"], "needs teacher"),
        (["task={name='distilation', teacher='bicubic-x2'}"], "mean distillation"),
        (["task={name='distillation', teacher='bicubic-x2', weight=-1}"], "is -1"),
        (["task={name='distillation', teacher='bicubic-x2', loss='tv'}"], "does not look"),
        (["task={name='distillation', teacher='bicubic-x2', optimizer={lr=-1}}"], "optimizer.lr"),
        ([GAME, "task={name='distillation', teacher='bicubic-x2'}"], "one task"),
        (["task={name='gan'}"], "task has no 'discriminator'"),
    ],
)
def test_what_makes_no_sense_is_told(tiny, changes, message):
    with pytest.raises(SrzooError, match=message):
        training.assemble(recipe.load(tiny(), changes))


def test_a_task_on_a_grid_wants_crops_that_fit(tiny, two, monkeypatch):
    monkeypatch.setattr(Two, "multiple", 5, raising=False)
    with pytest.raises(SrzooError, match="grid of 5 pixels"):
        training.assemble(recipe.load(tiny(), ["task=two", "data.lr_crop=12"]))
    training.assemble(recipe.load(tiny(), ["task=two", "data.lr_crop=10"]))


@pytest.mark.parametrize("name", ["ema", "generator", "opponent", "opponent-x", "a.b", "rng"])
def test_a_network_of_a_name_that_is_taken_is_refused(tiny, two, monkeypatch, name):
    build = Two.__init__

    def named(self, *, weight: float = 0.1):
        build(self, weight=weight)
        self.networks = {name: Scorer()}

    monkeypatch.setattr(Two, "__init__", named)
    with pytest.raises(SrzooError, match="that checkpoints reserve"):
        training.assemble(recipe.load(tiny(), ["task=two"]))


def test_two_losses_of_one_name_are_refused(tiny, two, monkeypatch, tmp_path):
    """The one would take the place of the other without a word."""
    monkeypatch.setattr(Two, "terms", lambda self, pair, networks: {"l1": pair.sr.mean()})
    with pytest.raises(SrzooError, match="another loss is called 'l1' too"):
        training.train(recipe.load(tiny(), ["task=two"]), tmp_path / "run")


def test_a_game_is_one_however_it_is_written(tiny):
    as_task = GAME.replace("adversarial={", "task={name='gan', ")
    one, other = (recipe.load(tiny(), [text]) for text in (GAME, as_task))
    assert one == other
    assert one.adversarial
    assert one.task is None
    assert "[adversarial" in other.to_toml()
    use = one.beside.use
    assert replace(one, adversarial=None, task=recipe.Task(use)) == one


def test_a_recipe_with_a_task_reads_back(tiny, tmp_path):
    text = "task={name='distillation', teacher='bicubic-x2', optimizer={lr=1e-5}}"
    loaded = recipe.load(tiny(), [text])
    path = tmp_path / "again.toml"
    path.write_text(loaded.to_toml())
    assert recipe.load(path) == loaded
    assert recipe.load(path, ["task.weight=3"]).task.use.args["weight"] == 3


def test_data_stands_in_nested_arguments(tmp_path):
    use = Use("gan", {"discriminator": {"name": "timm", "weights": "{data}/x"}, "n": [1, "{data}"]})
    found = fill_in_data_folder(use, tmp_path).args
    assert found["discriminator"] == {"name": "timm", "weights": f"{tmp_path}/x"}
    assert found["n"] == [1, str(tmp_path)]


def test_alone_is_a_task_too():
    assert tasks.LossesOnly().turns(0) == ("generator",)
    assert tasks.LossesOnly().terms(None, {}) == {}


@pytest.mark.parametrize("name", ["loop", "step", "parts", "tasks", "checkpoint", "stages"])
def test_the_trainer_knows_no_task(name):
    text = (ROOT / f"srzoo/training/{name}.py").read_text().lower()
    for word in ("distill", "discriminator", "adversar", '"gan"', "student"):
        assert word not in text, word
