"""Two networks against each other: both turns, both resumed, in stages."""

from __future__ import annotations

import itertools
import json
import os
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from srzoo import training
from srzoo.contracts import Pair
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import checkpoint, step
from srzoo.training.processes import accelerator_for
from srzoo.training.sending import Sender

SRGAN = 'adversarial={discriminator={name="srgan", n_feats=4, hidden=8}, weight=0.01}'
SPECTRAL = (
    'adversarial={discriminator={name="unet_sn", n_feats=4}, loss="hinge", weight=0.01,'
    ' optimizer={name="adamw", lr=1e-3}}'
)
RELATIVISTIC = 'adversarial={discriminator={name="patchgan", n_feats=4}, loss="relativistic"}'
STAGES = (
    "stages=[{name='psnr', train={steps=6}},"
    "{name='gan', train={steps=6, release='last'}, optimizer={lr=1e-3},"
    " losses=[{name='mse'}, {name='l1', weight=0.1}],"
    ' adversarial={discriminator={name="unet_sn", n_feats=4}, loss="lsgan"}}]'
)
CHANGES = {
    "vanilla": [SRGAN],
    "spectral": [SPECTRAL, "data.degradation=mixed"],
    "folded": [RELATIVISTIC, "train.fold=true", "train.unfolded_share=0.3", "data.lr_crop=16"],
    "accumulated": [SRGAN, "train.accumulate=2", "train.clip=0.1", "schedule.name=cosine"],
    "stages": [STAGES],
    "turns": [
        SRGAN.replace("weight", "d_steps=2, start=2, schedule={name='linear'}, weight"),
        "schedule={name='cosine_restarts', periods=[5, 7], restart_weights=[1, 0.5]}",
    ],
}


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "state.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def stopping_at(place: int, monkeypatch) -> None:
    """Send this process a SIGTERM once as many steps have been averaged."""
    from srzoo.training import loop

    average, count = loop._average, iter(range(1, 1000))

    def stop(parts, now):
        average(parts, now)
        if next(count) == place:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "_average", stop)


@pytest.mark.parametrize("place", [3, 6, 7])  # 6 is the last step of a first stage
@pytest.mark.parametrize("name", CHANGES)
def test_resumed_equals_uninterrupted_bit_for_bit(tiny, tmp_path, monkeypatch, name, place):
    loaded = recipe.load(tiny("srresnet" if name == "vanilla" else "edsr"), CHANGES[name])
    training.train(loaded, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stopping_at(place, patch)
        assert training.train(loaded, tmp_path / "halves") == training.Outcome(place, False)
    assert training.train(loaded, tmp_path / "halves").complete
    whole, halves = (tmp_path / n / "checkpoints/000000012" for n in ("whole", "halves"))
    state = tensors(whole)
    assert same(state, tensors(halves))
    for start in ("generator.", "ema.", "discriminator.", "optimizer.", "opponent.", "rng"):
        assert any(key.startswith(start) for key in state), start
    assert (whole / "model.safetensors").read_bytes() == (halves / "model.safetensors").read_bytes()
    lines = [[x for x in log(tmp_path / n) if "validation" in x] for n in ("whole", "halves")]
    assert lines[0] == lines[1]


def test_spectral_norm_vectors_are_kept(tiny, tmp_path):
    training.train(recipe.load(tiny(), [SPECTRAL]), tmp_path / "run")
    state = tensors(tmp_path / "run/checkpoints/000000012")
    assert [key for key in state if key.startswith("discriminator.") and key.endswith("_u")]


def weights(module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in module.parameters()]


def equal(a: list[torch.Tensor], b: list[torch.Tensor]) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("still", ["generator", "discriminator"])
def test_each_turn_moves_its_own_network_alone(tiny, still):
    """With a learning rate of zero for one, that one stays as it is and the other moves."""
    game = SPECTRAL.replace("lr=1e-3", "lr=0") if still == "discriminator" else SPECTRAL
    loaded = recipe.load(tiny(), [game, *(["optimizer.lr=0"] if still == "generator" else [])])
    parts = training.assemble(loaded)
    run = step.prepare(parts, accelerator_for(loaded))
    networks = {"generator": parts.generator, "discriminator": parts.task.networks["discriminator"]}
    before = {name: weights(network) for name, network in networks.items()}
    for number in range(2):
        step.train_step(run, parts.crops.batch(number))
    for name, network in networks.items():
        assert equal(before[name], weights(network)) == (name == still), name
        assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_the_generator_waits_for_its_turn(tiny, tmp_path):
    """D moves in every step; the generator in the last of each three after the first two."""
    game = SPECTRAL.replace("weight", "d_steps=3, start=2, weight")
    changes = ["train.checkpoint_every=1", "train.keep=20", "train.ema=0", "train.steps=9"]
    training.train(recipe.load(tiny(), [game, *changes]), tmp_path / "run")
    states = [tensors(folder) for folder in checkpoint.list_checkpoints(tmp_path / "run")]
    moved = {
        who: [
            any(
                not torch.equal(before[name], after[name])
                for name in after
                if name.startswith(f"{who}.") and "weight_" not in name
            )
            for before, after in itertools.pairwise(states)
        ]
        for who in ("generator", "discriminator")
    }
    assert moved["discriminator"] == [True] * 9
    assert moved["generator"] == [number in (5, 8) for number in range(1, 10)]


def test_the_discriminator_has_a_schedule_of_its_own(tiny, tmp_path):
    """It stands still once its own rate is 0, and the generator goes on."""
    still = SPECTRAL.replace("weight", "schedule={name='step', at=[2], gamma=0.0}, weight")
    loaded = recipe.load(tiny(), [still, "train.checkpoint_every=1", "train.keep=20"])
    training.train(loaded, tmp_path / "run")
    at = {n: tensors(checkpoint.folder_of(tmp_path / "run", n)) for n in (1, 2, 3, 12)}
    for who, end in (("discriminator", True), ("generator", False)):
        names = [
            name for name in at[2]
            if name.startswith(f"{who}.") and not name.endswith(("_u", "_v"))
        ]  # fmt: skip
        assert any(not torch.equal(at[1][name], at[2][name]) for name in names)
        assert all(torch.equal(at[2][name], at[12][name]) for name in names) == end


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("d_steps=0", "adversarial.d_steps is 0. Use a value of at least 1"),
        ("start=-1", "adversarial.start is -1"),
        ("start=12", "leaves no step of 12 to the generator, with start 12"),
        ("d_steps=13", "leaves no step of 12 to the generator"),
        (
            "schedule={name='cosine_restarts'}",
            r"adversarial.schedule.periods is \[\], 0 steps",
        ),
    ],
)
def test_turns_that_make_no_sense_are_told(tiny, more, message):
    with pytest.raises(SrzooError, match=message):
        recipe.load(tiny(), [SRGAN.replace("weight", f"{more}, weight")])


def test_the_discriminator_follows_its_own_loss_alone(tiny):
    """Nothing of the generator's turn is left in its gradient."""
    game = (
        'adversarial={discriminator={name="patchgan", n_feats=4}, weight=100.0,'
        ' optimizer={name="sgd", lr=1.0}}'
    )
    loaded = recipe.load(tiny(), [game, "optimizer.name=sgd", "optimizer.lr=0"])
    parts, same_parts = training.assemble(loaded), training.assemble(loaded)
    batch = parts.crops.batch(0)
    step.train_step(step.prepare(parts, accelerator_for(loaded)), batch)

    twin = same_parts.task.networks["discriminator"]
    with torch.no_grad():
        lr, hr = (Sender()(side) for side in (batch.lr, batch.hr))
        pair = Pair(lr=lr, hr=hr, sr=same_parts.generator(lr))
    # The generator's turn comes first and moves BatchNorm's statistics, which training ignores.
    same_parts.task.loss.for_discriminator(twin, pair).backward()
    moved = parts.task.networks["discriminator"].parameters()
    for before, after in zip(twin.parameters(), moved, strict=True):
        assert torch.allclose(before - before.grad, after, atol=1e-5)


def test_the_generator_learns_to_pass_for_real(tiny, tmp_path):
    """Against a discriminator that stays as it is, D(fake) rises."""
    loaded = recipe.load(tiny(), [
        'adversarial={discriminator={name="patchgan", n_feats=8}, weight=1.0,'
        ' optimizer={name="sgd", lr=0.0}}', "losses=[]", "train.steps=150",
        "train.evaluate_every=150",
    ])  # fmt: skip
    training.train(loaded, tmp_path / "run")
    facts = [line["facts"] for line in log(tmp_path / "run") if "facts" in line]
    assert facts[-1]["d_fake"] > facts[0]["d_fake"]


def test_the_discriminator_learns_to_tell(tiny, tmp_path):
    loaded = recipe.load(tiny(), [SRGAN, "train.steps=150", "train.evaluate_every=150"])
    training.train(loaded, tmp_path / "run")
    lines = [line for line in log(tmp_path / "run") if "facts" in line]
    assert lines[-1]["losses"]["discriminator"] < lines[0]["losses"]["discriminator"]
    assert lines[-1]["facts"]["d_right"] > 0.8
    assert lines[-1]["losses"].keys() == {"l1", "adversarial", "discriminator"}


def test_frozen_weights_of_a_discriminator_stay_frozen(tiny):
    timm = 'adversarial={discriminator={name="timm", hidden=4, frozen=true, stage=1}}'
    loaded = recipe.load(tiny(), [timm, "data.lr_crop=16"])
    parts = training.assemble(loaded)
    run = step.prepare(parts, accelerator_for(loaded))
    before = weights(parts.task.networks["discriminator"].backbone)
    step.train_step(run, parts.crops.batch(0))
    backbone = parts.task.networks["discriminator"].backbone
    assert equal(before, weights(backbone))
    assert not any(p.requires_grad for p in backbone.parameters())


def test_two_losses_of_one_name_are_both_counted(tiny, tmp_path):
    loaded = recipe.load(tiny(), ["losses=[{name='l1'}, {name='mse'}, {name='l1', weight=3}]"])
    training.train(loaded, tmp_path / "run")
    losses = next(line["losses"] for line in log(tmp_path / "run") if "losses" in line)
    assert losses.keys() == {"l1-1", "mse", "l1-2"}
    assert losses["l1-2"] == pytest.approx(3 * losses["l1-1"], rel=1e-5)


def test_crops_that_the_discriminator_cannot_judge_are_refused(tiny):
    loaded = recipe.load(tiny(), [SPECTRAL, "data.lr_crop=2"])
    with pytest.raises(SrzooError, match=r"gets 4x4 pixels of a crop, but needs .*lr_crop"):
        training.assemble(loaded)


def test_stages_begin_where_the_one_before_was_best(tiny, tmp_path, monkeypatch):
    """The best of the first stage, not its last, is what the second starts from."""
    from srzoo.training import loop

    values = iter([30.0, 20.0, 10.0, 9.0, 8.0])
    monkeypatch.setattr(loop, "validate", lambda parts, sheet: {"psnr_y": next(values)})
    words = []
    changes = [STAGES, "stages.0.train.evaluate_every=2", "train.keep=20"]
    loaded = recipe.load(tiny(), changes)
    training.train(loaded, tmp_path / "run", watch=training.Callbacks(on_word=words.append))
    assert words == [
        "stage psnr: 6 steps", "stage gan: 6 steps",
        f"12 of 12 tensors copied from {tmp_path / 'run'}",
    ]  # fmt: skip
    best, second = (
        load_file(tmp_path / f"run/checkpoints/{number:09d}/{name}.safetensors")
        for number, name in ((2, "model"), (6, "state"))
    )
    for name, tensor in best.items():
        assert torch.equal(tensor, second[f"generator.{name}"]), name
    last = tmp_path / "run/checkpoints/000000012/model.safetensors"
    assert (tmp_path / "run/model.safetensors").read_bytes() == last.read_bytes()
    steps = {line["step"]: line["losses"] for line in log(tmp_path / "run") if "losses" in line}
    assert steps[6].keys() == {"l1"}
    assert steps[12].keys() == {"mse", "l1", "adversarial", "discriminator"}


@pytest.mark.parametrize(("evaluation", "end"), [(1, (6, False)), (2, (12, True))])
def test_a_stop_while_a_stage_ends(tiny, tmp_path, monkeypatch, evaluation, end):
    """It is not lost between two stages; at the very end there is nothing left to stop."""
    from srzoo.training import loop

    validate, count = loop.validate, iter(range(1, 10))

    def stop(parts, sheet):
        if next(count) == evaluation:
            os.kill(os.getpid(), signal.SIGTERM)
        return validate(parts, sheet)

    monkeypatch.setattr(loop, "validate", stop)
    loaded = recipe.load(tiny(), [STAGES, "train.evaluate_every=100"])
    outcome = training.train(loaded, tmp_path / "run")
    assert (outcome.step, outcome.complete) == end
    assert training.train(loaded, tmp_path / "run").complete


def test_a_checkpoint_of_another_stage_is_refused(tiny, tmp_path):
    training.train(recipe.load(tiny(), [STAGES]), tmp_path / "run")
    end = tmp_path / "run/checkpoints/000000012"
    with pytest.raises(SrzooError, match="made in stage 2, but the recipe has 1"):
        training.train(recipe.load(tiny(), []), tmp_path / "other", resume=end)
    assert checkpoint.read_progress(end).stage == 1
