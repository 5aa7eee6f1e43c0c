"""Training on a device that takes no tensors of the CPU: nothing of a run stays behind."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from helpers import COUNT
from safetensors.torch import load_file
from standin import DEVICE, Standin, There, standin, waits
from torch import nn

import srzoo
from srzoo import training
from srzoo.contracts import Pair
from srzoo.plugins.plugin import Use
from srzoo.recipes import recipe
from srzoo.recipes.recipe import Recipe, Weighted
from srzoo.training import checkpoint, loop, step
from srzoo.training.processes import accelerator_for

pytestmark = pytest.mark.usefixtures("quick")
RELEASED = ("edsr-x4", "srresnet-x4", "srgan-x4", "edsrgan-x4", "edsrgan-real-x4")
SMALLER = {
    "edsr": {"n_resblocks": 1, "n_feats": 8},
    "srresnet": {"n_resblocks": 1, "n_feats": 8},
    "srgan": {"n_feats": 4, "hidden": 8},
    "srgan_report": {"n_feats": 4, "hidden": 8},
    "unet_sn": {"n_feats": 4},
    "perceptual": {"weights": "random", "layers": ("blocks.1",)},
}
"""What is changed of a plugin's arguments, for a network that takes a step in no time."""
GAME = 'adversarial={discriminator={name="unet_sn", n_feats=4}, weight=0.1}'


def smaller(use: Use) -> Use:
    return Use(use.name, {**use.args, **SMALLER.get(use.name, {})})


def small(part: Recipe) -> Recipe:
    """A stage of a released recipe, with all that it is made of, in a small size."""
    drawn = Use("drawn")
    crop = 14 if part.adversarial else 10
    data = replace(part.data, train=drawn, validation=drawn, lr_crop=crop, batch=2, workers=0)
    metrics = tuple(use for use in part.train.metrics if use.name != "feature_distance")
    loaded = replace(
        part.train, steps=2, evaluate_every=2, checkpoint_every=1, metrics=metrics,
        unfolded_share=part.train.unfolded_share and 0.5,
    )  # fmt: skip
    # Of a gradient that is nothing but rounding, Adam makes a whole step.
    calm, opponent = replace(part.optimizer, eps=1e-4), replace(part.opponent, eps=1e-4)
    game = part.adversarial and replace(
        part.adversarial,
        discriminator=smaller(part.adversarial.discriminator),
        optimizer=opponent,
    )
    return replace(
        part,
        generator=smaller(part.generator),
        data=data,
        train=loaded,
        schedule=replace(part.schedule, warmup=min(part.schedule.warmup, 1)),
        losses=tuple(Weighted(smaller(term.use), term.weight) for term in part.losses),
        adversarial=game,
        optimizer=calm,
        init=None,
        average_stages=1,
    )


def distinct() -> list:
    """The stages of all released recipes that differ in more than their size."""
    found: dict[str, Recipe] = {}
    for name in RELEASED:
        for number, part in enumerate(recipe.load(name).each(), start=1):
            made = small(part)
            # By another rate or weight a step does nothing else.
            losses = [term.use for term in made.losses]
            game = made.adversarial
            key = repr((made.generator, losses, game and game.discriminator, made.train,
                        made.optimizer.name, made.data.degradation, made.data.draw))  # fmt: skip
            found.setdefault(key, (f"{name}-{number}", made))
    return [pytest.param(made, id=name) for name, made in found.values()]


def state(run: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(run / f"checkpoints/{step:09d}/state.safetensors")


def near(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    """Equal but for rounding: tensors that lie elsewhere in memory are summed in another order."""
    assert a.keys() == b.keys()
    for name, tensor in a.items():
        away = (tensor.double() - b[name].double()).norm()
        assert away <= 1e-3 * tensor.double().norm() + 1e-5, name


@pytest.mark.parametrize("loaded", distinct())
def test_a_stage_of_a_released_recipe_trains_there_as_on_the_cpu(
    tiny, tmp_path, monkeypatch, loaded
):
    tiny()
    on_cpu, there = {}, {}
    watch = training.Callbacks(on_evaluation=lambda _, values: on_cpu.update(values))
    training.train(loaded, tmp_path / "cpu", watch=watch)
    with standin(monkeypatch):
        watch = training.Callbacks(on_evaluation=lambda _, values: there.update(values))
        training.train(loaded, tmp_path / "there", watch=watch)
    near(state(tmp_path / "cpu", 2), state(tmp_path / "there", 2))
    assert there == pytest.approx(on_cpu, rel=1e-3)
    assert there.keys() >= {"psnr_y"}
    log = (tmp_path / "there/log.jsonl").read_text()
    assert "warning" not in log.replace("trained on", ""), log


@pytest.mark.parametrize("name", RELEASED)
def test_a_step_waits_for_nothing_on_the_device(tiny, monkeypatch, name):
    tiny()
    loaded = small(recipe.load(name).each()[-1])
    with standin(monkeypatch):
        accelerator = accelerator_for(loaded)
        parts = training.assemble(loaded, device=DEVICE)
        made = step.prepare(parts, accelerator)
        step.train_step(made, parts.crops.batch(0))  # what is made once may wait
        with waits(monkeypatch) as seen:
            step.train_step(made, parts.crops.batch(1))
            loop._average(made, 1)
    # The crops are copied from pinned memory on a card, which waits for nothing.
    assert seen == ["aten._to_copy.default"] * 2


def test_it_refuses_what_a_card_refuses():
    here = torch.rand(2, 3)
    with Standin():
        there = here.to(DEVICE)
        assert there.device == DEVICE
        assert torch.equal((there + there).cpu(), here + here)
        assert torch.rand(2, device=DEVICE).device == DEVICE
        for mixed in (
            lambda: there + here,
            lambda: here.add_(there),
            lambda: torch.cat([there, here]),
            lambda: there @ here.T,
            lambda: torch._foreach_lerp_([there], [here], 0.5),
            lambda: nn.functional.conv2d(there[None, None], here[None, None]),
        ):
            with pytest.raises(RuntimeError, match="found cpu and lazy:0"):
                mixed()
        # As a card does: numbers and indices of the CPU.
        assert torch.equal((there * torch.tensor(2.0)).cpu(), here * 2)
        assert torch.equal(there[torch.tensor([1])].cpu(), here[[1]])
        with pytest.raises(RuntimeError):
            there.numpy()
    assert isinstance(there, There)


def test_gradients_stay_there():
    with Standin():
        x = torch.rand(3).to(DEVICE).requires_grad_()
        (x * x).sum().backward()
        assert x.grad is not None
        assert x.grad.device == DEVICE
        with pytest.raises(RuntimeError, match="found cpu and lazy:0"):
            x.grad.add_(torch.rand(3))


class Modular(nn.Module):
    """A loss that is a module, with a tensor of its own."""

    reference = True

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weights", torch.ones(1, 3, 1, 1))

    def forward(self, pair: Pair) -> torch.Tensor:
        """A scalar."""
        return (self.weights * (pair.sr - pair.hr).abs()).mean()


@pytest.fixture
def modular(tiny):
    srzoo.losses.register("modular", Modular)
    yield tiny
    srzoo.losses.unregister("modular")


def devices_at_each_step(monkeypatch) -> list[set[torch.device]]:
    """Where the networks are after each step, and when they are validated."""
    seen: list[set[torch.device]] = []
    average, validate = loop._average, loop.validate

    def look(parts) -> None:
        modules = [parts.generator, parts.ema]
        modules += [*parts.task.networks.values(), *parts.task.helpers.values()]
        tensors = [t for module in modules for t in module.state_dict().values()]
        seen.append({tensor.device for tensor in tensors})

    def averaged(run, now):
        average(run, now)
        look(run.parts)

    def validated(parts, sheet):
        values = validate(parts, sheet)
        look(parts)
        return values

    monkeypatch.setattr(loop, "_average", averaged)
    monkeypatch.setattr(loop, "validate", validated)
    return seen


QUICK = ["train.steps=4", "train.evaluate_every=2", "train.checkpoint_every=2"]


@pytest.mark.parametrize("ema", [0, 0.9])
def test_all_of_a_run_stays_there(modular, tmp_path, monkeypatch, ema):
    changes = [GAME, "losses=[{name='modular'}]", f"train.ema={ema}", "train.clip=0.1"]
    words = []
    with standin(monkeypatch):
        seen = devices_at_each_step(monkeypatch)
        loaded = recipe.load(modular(), [*changes, *QUICK])
        training.train(loaded, tmp_path / "run", watch=training.Callbacks(on_word=words.append))
    assert seen == [{DEVICE}] * 6
    assert not [word for word in words if "cannot" in word], words
    assert srzoo.load(tmp_path / "run")


def test_validation_runs_there(tiny, tmp_path, monkeypatch):
    asked = []
    validate = loop.validate

    def watched(parts, sheet):
        # Memory is measured on a copy, on the CPU.
        def hook(module, arguments):
            asked.extend(arguments[0].device for _ in range(module is parts.ema))

        with parts.ema.register_forward_pre_hook(hook):
            return validate(parts, sheet)

    monkeypatch.setattr(loop, "validate", watched)
    with standin(monkeypatch):
        training.train(recipe.load(tiny(), QUICK), tmp_path / "run")
    assert len(asked) >= 2 * COUNT
    assert set(asked) == {DEVICE}


@pytest.mark.parametrize("game", [[], [GAME]], ids=["alone", "game"])
def test_a_run_resumes_there_as_if_it_had_not_stopped(tiny, tmp_path, monkeypatch, game):
    loaded = recipe.load(tiny(), [*QUICK, *game, "train.accumulate=2"])
    average = loop._average

    def stop(run, now):
        average(run, now)
        if now + 1 == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with standin(monkeypatch):
        training.train(loaded, tmp_path / "whole")
        with monkeypatch.context() as patch:
            patch.setattr(loop, "_average", stop)
            assert training.train(loaded, tmp_path / "halves").step == 3
        assert training.train(loaded, tmp_path / "halves").complete
    whole, halves = (state(tmp_path / name, 4) for name in ("whole", "halves"))
    assert whole.keys() == halves.keys()
    assert all(torch.equal(tensor, halves[name]) for name, tensor in whole.items())


def test_it_goes_back_there_where_a_loss_is_no_number(tiny, tmp_path, monkeypatch):
    class Poison:
        reference = True
        calls = 0

        def __call__(self, pair):
            Poison.calls += torch.is_grad_enabled()
            bad = Poison.calls == 4 and torch.is_grad_enabled()
            return 0 * pair.sr.mean() + (torch.nan if bad else 0.0)

    srzoo.losses.register("poison", Poison)
    try:
        loaded = recipe.load(tiny(), [*QUICK, GAME, 'losses=[{name="l1"}, {name="poison"}]'])
        words = []
        with standin(monkeypatch):
            training.train(loaded, tmp_path / "run", watch=training.Callbacks(on_word=words.append))
    finally:
        srzoo.losses.unregister("poison")
    assert [word for word in words if "poison is not finite at step 4" in word], words
    assert checkpoint.read_progress(tmp_path / "run/checkpoints/000000004").rollbacks == 1
    assert all(tensor.isfinite().all() for tensor in state(tmp_path / "run", 4).values())
