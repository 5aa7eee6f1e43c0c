"""A run may release the mean of the weights that its last stages came to."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path

import pytest
import torch
from helpers import sealed_again
from safetensors.torch import load_file

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe

STAGES = "stages=['first', 'second', {name='third', optimizer={lr=8e-3}, train={steps=8}}]"
CHANGES = [STAGES, "train.steps=6", "train.evaluate_every=3", "average_stages=2"]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("generator", "more"),
    [("edsr", ["train.ema=0"]), ("srresnet", []), ("edsr", ["train.release=last"])],
)
def test_the_mean_of_the_last_stages_is_released(tiny, tmp_path, generator, more):
    loaded = recipe.load(tiny(generator), [*CHANGES, *more])
    outcome = training.train(loaded, tmp_path / "run")
    kept = sorted(path.name for path in (tmp_path / "run/stages").iterdir())
    assert kept == ["02", "03", "mean"]  # not the first stage: two were asked for
    second, third = (weights(tmp_path / "run/stages" / name) for name in ("02", "03"))
    released = weights(tmp_path / "run")
    assert any(not torch.equal(second[name], third[name]) for name in second)
    for name, tensor in released.items():
        if tensor.is_floating_point():
            torch.testing.assert_close(tensor, (second[name] + third[name]) / 2)
        else:
            assert torch.equal(tensor, third[name])
    before, last = [line for line in log(tmp_path / "run") if "validation" in line][-2:]
    assert (before["step"], last["step"]) == (20, 20)
    assert "mean_of_stages" not in before
    assert last["mean_of_stages"] == 2
    assert outcome.values == last["validation"] != before["validation"]
    assert srzoo.load(tmp_path / "run").scales == (2,)


def test_the_kept_weights_are_what_each_stage_released(tiny, tmp_path):
    training.train(recipe.load(tiny(), CHANGES), tmp_path / "mean")
    training.train(recipe.load(tiny(), [*CHANGES, "average_stages=1"]), tmp_path / "last")
    assert not (tmp_path / "last/stages").exists()
    last, third = weights(tmp_path / "last"), weights(tmp_path / "mean/stages/03")
    assert all(torch.equal(last[name], third[name]) for name in last)


@pytest.mark.parametrize("place", [8, 12])  # in the second stage, and at its end
def test_resumed_equals_uninterrupted(tiny, tmp_path, monkeypatch, place):
    from srzoo.training import loop

    loaded = recipe.load(tiny(), CHANGES)
    training.train(loaded, tmp_path / "whole")
    average, done = loop._average, []

    def stop(parts, now):
        average(parts, now)
        done.append(now)
        if len(done) == place:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_average", stop)
        assert not training.train(loaded, tmp_path / "halves").complete
    training.train(loaded, tmp_path / "halves")
    again = training.train(loaded, tmp_path / "halves")  # complete: made anew, and the same
    runs = [tmp_path / "whole", tmp_path / "halves"]
    assert len({(run / "model.safetensors").read_bytes() for run in runs}) == 1
    whole, halves = ([line for line in log(run) if "validation" in line] for run in runs)
    assert whole == halves
    assert again.values == whole[-1]["validation"]


def test_a_stage_that_left_nothing_is_missed_before_anything_runs(tiny, tmp_path):
    loaded = recipe.load(tiny(), CHANGES)
    training.train(loaded, tmp_path / "run")
    before = (tmp_path / "run/log.jsonl").read_bytes()
    shutil.rmtree(tmp_path / "run/stages/02")
    with pytest.raises(SrzooError, match=r"stages/02 is missing.*'second'.*average_stages=1"):
        training.train(loaded, tmp_path / "run")
    assert (tmp_path / "run/log.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("average_stages=4", r"average_stages is 4.*between 1 and the number of stages, 3"),
        ("average_stages=0", r"average_stages is 0.*between 1"),
        ("stages.1={name='x', average_stages=2}", r"'x' changes 'average_stages'"),
    ],
)
def test_what_makes_no_mean_is_refused(tiny, change, message):
    with pytest.raises(SrzooError, match=message):
        recipe.load(tiny(), [STAGES, change])


def test_without_stages_there_is_nothing_to_average(tiny):
    with pytest.raises(SrzooError, match=r"average_stages is 2.*number of stages, 1"):
        recipe.load(tiny(), ["average_stages=2"])


def test_a_recipe_from_before_an_option_came_goes_on(tiny, tmp_path):
    """What a newer srzoo adds with a default is no other recipe."""
    training.train(recipe.load(tiny()), tmp_path / "run")
    for file in (tmp_path / "run").rglob("recipe.toml"):
        text = file.read_text()
        assert "average_stages = 1\n" in text
        file.write_text(text.replace("average_stages = 1\n", ""))
        if (file.parent / "parts.json").exists():
            sealed_again(file.parent)
    assert training.train(recipe.load(tiny()), tmp_path / "run").complete
