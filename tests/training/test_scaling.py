"""Gradients that are scaled and added up: fp16's scalers, accumulation, and going back from it."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from typing import ClassVar

import pytest
import torch
from helpers import sealed_again
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

import srzoo
from srzoo import training
from srzoo.recipes import recipe
from srzoo.training import checkpoint, loop, run_log, step
from srzoo.training.processes import accelerator_for

GAME = (
    'adversarial={discriminator={name="unet_sn", n_feats=4}, weight=0.1,'
    ' optimizer={name="sgd", lr=0.1}}'
)
ADDED = [GAME, "train.accumulate=2", "train.clip=0.01", 'optimizer={name="sgd", lr=0.1}']
pytestmark = pytest.mark.usefixtures("quick")
BOTH = ("generator", "discriminator")


def scalers(first: float = 2.0**10, second: float = 2.0**14) -> dict[str, torch.amp.GradScaler]:
    """One for each network; in fp32 a scale by a power of two changes no digit."""
    return {
        who: torch.amp.GradScaler("cpu", init_scale=scale)
        for who, scale in zip(BOTH, (first, second), strict=True)
    }


def prepared(loaded, own: dict[str, torch.amp.GradScaler] | None = None) -> step.Run:
    run = step.prepare(training.assemble(loaded), accelerator_for(loaded))
    return replace(run, scalers=own or {})


def norms(run: step.Run, batches: int) -> list[dict[str, float]]:
    """The gradients' norms of each batch at whose end the optimisers step."""
    found = []
    for number in range(batches):
        facts = step.train_step(run, run.parts.crops.batch(number)).facts
        found.append({who: float(facts[f"{who}_gradient"]) for who in BOTH if
                      f"{who}_gradient" in facts})  # fmt: skip
    return found


def weights(run: step.Run) -> list[torch.Tensor]:
    modules = (run.parts.generator, run.parts.task.networks["discriminator"])
    return [p.detach().clone() for module in modules for p in module.parameters()]


def test_norms_and_steps_with_scalers_are_those_without(tiny):
    loaded = recipe.load(tiny(), ADDED)
    plain, scaled = prepared(loaded), prepared(loaded, scalers())
    wanted, found = norms(plain, 6), norms(scaled, 6)
    assert [set(each) for each in wanted] == [set(), set(BOTH)] * 3
    for want, got in zip(wanted, found, strict=True):
        assert got == pytest.approx(want, rel=1e-5)
        assert all(value > 0.01 for value in want.values()), "nothing would be clipped"
    for a, b in zip(weights(plain), weights(scaled), strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("who", BOTH)
def test_a_scale_touches_no_other_networks_gradients(tiny, who):
    """Whatever one network's scale is, what the other one has added up so far stays the same."""
    loaded = recipe.load(tiny(), ADDED)
    found = []
    for scale in (2.0**6, 2.0**18):
        other = {"second" if who == "generator" else "first": scale}
        run = prepared(loaded, scalers(**other))
        norms(run, 3)  # a step of two batches, and half of the next
        network = run.parts.generator if who == "generator" else run.beside["discriminator"]
        gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
        assert gradients
        found.append(gradients)
    for a, b in zip(*found, strict=True):
        assert torch.allclose(a, b, rtol=1e-5, atol=1e-9)


def test_an_overflow_leaves_out_its_own_step_alone(tiny):
    loaded = recipe.load(tiny(), ADDED)
    run = prepared(loaded, scalers())
    parts = run.parts
    next(run.beside["discriminator"].parameters()).register_hook(
        lambda gradient: gradient * torch.inf
    )
    before = weights(run)
    taken = [step.train_step(run, parts.crops.batch(number)) for number in range(2)]
    assert not any(each.finite.read()[1] for each in taken), "with a loss scale it is no fault"
    count = len(list(parts.generator.parameters()))
    moved = [not torch.equal(a, b) for a, b in zip(before, weights(run), strict=True)]
    assert any(moved[:count])
    assert not any(moved[count:])
    assert run.scalers["generator"].get_scale() == 2.0**10
    assert run.scalers["discriminator"].get_scale() == 2.0**13


def test_a_checkpoint_keeps_both_scalers(tiny, tmp_path):
    loaded = recipe.load(tiny(), ADDED)
    run = prepared(loaded, scalers())
    norms(run, 4)
    there = checkpoint.save(run.parts, tmp_path, checkpoint.RunState(2), run.scalers)
    again = prepared(loaded, scalers(1.0, 1.0))
    checkpoint.load(again.parts, there, again.scalers)
    for who in BOTH:
        assert again.scalers[who].state_dict() == run.scalers[who].state_dict()
    assert len({scaler.get_scale() for scaler in again.scalers.values()}) == 2


def test_a_checkpoint_of_one_scaler_for_both_loads(tiny, tmp_path):
    """As earlier versions wrote them."""
    loaded = recipe.load(tiny(), ADDED)
    run = prepared(loaded, scalers(2.0**7, 2.0**7))
    there = checkpoint.save(run.parts, tmp_path, checkpoint.RunState(2), run.scalers)
    state = load_file(there / "state.safetensors")
    one = state.pop("scaler.generator")
    del state["scaler.discriminator"]
    save_file({**state, "scaler": one}, there / "state.safetensors")
    sealed_again(there)
    again = prepared(loaded, scalers(1.0, 1.0))
    checkpoint.load(again.parts, there, again.scalers)
    assert {scaler.get_scale() for scaler in again.scalers.values()} == {2.0**7}


class Poison:
    """Zero, unless one of certain crops is in the batch: then it is not a number."""

    reference = True
    seen: ClassVar[list[torch.Tensor]] = []
    crops: ClassVar[list[torch.Tensor]] = []

    def __call__(self, pair):
        """A scalar, 0 or NaN."""
        if torch.is_grad_enabled():
            Poison.seen.append(pair.hr.clone())
        bad = any(torch.equal(hr, crop) for hr in pair.hr for crop in self.crops)
        return 0 * pair.sr.mean() + (torch.nan if bad else 0.0)


@pytest.fixture
def poison(tiny):
    Poison.crops.clear()
    Poison.seen.clear()
    srzoo.losses.register("poison", Poison)
    yield tiny
    srzoo.losses.unregister("poison")


@pytest.mark.parametrize("part", [0, 1, 2, 3])
@pytest.mark.parametrize("game", [[], [GAME]], ids=["alone", "game"])
def test_a_nan_among_accumulated_batches_leaves_nothing(poison, tmp_path, monkeypatch, part, game):
    """The run ends as one which never drew that crop; between, no gradient is left."""
    changes = ['losses=[{name="l1"}, {name="poison"}]', "train.accumulate=4", *game]
    loaded = recipe.load(poison(), [*changes, "train.steps=5", "train.checkpoint_every=2",
                                  "train.evaluate_every=5"])  # fmt: skip
    training.train(loaded, tmp_path / "well")
    batch = 3 * 4 + part  # of the fourth step
    Poison.crops.append(Poison.seen[batch][1])

    counts, back = [], loop._roll_back

    def rolled(run, *arguments):
        progress = back(run, *arguments)
        networks = [run.parts.generator]
        networks += run.parts.task.networks.values()
        left = [p.grad for network in networks for p in network.parameters()]
        counts.append((run.accelerator.step, [x for x in left if x is not None]))
        return progress

    monkeypatch.setattr(loop, "_roll_back", rolled)
    words = []
    training.train(loaded, tmp_path / "run", watch=training.Callbacks(on_word=words.append))
    assert [word for word in words if "poison is not finite at step 4" in word], words
    assert counts == [(0, [])]
    Poison.crops.clear()
    # The other crop from the start, in a run that knows of no fault.
    skip = training.assemble(loaded).crops.__class__.skip
    monkeypatch.setattr(
        training.assemble(loaded).crops.__class__, "skip", lambda self, _: skip(self, [(batch, 1)])
    )
    training.train(loaded, tmp_path / "other")
    run, other, well = (
        load_file(tmp_path / name / "checkpoints/000000005/state.safetensors")
        for name in ("run", "other", "well")
    )
    assert all(torch.equal(tensor, other[name]) for name, tensor in run.items())
    assert not all(torch.equal(tensor, well[name]) for name, tensor in run.items())


@pytest.mark.parametrize("cards", [1, 2])
def test_random_states_of_other_cards_do_not_matter_here(tiny, tmp_path, monkeypatch, cards):
    """Made on a machine with cards, resumed on one without."""
    loaded = recipe.load(tiny())
    average = loop._average

    def stop(run, now):
        average(run, now)
        if now + 1 == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    training.train(loaded, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_average", stop)
        assert not training.train(loaded, tmp_path / "run").complete
    there = checkpoint.list_checkpoints(tmp_path / "run")[-1]
    state = load_file(there / "state.safetensors")
    more = {f"cuda.{n}": torch.full((16,), n, dtype=torch.uint8) for n in range(cards)}
    save_file({**state, **more}, there / "state.safetensors")
    sealed_again(there)
    assert training.train(loaded, tmp_path / "run").complete
    whole, run = (
        load_file(tmp_path / n / "checkpoints/000000012/state.safetensors")
        for n in ("whole", "run")
    )
    assert all(torch.equal(tensor, run[name]) for name, tensor in whole.items())


@pytest.mark.parametrize(
    ("device", "kept", "taken"),
    [("cuda:0", (0, 1), 0), ("cuda:1", (0, 1), 1), ("cuda:1", (0,), 0), ("cuda", (1, 2), 1)],
)
def test_a_card_takes_up_its_own_state_or_the_first(monkeypatch, device, kept, taken):
    asked = []
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, at: asked.append((state, at)))
    states = {str(n): torch.tensor([n]) for n in kept}
    checkpoint._set_cuda_state(states, torch.device(device))
    assert [(int(state), str(at)) for state, at in asked] == [(taken, device)]
    checkpoint._set_cuda_state(states, torch.device("cpu"))
    assert len(asked) == 1


class Net(nn.Module):
    """Tensors of all kinds."""

    def __init__(self, sizes: list[int], seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.kernels = nn.ParameterList(torch.randn(size, 3) for size in sizes)
        self.norm = nn.BatchNorm2d(4)
        self.small = nn.Parameter(torch.randn(7).bfloat16())
        self.norm.num_batches_tracked.fill_(seed)


@given(
    sizes=st.lists(st.integers(1, 300), max_size=5),
    seed=st.integers(0, 9),
    decay=st.one_of(st.sampled_from([0.0, 0.5, 0.999]), st.floats(0, 1)),
)
def test_averages_are_those_of_one_tensor_at_a_time(sizes, seed, decay):
    mean, now, wanted = Net(sizes, seed), Net(sizes, seed + 1), Net(sizes, seed)
    averages = step.Averages(mean, now)
    for _ in range(3):
        averages.follow(decay)
        with torch.no_grad():
            for name, tensor in wanted.state_dict().items():
                other = now.state_dict()[name]
                if tensor.is_floating_point():
                    tensor.lerp_(other, 1 - decay)
                else:
                    tensor.copy_(other)
    for name, tensor in mean.state_dict().items():
        assert torch.equal(tensor, wanted.state_dict()[name]), name


@given(
    rows=st.lists(
        st.dictionaries(st.sampled_from("abc"), st.floats(-1e6, 1e6, width=32)), max_size=9
    )
)
def test_logged_means_are_the_means_of_the_values(rows):
    """Of those batches that have a value; in whatever order they have them."""
    told = run_log.RunLog(None, 0)
    for row in rows:
        values = {name: torch.tensor(value) for name, value in row.items()}
        told.add(values, dict(reversed(values.items())))
    _, losses, facts = told.means()
    for name in "abc":
        found = [row[name] for row in rows if name in row]
        assert (name in losses) == bool(found)
        if found:
            wanted = pytest.approx(sum(found) / len(found), rel=1e-9, abs=1e-9)
            assert losses[name] == wanted
            assert facts[name] == wanted
