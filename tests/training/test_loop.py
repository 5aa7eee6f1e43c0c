"""A run stops anywhere and goes on as if it had not; its folder is a model folder throughout."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import drawn
from safetensors.torch import load_file

import srzoo
from srzoo import training
from srzoo.errors import FallbackWarning, SrzooError
from srzoo.models.folder import read_folder
from srzoo.recipes import recipe
from srzoo.training import checkpoint, step
from srzoo.training.processes import accelerator_for


def tensors(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "state.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def stopping_at(step: int, monkeypatch) -> None:
    """Send this process a SIGTERM when a step has been averaged."""
    from srzoo.training import loop

    average = loop._average

    def stop(parts, now):
        average(parts, now)
        if now + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "_average", stop)


CHANGES = {
    "edsr": [],
    "srresnet": [],  # BatchNorm
    "folded": ["train.fold=true", "train.unfolded_share=0.4"],
    "accumulated": ["train.accumulate=2", "train.clip=0.1", "schedule.name=cosine"],
    "muon": ["optimizer.name=muon", "optimizer.momentum=0.95", "data.draw=detail"],
    "realistic": ["data.degradation=mixed", "optimizer.name=adamw", "data.draw=area"],
}


@pytest.mark.parametrize("name", CHANGES)
def test_resumed_equals_uninterrupted_bit_for_bit(tiny, tmp_path, monkeypatch, name):
    loaded = recipe.load(tiny("srresnet" if name == "srresnet" else "edsr"), CHANGES[name])
    training.train(loaded, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stopping_at(7, patch)
        first = training.train(loaded, tmp_path / "halves")
    assert first == training.Outcome(7, complete=False)
    second = training.train(loaded, tmp_path / "halves")
    assert second.complete
    whole, halves = (tmp_path / n / "checkpoints/000000012" for n in ("whole", "halves"))
    assert same(tensors(whole), tensors(halves))
    assert (whole / "model.safetensors").read_bytes() == (halves / "model.safetensors").read_bytes()
    logs = [
        [line for line in log(tmp_path / name) if "validation" in line]
        for name in ("whole", "halves")
    ]
    assert logs[0] == logs[1]


def test_another_seed_gives_other_weights(tiny, tmp_path):
    for seed in (1, 2):
        training.train(recipe.load(tiny(), [f"train.seed={seed}"]), tmp_path / str(seed))
    first, second = (tensors(tmp_path / s / "checkpoints/000000012") for s in "12")
    assert not same(first, second)


@pytest.mark.parametrize("ema", [0, 0.9])
def test_frozen_statistics_stay_while_weights_move(tiny, tmp_path, ema):
    loaded = recipe.load(tiny("srresnet"), ["train.freeze_norm=true", f"train.ema={ema}"])
    loaded = replace(loaded, train=replace(loaded.train, evaluate_every=1))
    before = training.assemble(loaded).generator.state_dict()
    training.train(loaded, tmp_path / "run")
    after = load_file(tmp_path / "run/model.safetensors")
    statistics = {name for name in after if "running" in name or "tracked" in name}
    assert statistics
    assert {name for name in after if torch.equal(before[name], after[name])} == statistics


def test_nothing_to_freeze_is_told(tiny):
    with pytest.raises(SrzooError, match=r"'edsr' has no BatchNorm.*Set train.freeze_norm = false"):
        training.assemble(recipe.load(tiny(), ["train.freeze_norm=true"]))


def test_muon_wants_momentum(tiny):
    with pytest.raises(SrzooError, match=r"optimizer.momentum is 0, but muon .*Set it to 0.95"):
        training.assemble(recipe.load(tiny(), ["optimizer.name=muon"]))


def test_training_learns(tiny, tmp_path):
    loaded = recipe.load(tiny(), ["train.steps=150", "train.evaluate_every=75"])
    seen = []
    watch = training.Callbacks(on_evaluation=lambda _, values: seen.append(values["psnr_y"]))
    training.train(loaded, tmp_path / "run", watch=watch)
    assert seen[-1] > 20
    lines = log(tmp_path / "run")
    losses = [line["losses"]["l1"] for line in lines if "losses" in line]
    assert losses[-1] < losses[0] / 2


def test_the_folder_is_a_model_folder(tiny, tmp_path, photo):
    training.train(recipe.load(tiny()), tmp_path / "run")
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == [
        "checkpoints", "config.json", "curves.png", "data.json", "log.jsonl", "model.safetensors",
        "recipe.toml", "sheet.png",
    ]  # fmt: skip
    assert srzoo.load(tmp_path / "run")(drawn()).size == (90, 62)
    assert recipe.load(tmp_path / "run") == recipe.load(tiny())
    for folder in checkpoint.list_checkpoints(tmp_path / "run"):
        read_folder(folder)


def test_the_best_checkpoint_stays_and_is_published(tiny, tmp_path, monkeypatch):
    from srzoo.training import loop

    values = iter([20.0, 30.0, *(29.0 - n for n in range(20))])
    monkeypatch.setattr(loop, "validate", lambda parts, sheet: {"psnr_y": next(values)})
    loaded = recipe.load(tiny(), ["train.evaluate_every=1", "train.keep=1"])
    training.train(loaded, tmp_path / "run")
    assert [int(f.name) for f in checkpoint.list_checkpoints(tmp_path / "run")] == [2, 12]
    best = tmp_path / "run/checkpoints/000000002/model.safetensors"
    assert (tmp_path / "run/model.safetensors").read_bytes() == best.read_bytes()


def test_the_last_checkpoint_is_published_if_the_recipe_says_so(tiny, tmp_path, monkeypatch):
    from srzoo.training import loop

    values = iter([30.0, 20.0, 10.0])
    monkeypatch.setattr(loop, "validate", lambda parts, sheet: {"psnr_y": next(values)})
    training.train(recipe.load(tiny(), ["train.release=last"]), tmp_path / "run")
    last = tmp_path / "run/checkpoints/000000012/model.safetensors"
    assert (tmp_path / "run/model.safetensors").read_bytes() == last.read_bytes()


def test_steps_that_are_done_again_stand_in_the_log_once(tiny, tmp_path):
    training.train(recipe.load(tiny()), tmp_path / "run")
    before = log(tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints/000000012")  # as a kill before it would leave it
    with (tmp_path / "run/log.jsonl").open("a") as file:
        file.write('{"step": 13, "los')
    training.train(recipe.load(tiny()), tmp_path / "run")
    after = log(tmp_path / "run")
    assert [x["step"] for x in after] == [x["step"] for x in before]
    assert [x for x in after if "validation" in x] == [x for x in before if "validation" in x]


def test_averaged_weights_follow_slowly(tiny):
    from srzoo.training.loop import _average

    loaded = recipe.load(tiny())
    parts = training.assemble(loaded)
    run = step.prepare(parts, accelerator_for(loaded))
    with torch.no_grad():
        for mean, now in zip(parts.ema.parameters(), parts.generator.parameters(), strict=True):
            mean.zero_()
            now.fill_(1)
    _average(run, 10**6)
    assert all(torch.allclose(mean, torch.tensor(0.1)) for mean in parts.ema.parameters())


def test_a_kill_between_checkpoint_and_release_is_made_good(tiny, tmp_path, monkeypatch):
    from srzoo.training import loop

    class Killed(Exception):  # noqa: N818
        """Instead of a signal, which no test could time so well."""

    def kill(*_):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(loop.checkpoint, "publish", kill)
        with pytest.raises(Killed):
            training.train(recipe.load(tiny()), tmp_path / "run")
    assert not (tmp_path / "run/config.json").exists()
    with monkeypatch.context() as patch:
        stopping_at(5, patch)
        training.train(recipe.load(tiny()), tmp_path / "run")
    assert srzoo.load(tmp_path / "run")(drawn()).size == (90, 62)


def test_checkpoints_are_pruned(tiny, tmp_path):
    loaded = recipe.load(tiny(), ["train.checkpoint_every=1", "train.keep=3"])
    training.train(loaded, tmp_path / "run")
    found = [int(folder.name) for folder in checkpoint.list_checkpoints(tmp_path / "run")]
    assert found[-3:] == [10, 11, 12]
    assert len(found) <= 4


def test_another_recipe_in_the_same_folder_is_refused(tiny, tmp_path):
    training.train(recipe.load(tiny()), tmp_path / "run")
    other = recipe.load(tiny(), ["train.ema=0.5", "train.steps=14"])
    with pytest.raises(SrzooError, match=r"another recipe: train.ema is now 0.5, was 0.9\. "):
        training.train(other, tmp_path / "run")
    with pytest.raises(SrzooError, match="already contains a run, at step 12"):
        training.train(other, tmp_path / "run", resume="never")
    on = tmp_path / "run/checkpoints/000000012"
    assert training.train(other, tmp_path / "run", resume=on).step == 14


def test_another_optimiser_is_refused(tiny, tmp_path):
    training.train(recipe.load(tiny()), tmp_path / "run")
    other = recipe.load(tiny(), ["optimizer.name=sgd", "train.steps=14"])
    on = tmp_path / "run/checkpoints/000000012"
    with pytest.raises(SrzooError, match="its optimiser was adam, not sgd"):
        training.train(other, tmp_path / "other", resume=on)


def test_a_recipe_made_in_python_is_checked_too(tiny, tmp_path):
    loaded = recipe.load(tiny())
    with pytest.raises(SrzooError, match=r"train\.keep is 0"):
        srzoo.train(replace(loaded, train=replace(loaded.train, keep=0)), tmp_path / "run")


def harmed(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "name", ["state.safetensors", "progress.json", "parts.json", "recipe.toml"]
)
def test_of_a_damaged_checkpoint_the_one_before_is_taken(tiny, tmp_path, name):
    """And the end is the same, as every step is a function of the state before it."""
    run = tmp_path / "run"
    training.train(recipe.load(tiny()), run)
    want = {n: (run / n).read_bytes() for n in ("config.json", "model.safetensors")}
    harmed(run / "checkpoints/000000012" / name)
    with pytest.warns(FallbackWarning, match="000000012 is damaged.* the previous checkpoint"):
        training.train(recipe.load(tiny()), run)
    assert {n: (run / n).read_bytes() for n in want} == want
    names = {path.name for path in (run / "checkpoints").iterdir()}
    assert {"000000012", "damaged-000000012"} <= names


def test_a_damaged_checkpoint_is_named(tiny, tmp_path):
    run = tmp_path / "run"
    training.train(recipe.load(tiny()), run)
    state = run / "checkpoints/000000012/state.safetensors"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(SrzooError, match="cannot resume from .*000000012"):
        training.train(recipe.load(tiny()), tmp_path / "other", resume=state.parent)


def test_a_checkpoint_of_an_earlier_version_is_one(tiny, tmp_path):
    """It has no digests."""
    run = tmp_path / "run"
    training.train(recipe.load(tiny()), run)
    for there in (run / "checkpoints").iterdir():
        (there / "parts.json").unlink()
        facts = json.loads((there / "progress.json").read_text())
        del facts["seal"]
        (there / "progress.json").write_text(json.dumps(facts))
    assert next(checkpoint.intact_checkpoints(run)).name == "000000012"


GAME = (
    "stages=[{name='psnr', train={steps=30}}, {name='gan', train={steps=30, release='last'},"
    " adversarial={discriminator={name='unet_sn', n_feats=4}, loss='relativistic'}}]"
)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
@pytest.mark.parametrize("more", [[], [GAME]], ids=["alone", "adversarial"])
def test_kill_9_loses_at_most_the_steps_since_the_last_checkpoint(tiny, tmp_path, more):
    """Killed at random moments, several times; the folder is whole each time, and the end equal."""
    changes = ["train.steps=60", "train.checkpoint_every=3", "train.evaluate_every=15", *more]
    training.train(recipe.load(tiny(), changes), tmp_path / "whole")
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]);"
        "from helpers import Drawn; import srzoo; srzoo.datasets.register('drawn', Drawn);"
        "from srzoo import training; from srzoo.recipes import recipe;"
        "training.train(recipe.load(sys.argv[2], sys.argv[4:]), Path(sys.argv[3]))"
    )
    arguments = [str(Path(__file__).parents[1]), str(tiny()), str(tmp_path / "run"), *changes]
    moments = random.Random(4)
    kills = 0
    for _ in range(40):
        run = subprocess.Popen([sys.executable, "-c", code, *arguments])
        reached = len(checkpoint.list_checkpoints(tmp_path / "run"))
        before = checkpoint.list_checkpoints(tmp_path / "run")[-1:] if reached else []
        deadline = time.monotonic() + 60
        while run.poll() is None and checkpoint.list_checkpoints(tmp_path / "run")[-1:] == before:
            assert time.monotonic() < deadline
            time.sleep(0.005)
        time.sleep(moments.random() * 0.15)
        if run.poll() is None and kills < 5:
            run.kill()
            kills += 1
        run.wait(60)
        folders = checkpoint.list_checkpoints(tmp_path / "run")
        for folder in folders[-1:]:
            read_folder(folder)
            tensors(folder)
        if (tmp_path / "run/config.json").exists():
            assert srzoo.load(tmp_path / "run")(np.zeros((8, 8, 3), np.uint8)).shape == (16, 16, 3)
        if folders and int(folders[-1].name) == 60:
            break
    assert kills >= 3
    end = "checkpoints/000000060"
    assert same(tensors(tmp_path / "whole" / end), tensors(tmp_path / "run" / end))
    assert (tmp_path / "run/model.safetensors").exists()


def test_init_says_what_was_taken_over(tiny, tmp_path):
    training.train(recipe.load(tiny(), ["train.steps=1"]), tmp_path / "x2")
    loaded = recipe.load(tiny(), ["generator.scale=4", "train.steps=1", "data.lr_crop=8"])
    loaded = replace(loaded, init=str(tmp_path / "x2"))
    words = []
    training.train(loaded, tmp_path / "x4", watch=training.Callbacks(on_word=words.append))
    assert words == [f"12 of 14 tensors copied from {tmp_path / 'x2'}; new: tail.0.2"]
    with pytest.raises(SrzooError, match="no tensor of bicubic-x2 fits"):
        training.assemble(replace(loaded, init="bicubic-x2"))


def test_a_name_or_a_file_is_enough(tiny, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert srzoo.train(tiny()).complete
    assert read_folder(tmp_path / "runs/tiny").config.generator == "edsr"
    assert srzoo.train(recipe.load(tiny())).complete
    assert read_folder(tmp_path / "runs/edsr").config.generator == "edsr"


def test_mixed_precision(tiny, tmp_path):
    training.train(recipe.load(tiny(), ["train.precision=bf16"]), tmp_path / "bf16")
    training.train(recipe.load(tiny()), tmp_path / "fp32")
    half, full = (tensors(tmp_path / n / "checkpoints/000000012") for n in ("bf16", "fp32"))
    assert not same(half, full)
    for name, tensor in full.items():
        if tensor.is_floating_point():
            assert half[name].dtype == torch.float32, name
    if not torch.cuda.is_available():
        with pytest.raises(SrzooError, match="fp16 needs a CUDA GPU"):
            training.train(recipe.load(tiny(), ["train.precision=fp16"]), tmp_path / "fp16")


def test_mdsr_trains_every_scale(tiny, tmp_path):
    text = tiny().read_text().replace('name = "edsr"', 'name = "mdsr"')
    text = text.replace("scale = 2", "scales = [2, 3]")
    (tmp_path / "mdsr.toml").write_text(text)
    loaded = recipe.load(tmp_path / "mdsr.toml", ["train.fold=true"])
    parts = training.assemble(loaded)
    assert {parts.crops.scale(step) for step in range(20)} == {2, 3}
    outcome = training.train(loaded, tmp_path / "run")
    assert set(outcome.values) == {"psnr_y_x2", "psnr_y_x3", "ssim_y_x2", "ssim_y_x3"}


def test_folding_needs_a_linear_tail(tiny):
    with pytest.raises(SrzooError, match="no linear tail"):
        training.assemble(recipe.load(tiny("srresnet"), ["train.fold=true"]))


def test_data_placeholder(tiny, monkeypatch):
    monkeypatch.delenv("SRZOO_DATA", raising=False)
    loaded = recipe.load(tiny(), ['data.train={name="folder", path="{data}/train"}'])
    with pytest.raises(SrzooError, match='Give data="DIR"'):
        training.assemble(loaded)


def test_two_metrics_of_a_kind_and_data_in_their_arguments(tiny, tmp_path, data):
    judges = [
        "{name='psnr_y'}",
        "{name='psnr_y', shave=0}",
        "{name='feature_distance', weights='{data}/tf_efficientnet_lite0.fp16.safetensors'}",
    ]
    loaded = recipe.load(tiny(), [f"train.metrics=[{', '.join(judges)}]"])
    found = training.train(loaded, tmp_path / "run", data=data / "backbones")
    assert list(found.values) == ["psnr_y-1", "psnr_y-2", "feature_distance"]
    assert found.values["psnr_y-1"] != found.values["psnr_y-2"]
    assert 0 < found.values["feature_distance"] < 4
