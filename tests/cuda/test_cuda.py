"""What only a CUDA card can tell; skipped where there is none: ``pytest -m cuda``."""

from __future__ import annotations

import copy
import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

import srzoo
from srzoo import training
from srzoo.recipes import recipe
from srzoo.training import checkpoint, loop, step
from srzoo.training.processes import accelerator_for

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU"),
]

RELEASED = ("edsr-x4", "srresnet-x4", "srgan-x4", "edsrgan-x4", "edsrgan-real-x4")
EXACT = ["train.tf32=false", "train.cudnn_benchmark=false"]
CUDA = torch.device("cuda")


def stages(name: str) -> list[int]:
    """The first and the last stage of a released recipe."""
    count = len(recipe.load(name).each())
    return sorted({0, count - 1})


def one_step(name: str, stage: int, device: str, changes: list[str], data: Path):
    """The generator's weights before and after a step, and the losses."""
    small = ["data.batch=4", "data.lr_crop=24", "data.workers=0", "train.metrics=['psnr_y']"]
    whole = recipe.load(name, [*changes, *small])
    part = whole.each()[stage]
    accelerator = accelerator_for(part)
    if device == "cpu":
        accelerator.state.device = torch.device("cpu")
    parts = training.assemble(whole, data, stage=stage, device=torch.device(device))
    parts.foldable.folded = part.train.fold
    run = step.prepare(parts, accelerator)
    before = [p.detach().cpu().clone() for p in parts.generator.parameters()]
    taken = step.train_step(run, parts.crops.batch(0))
    odd, bad, _ = taken.finite.read()
    assert not bad, odd
    after = [p.detach().cpu() for p in parts.generator.parameters()]
    moved = [b - a for a, b in zip(before, after, strict=True)]
    return moved, {name: float(value) for name, value in taken.losses.items()}


def alike(a: list[torch.Tensor], b: list[torch.Tensor]) -> float:
    """The cosine between two moves."""
    a, b = (torch.cat([x.flatten().double() for x in each]) for each in (a, b))
    return float(a @ b / (a.norm() * b.norm()))


@pytest.mark.parametrize("name", RELEASED)
def test_a_step_waits_for_nothing_on_the_card(name, data):
    small = ["data.batch=4", "data.lr_crop=24", "data.workers=0", "train.metrics=['psnr_y']"]
    whole = recipe.load(name, small)
    last = len(whole.each()) - 1
    accelerator = accelerator_for(whole.each()[last])
    parts = training.assemble(whole, data, stage=last, device=CUDA)
    run = step.prepare(parts, accelerator)
    for number in range(4):  # what is made once may wait: kernels are chosen, buffers are got
        step.train_step(run, parts.crops.batch(number))
    torch.cuda.set_sync_debug_mode("error")
    try:
        step.train_step(run, parts.crops.batch(4))
        loop._average(run, 4)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", RELEASED)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_of_each_released_recipe_is_the_cpus(name, precision, data):
    for stage in stages(name):
        sgd = ["optimizer={name='sgd', lr=1.0}"]
        cpu, wanted = one_step(name, stage, "cpu", [*EXACT, *sgd], data)
        card, losses = one_step(
            name, stage, "cuda", [*EXACT, *sgd, f"train.precision={precision}"], data
        )
        assert losses.keys() == wanted.keys()
        near = 1e-3 if precision == "fp32" else 0.05
        for key, value in wanted.items():
            assert losses[key] == pytest.approx(value, rel=near, abs=1e-4), (stage, key)
        assert alike(cpu, card) > (0.9999 if precision == "fp32" else 0.97), stage


def test_a_resumed_run_goes_on(tiny, tmp_path, monkeypatch):
    loaded = recipe.load(tiny(), EXACT)
    average = loop._average

    def stop(run, now):
        average(run, now)
        if now + 1 == 7:
            os.kill(os.getpid(), signal.SIGTERM)

    training.train(loaded, tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(loop, "_average", stop)
        assert training.train(loaded, tmp_path / "halves").step == 7
    assert training.train(loaded, tmp_path / "halves").complete
    from safetensors.torch import load_file

    whole, halves = (
        load_file(tmp_path / n / "checkpoints/000000012/state.safetensors")
        for n in ("whole", "halves")
    )
    for key, tensor in whole.items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, halves[key], atol=1e-4), key


GAME = 'adversarial={discriminator={name="patchgan", n_feats=4}, weight=0.1}'


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_mixed_precision_with_a_discriminator_learns(tiny, tmp_path, precision):
    changes = [f"train.precision={precision}", GAME, "train.accumulate=2", "train.clip=1.0"]
    outcome = training.train(recipe.load(tiny(), [*changes, "train.steps=60"]), tmp_path / "run")
    assert outcome.complete
    lines = [json.loads(x) for x in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    losses = [line["losses"]["l1"] for line in lines if "losses" in line]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("mode", ["default", "reduce-overhead"])
def test_compiled_steps_are_the_plain_ones(tiny, tmp_path, mode):
    ends = []
    for compile_ in ("off", mode):
        loaded = recipe.load(tiny(), [*EXACT, f"train.compile={compile_}", "train.ema=0.0"])
        training.train(loaded, tmp_path / compile_)
        ends.append(checkpoint.list_checkpoints(tmp_path / compile_)[-1])
    from safetensors.torch import load_file

    plain, compiled = (load_file(end / "model.safetensors") for end in ends)
    for key, tensor in plain.items():
        assert torch.allclose(tensor, compiled[key], atol=2e-3), key


def test_what_is_not_finite_is_found_and_rolled_back(tiny, tmp_path):
    class Poison:
        reference = True
        calls = 0

        def __call__(self, pair):
            Poison.calls += 1
            return 0 * pair.sr.mean() + (torch.nan if Poison.calls == 6 else 0.0)

    srzoo.losses.register("poison", Poison)
    try:
        loaded = recipe.load(tiny(), ['losses=[{name="l1"}, {name="poison"}]'])
        assert training.train(loaded, tmp_path / "run").complete
    finally:
        srzoo.losses.unregister("poison")
    assert len(list((tmp_path / "run/rejected").iterdir())) == 1
    assert (
        checkpoint.read_progress(checkpoint.list_checkpoints(tmp_path / "run")[-1]).rollbacks == 1
    )


def test_gradient_checkpointing_takes_less_memory_and_changes_nothing(data):
    def peak(change: bool):
        loaded = recipe.load(
            "edsr-x4", [f"train.gradient_checkpointing={str(change).lower()}", *EXACT,
                        "data.workers=0", "train.compile=off"])  # fmt: skip
        parts = training.assemble(loaded, data, device=CUDA)
        run = step.prepare(parts, accelerator_for(loaded.each()[0]))
        torch.cuda.reset_peak_memory_stats()
        taken = step.train_step(run, parts.crops.batch(0))
        return torch.cuda.max_memory_allocated(), float(taken.losses["l1"])

    (less, again), (more, once) = peak(True), peak(False)
    assert less < 0.8 * more
    assert again == pytest.approx(once, rel=1e-5)


@pytest.mark.parametrize("engine", ["torch"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_upscale_on_the_card_is_the_cpus(engine, precision):
    picture = np.random.default_rng(0).integers(0, 256, (97, 131, 3), np.uint8)
    card = srzoo.load("edsr-x4", engine=engine, device="cuda", precision=precision)
    cpu = srzoo.load("edsr-x4", engine=engine, device="cpu")
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        found = card.array(picture).astype(int)
    difference = np.abs(found - cpu.array(picture))
    assert difference.max() <= (1 if precision == "fp32" else 16)
    assert difference.mean() < (0.01 if precision == "fp32" else 1.0)


def test_tiles_keep_to_the_memory_they_are_given():
    picture = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), np.uint8)
    budget = 3300 * 10**6  # a little more than the picture itself and its result take
    upscaler = srzoo.load("edsr-x4", engine="torch", device="cuda", memory=budget)
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    tiled = upscaler.array(picture)
    assert torch.cuda.max_memory_allocated() <= budget
    whole = srzoo.load("edsr-x4", engine="torch", device="cuda").array(picture)
    assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_nothing_of_a_run_stays_on_the_cpu(tiny):
    loaded = recipe.load(tiny(), [GAME])
    parts = training.assemble(loaded, device=CUDA)
    networks = [parts.generator, parts.ema, parts.task.networks["discriminator"]]
    for network in networks:
        assert all(tensor.is_cuda for tensor in network.state_dict().values())
    before = copy.deepcopy(parts.generator.state_dict())
    training.validate.validate(parts, None)
    assert all(tensor.is_cuda for tensor in parts.generator.state_dict().values())
    for key, tensor in parts.generator.state_dict().items():
        assert torch.equal(tensor, before[key])
