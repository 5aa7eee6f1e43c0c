"""Optimisers by name are what they are called, and go on where they stopped."""

from __future__ import annotations

import pytest
import timm.optim
import torch
from timm.optim.muon import Muon
from torch import nn

from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.recipes.recipe import Group, Optimizer
from srzoo.training import optimizers
from srzoo.training.muon import BatchedMuon

HERE = [n for n in optimizers.names() if not n.startswith(("bnb", "fused"))]  # those need a card


class Net(nn.Module):
    """Kernels of one shape and of others, a norm, biases."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.head = nn.Conv2d(3, 8, 3)
        self.body = nn.Sequential(*(nn.Conv2d(8, 8, 3, padding=1) for _ in range(3)))
        self.norm = nn.BatchNorm2d(8)
        self.tail = nn.Conv2d(8, 3, 1)

    def forward(self, x):
        return self.tail(self.norm(self.body(self.head(x))))


def taught(net, optimizer, steps, start=0):
    for step in range(start, start + steps):
        x = torch.rand(2, 3, 9, 9, generator=torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
    return [tensor.clone() for tensor in net.state_dict().values()]


def equal(a, b):
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


PLAIN = {
    "adam": (Optimizer(lr=1e-2), lambda p: torch.optim.Adam(p, lr=1e-2)),
    "adam, more": (
        Optimizer(lr=1e-2, betas=(0.8, 0.9), eps=1e-5, args={"amsgrad": True}),
        lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.8, 0.9), eps=1e-5, amsgrad=True),
    ),
    "adamw": (
        Optimizer("adamw", lr=1e-2, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    ),
    "sgd": (
        Optimizer("sgd", lr=1e-2, momentum=0.9, weight_decay=0.1),
        lambda p: torch.optim.SGD(p, lr=1e-2, momentum=0.9, weight_decay=0.1),
    ),
    "muon": (
        Optimizer("muon", lr=1e-2, momentum=0.95, weight_decay=0.1),
        lambda p: Muon(
            p, lr=1e-2, momentum=0.95, nesterov=True, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1
        ),
    ),
}


@pytest.mark.parametrize("name", PLAIN)
def test_the_four_are_what_they_were(name):
    settings, plain = PLAIN[name]
    ours, theirs = Net(), Net()
    optimizer = optimizers.build(ours, settings, "generator")
    assert equal(taught(ours, optimizer, 3), taught(theirs, plain(theirs.parameters()), 3))


@pytest.mark.parametrize("name", sorted({*HERE, "lookahead_adam"} - optimizers.OWN.keys()))
def test_all_others_are_what_timm_makes_and_go_on_where_they_stopped(name):
    settings = Optimizer(name, lr=1e-3, weight_decay=0.01)
    ours, theirs = Net(), Net()
    whole = taught(ours, optimizers.build(ours, settings, "generator"), 7)
    plain = timm.optim.create_optimizer_v2(
        list(theirs.parameters()), name, lr=1e-3, weight_decay=0.01
    )
    assert equal(whole, taught(theirs, plain, 7))

    half, other = Net(), Net()
    first = optimizers.build(half, settings, "generator")
    taught(half, first, 4)
    state = {name: tensor.clone() for name, tensor in optimizers.state_of(first).items()}
    second = optimizers.build(other, settings, "generator")
    other.load_state_dict(half.state_dict())
    optimizers.restore(second, state)
    assert equal(whole, taught(other, second, 3, 4))


def test_a_state_follows_the_names_of_parameters():
    """Other groups, and so another order: each parameter still has its own."""
    plain = Optimizer(lr=1e-2)
    grouped = Optimizer(lr=1e-2, groups=(Group("body.1.*"), Group("head.*")))
    whole, half, other = Net(), Net(), Net()
    taught(half, first := optimizers.build(half, plain, "generator"), 3)
    second = optimizers.build(other, grouped, "generator")
    other.load_state_dict(half.state_dict())
    optimizers.restore(second, optimizers.state_of(first))
    wanted = taught(whole, optimizers.build(whole, plain, "generator"), 6)
    assert equal(wanted, taught(other, second, 3, 3))
    optimizers.freeze(other, ["head.*"])
    fewer = optimizers.build(other, plain, "generator")
    with pytest.raises(
        ValueError, match=r"other parameters: they differ in head.bias, head.weight"
    ):
        optimizers.restore(fewer, optimizers.state_of(first))


def test_a_state_of_an_earlier_version_is_read():
    """It has tensors alone."""
    whole, half, other = Net(), Net(), Net()
    settings = Optimizer("muon", lr=1e-2, momentum=0.95)
    taught(half, first := optimizers.build(half, settings, "generator"), 2)
    old = {name: tensor for name, tensor in optimizers.state_of(first).items() if name != "rest"}
    assert {name.partition(".")[2] for name in old} == {
        "momentum_buffer", "step", "exp_avg", "exp_avg_sq",
    }  # fmt: skip
    other.load_state_dict(half.state_dict())
    optimizers.restore(second := optimizers.build(other, settings, "generator"), old)
    wanted = taught(whole, optimizers.build(whole, settings, "generator"), 4)
    assert equal(wanted, taught(other, second, 2, 2))


def test_the_state_lies_in_memory_as_the_parameters_do():
    """A fused kernel takes nothing else."""
    net = Net().to(memory_format=torch.channels_last)
    taught(net, first := optimizers.build(net, Optimizer(), "generator"), 1)
    saved = {name: t.contiguous() for name, t in optimizers.state_of(first).items()}
    optimizers.restore(second := optimizers.build(net, Optimizer(), "generator"), saved)
    kernel = net.body[0].weight
    assert second.state[kernel]["exp_avg"].stride() == kernel.stride()


def test_groups_have_rates_and_decay_of_their_own():
    net = Net()
    settings = Optimizer(
        "sgd", lr=0.1, weight_decay=0.5, groups=(Group("tail.*", lr=0.01, weight_decay=0),)
    )
    optimizer = optimizers.build(net, settings, "generator")
    assert [len(group["params"]) for group in optimizer.param_groups] == [10, 2]
    assert len(optimizers.trained_parameters(optimizer)) == 12
    optimizers.set_rates(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.05, 0.005]
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, p in net.named_parameters():
        rate, decay = (0.005, 0) if name.startswith("tail.") else (0.05, 0.5)
        wanted = before[name] - rate * (1 + decay * before[name])
        assert torch.allclose(p, wanted, atol=1e-6), name


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Optimizer("adma"), r"no optimiser is called 'adma'. Did you mean .*adam"),
        (Optimizer("xyzzy"), r"no optimiser is called 'xyzzy'. Available: .*adam.*lion"),
        (Optimizer("adahessian"), "no optimiser is called"),
        (Optimizer(args={"amsgard": True}), "adam has no argument 'amsgard'. Did you mean amsgrad"),
        (Optimizer(args={"lr": 1}), "lr is in args. Write optimizer.lr"),
        (Optimizer(momentum=0.9), "adam has no momentum. Remove optimizer.momentum"),
        (Optimizer("sgd", betas=(0.5, 0.9)), "sgd has no betas"),
        (Optimizer("lion", eps=1e-3), "lion has no eps"),
        (Optimizer(betas=(0.9,)), r"betas is \[0.9\]. adam takes 2, such as \[0.9, 0.999\]"),
        (Optimizer("adan", betas=(0.9, 0.9)), "adan takes 3"),
        (Optimizer(betas=(0.9, 1.5)), "adam refuses its arguments: .*1.5"),
        (Optimizer(lr=-1.0), "adam refuses its arguments: .*-1"),
        (Optimizer("muon"), "muon needs momentum.*optimizer.momentum = 0.95"),
        (Optimizer(groups=(Group("head.*", lr=-1.0),)), r"lr of the group 'head.\*' is -1"),
        (Optimizer(groups=(Group("haed.*"),)), r"'haed.\*' matches no .* Did you mean head.\*"),
        (Optimizer(groups=(Group("q*x"),)), r"Available: body.\*, head.\*, norm.\*, tail.\*"),
        (Optimizer(groups=(Group("head.*"), Group("head.w*"))), "no group before it has"),
    ],
)  # fmt: skip
def test_mistakes_are_told_before_anything_is_trained(settings, message):
    with pytest.raises(SrzooError, match=message):
        optimizers.check(settings, network=Net())
    with pytest.raises(SrzooError):
        optimizers.build(Net(), settings, "generator")


def test_a_recipe_says_all_of_it(tiny, tmp_path):
    changes = [
        "optimizer={name='lion', lr=1e-4, betas=[0.9, 0.98], args={caution=true},"
        " groups=[{match='tail.*', lr=1e-5}]}"
    ]
    loaded = recipe.load(tiny(), changes)
    optimizer = training.assemble(loaded).optimizer
    assert type(optimizer).__name__ == "Lion"
    assert optimizer.defaults["caution"]
    assert [group["lr"] for group in optimizer.param_groups] == [1e-4, 1e-5]
    (tmp_path / "again.toml").write_text(loaded.to_toml())
    assert recipe.load(tmp_path / "again.toml") == loaded
    with pytest.raises(SrzooError, match=r"no optimiser is called 'lino'. Did you mean .*lion"):
        training.assemble(recipe.load(tiny(), ["optimizer.name=lino"]))


def test_frozen_parameters_and_their_statistics_stay(tiny, tmp_path):
    changes = ["train.freeze=['head.*', 'body.0.*']", "optimizer.weight_decay=0.1"]
    loaded = recipe.load(tiny("srresnet"), [*changes, "train.steps=4"])
    before = training.assemble(loaded).generator.state_dict()
    training.train(loaded, tmp_path / "run")
    from safetensors.torch import load_file

    after = load_file(tmp_path / "run/model.safetensors")
    still = {name for name in after if torch.equal(before[name], after[name])}
    frozen = {name for name in after if name.startswith(("head.", "body.0."))}
    assert any("running_mean" in name for name in frozen)
    assert still == frozen
    with pytest.raises(SrzooError, match=r"train.freeze: 'haed.\*' matches no .* mean head.\*"):
        training.assemble(recipe.load(tiny("srresnet"), ["train.freeze=['haed.*']"]))
    with pytest.raises(SrzooError, match="nothing to train"):
        training.assemble(recipe.load(tiny(), ["train.freeze=['*']"]))


@torch.no_grad()
@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize("args", [{}, {"nesterov": True, "adjust_lr_fn": "original"}])
def test_muon_in_batches_is_muon(decay, args):
    ours, theirs = Net().to(memory_format=torch.channels_last), Net()
    one = BatchedMuon(ours.parameters(), lr=1e-2, weight_decay=decay, **args)
    other = Muon(theirs.parameters(), lr=1e-2, weight_decay=decay, **args)
    chance = torch.Generator().manual_seed(0)
    for _ in range(5):
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            b.grad = torch.randn(b.shape, generator=chance)
            a.grad = torch.empty_like(a).copy_(b.grad)
        before = [p.detach().clone() for p in theirs.parameters()]
        given = [p.grad for p in ours.parameters()]
        one.step()
        other.step()
        assert all(p.grad is grad for p, grad in zip(ours.parameters(), given, strict=True))
        for old, a, b in zip(before, ours.parameters(), theirs.parameters(), strict=True):
            moved = float((b - old).norm())
            assert float((a - b).norm()) <= 0.02 * moved  # its products are of bfloat16
            a.data.copy_(b)
        for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert one.state[a].keys() == other.state[b].keys()
            for key in {"momentum_buffer"} & one.state[a].keys():
                assert torch.allclose(one.state[a][key], other.state[b][key])


def test_muon_in_batches_takes_kernels_together(monkeypatch):
    from srzoo.training import muon

    seen = []
    real = muon.muon
    monkeypatch.setattr(
        muon, "muon", lambda p, *a, **k: (seen.append(p[0].shape), real(p, *a, **k))
    )
    net = Net()
    optimizer = BatchedMuon(net.parameters(), lr=1e-2)
    taught(net, optimizer, 1)
    assert not seen  # the first step is timm's
    taught(net, optimizer, 1)
    assert seen == [(8, 72, 3)]


CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA card")


@CARD
@pytest.mark.parametrize("name", [*PLAIN, "lion", "lamb"])
def test_a_card_goes_where_the_cpu_does_and_resumes(name):
    """Fused and batched, within rounding; the state on a card goes on bit for bit."""
    settings = PLAIN[name][0] if name in PLAIN else Optimizer(name, lr=1e-3)
    chance = torch.Generator().manual_seed(0)
    gradients = [[torch.randn(p.shape, generator=chance) for p in Net().parameters()]] * 6
    ends = []
    for device in ("cpu", "cuda", "resumed"):
        net = Net().to("cpu" if device == "cpu" else "cuda", memory_format=torch.channels_last)
        optimizer = optimizers.build(net, settings, "generator")
        kind = type(optimizer)
        if device != "cpu" and kind in optimizers.FUSED:
            assert optimizer.defaults["fused"]
        assert (kind is BatchedMuon) == (name == "muon" and device != "cpu")
        for step, given in enumerate(gradients):
            if device == "resumed" and step == 3:
                kept = optimizers.state_of(optimizer)
                saved = {key: t.detach().cpu().contiguous() for key, t in kept.items()}
                optimizer = optimizers.build(net, settings, "generator")
                optimizers.restore(optimizer, saved)
            for parameter, gradient in zip(net.parameters(), given, strict=True):
                parameter.grad = torch.empty_like(parameter).copy_(gradient)
            optimizer.step()
        ends.append([p.detach().cpu() for p in net.parameters()])
    start = [p.detach() for p in Net().parameters()]
    for old, cpu, cuda, resumed in zip(start, *ends, strict=True):
        assert torch.equal(cuda, resumed)
        assert float((cpu - cuda).norm()) <= 0.02 * float((cpu - old).norm())
