"""Training on a device that takes no tensors of the CPU: nothing of a run stays behind."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from standin import DEVICE, Standin, There, standin

import srzoo
from srzoo import recipe, training
from srzoo.contracts import Pair
from srzoo.recipe import Recipe, Weighted
from srzoo.registry import Use
from srzoo.training import checkpoint, loop

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
    plan = replace(
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
        train=plan,
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


@pytest.mark.parametrize("plan", distinct())
def test_a_stage_of_a_released_recipe_trains_there_as_on_the_cpu(tiny, tmp_path, monkeypatch, plan):
    tiny()
    on_cpu, there = {}, {}
    watch = training.Watch(on_evaluation=lambda _, values: on_cpu.update(values))
    training.train(plan, tmp_path / "cpu", watch=watch)
    with standin(monkeypatch):
        watch = training.Watch(on_evaluation=lambda _, values: there.update(values))
        training.train(plan, tmp_path / "there", watch=watch)
    near(state(tmp_path / "cpu", 2), state(tmp_path / "there", 2))
    assert there == pytest.approx(on_cpu, rel=1e-3)
    assert there.keys() >= {"psnr_y"}
    log = (tmp_path / "there/log.jsonl").read_text()
    assert "warning" not in log.replace("trained on", ""), log
