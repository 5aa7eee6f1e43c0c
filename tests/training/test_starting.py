"""Where a run goes on, what may have changed meanwhile, and that nothing is lost by it."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from safetensors.torch import load_file

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.models.folder import read_folder
from srzoo.recipes import recipe
from srzoo.training import checkpoint, loop
from srzoo.training.starting import differences

EVERY = ["train.evaluate_every=2", "train.checkpoint_every=2", "train.keep=9"]


def steps(run: Path) -> list[int]:
    return [int(path.name) for path in checkpoint.list_checkpoints(run)]


def log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def measured(run: Path) -> list[dict]:
    return [line for line in log(run) if "validation" in line]


def words_of(loaded, run, **arguments) -> list[str]:
    words = []
    training.train(loaded, run, watch=training.Callbacks(on_word=words.append), **arguments)
    return words


def stopping_at(step: int, monkeypatch) -> None:
    average = loop._average

    def stop(run, now):
        average(run, now)
        if run.parts.start + now + 1 == step:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(loop, "_average", stop)


@pytest.fixture
def run(tiny, tmp_path):
    """A finished run with all its checkpoints."""
    training.train(recipe.load(tiny(), EVERY), tmp_path / "run")
    return tmp_path / "run"


def test_later_checkpoints_become_a_branch(tiny, run, monkeypatch):
    loaded = recipe.load(tiny(), EVERY)
    before, values, model = log(run), measured(run), read_folder(run).config.weights.sha256
    with monkeypatch.context() as patch:
        stopping_at(9, patch)
        words = words_of(loaded, run, resume=run / "checkpoints/000000006")
    branch = run / "branches/000000006-1"
    assert f"3 later checkpoints are kept in {branch}" in words[1]
    assert "stopped at step 9" in words[-1]
    assert steps(run) == [0, 2, 4, 6, 8, 9]
    assert steps(branch) == [8, 10, 12]
    assert log(branch) == before
    assert max(line["step"] for line in log(run)) == 8
    assert any(
        read_folder(each).config.weights.sha256 == model
        for each in checkpoint.list_checkpoints(branch)
    ) or any(
        read_folder(each).config.weights.sha256 == model
        for each in checkpoint.list_checkpoints(run)
    )
    # And what comes by itself goes on from here, not from the branch.
    assert words_of(loaded, run)[0] == "resuming from step 9"
    assert measured(run) == values
    assert steps(run)[-1] == 12
    # The branch is a place to go on from, too.
    words = words_of(loaded, run, resume=branch / "checkpoints/000000010")
    assert words[0] == "resuming from step 10"
    assert steps(run) == [10, 12]
    assert measured(run) == values
    assert sum(len(steps(each)) for each in (run / "branches").iterdir()) == 3 + 8


def test_the_model_is_that_of_the_run_that_goes_on(tiny, run, monkeypatch):
    """Not of a branch that was given up, be it as good as it likes."""
    gone = [
        read_folder(each).config.weights.sha256 for each in checkpoint.list_checkpoints(run)[4:]
    ]
    values = iter([1.0] * 20)
    monkeypatch.setattr(loop, "validate", lambda parts, sheet: {"psnr_y": next(values)})
    facts = json.loads((run / "checkpoints/000000006/progress.json").read_text())
    progress = checkpoint.RunState.read(run / "checkpoints/000000006")
    assert facts["best"]
    checkpoint.RunState(6, (12, 99.0), evaluated=6).write(run / "checkpoints/000000006")
    stopping_at(7, monkeypatch)
    training.train(recipe.load(tiny(), EVERY), run, resume=run / "checkpoints/000000006")
    assert read_folder(run).config.weights.sha256 not in gone
    assert progress.step == 6


def test_the_newest_checkpoint_needs_no_branch(tiny, run):
    words_of(recipe.load(tiny(), EVERY), run, resume=run / "checkpoints/000000012")
    assert not (run / "branches").exists()


def test_nothing_moves_if_the_checkpoint_cannot_be_taken(tiny, run):
    (run / "checkpoints/000000006/state.safetensors").write_bytes(b"x")
    with pytest.raises(SrzooError, match="cannot resume from"):
        words_of(recipe.load(tiny(), EVERY), run, resume=run / "checkpoints/000000006")
    assert not (run / "branches").exists()
    assert steps(run) == [0, 2, 4, 6, 8, 10, 12]


def test_another_runs_checkpoint_takes_the_place_of_all(tiny, run, tmp_path, monkeypatch):
    training.train(recipe.load(tiny(), [*EVERY, "train.seed=9"]), tmp_path / "other")
    loaded = recipe.load(tiny(), [*EVERY, "train.seed=9"])
    stopping_at(5, monkeypatch)
    words_of(loaded, run, resume=tmp_path / "other/checkpoints/000000004")
    assert steps(run) == [4, 5]  # the one that it began with, to fall back on
    assert steps(run / "branches/000000004-1") == [0, 2, 4, 6, 8, 10, 12]
    assert all(line["step"] > 4 for line in log(run))


def test_stages_of_a_branch_go_with_it(tiny, tmp_path, monkeypatch):
    stages = "stages=['first', 'second', {name='third', train={steps=8}}]"
    loaded = recipe.load(tiny(), [stages, "train.steps=4", "average_stages=3", *EVERY])
    run = tmp_path / "run"
    training.train(loaded, run)
    stopping_at(7, monkeypatch)
    training.train(loaded, run, resume=run / "checkpoints/000000006")
    kept = sorted(path.name for path in (run / "branches/000000006-1/stages").iterdir())
    assert kept == ["02", "03", "mean"]
    assert [path.name for path in (run / "stages").iterdir()] == ["01"]
    assert training.train(loaded, run).complete


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("optimizer.lr=1e-3", "optimizer.lr is now 0.001, was 0.002"),
        ("train.steps=14", "train.steps is now 14, was 12"),
        ("train.keep=1", "train.keep is now 1, was 9"),
        ("train.evaluate_every=5", "train.evaluate_every is now 5, was 2"),
        ("train.checkpoint_every=7", "train.checkpoint_every is now 7, was 2"),
        ("train.release=last", "train.release is now 'last', was 'best'"),
        ("watchdog.patience=9", "watchdog.patience is now 9, was 500"),
        ("watchdog.window=9", "watchdog.window is now 9, was 10000"),
        ("summary=x", "summary is now 'x', was ''"),
    ],
)
def test_what_may_change_is_said(tiny, run, change, word):
    words = words_of(recipe.load(tiny(), [*EVERY, change]), run)
    assert words[:2] == [word, "resuming from step 12"]
    assert recipe.load(run) == recipe.load(tiny(), [*EVERY, change])


def test_a_longer_run_does_the_steps_that_are_left(tiny, run):
    longer = recipe.load(tiny(), [*EVERY, "train.steps=15", "optimizer.lr=1e-3"])
    seen = []
    watch = training.Callbacks(on_log=seen.append)
    outcome = training.train(longer, run, watch=watch)
    assert (outcome.step, outcome.complete) == (15, True)
    assert seen[-1]["lr"] == 1e-3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train.seed=9", "train.seed is now 9, was 3"),
        ("train.accumulate=2", "train.accumulate is now 2, was 1"),
        ("train.clip=1.0", "train.clip is now 1.0, was not set"),
        ("data.lr_crop=16", "data.lr_crop is now 16, was 12"),
        ("generator.n_feats=8", "generator.n_feats is now 8, was 6"),
        ("losses=[{name='l1', weight=2.0}]", "losses.0.weight is now 2.0, was 1.0"),
        ("optimizer.name=sgd", "optimizer.name is now 'sgd', was 'adam'"),
        ("stages=['a', 'b']", "stages is now 2, was 0"),
    ],
)
def test_what_may_not_change_is_refused_by_its_key(tiny, run, change, message):
    before = (run / "recipe.toml").read_bytes()
    with pytest.raises(SrzooError) as caught:
        words_of(recipe.load(tiny(), [*EVERY, change, "train.keep=1"]), run)
    assert message in caught.value.what
    assert "train.keep" not in caught.value.what
    assert f'resume="{run}/checkpoints/000000012"' in caught.value.fix
    assert (run / "recipe.toml").read_bytes() == before


def test_fewer_steps_than_are_done_are_refused(tiny, run):
    with pytest.raises(SrzooError, match=r"train.steps is 5, but 12 are done"):
        words_of(recipe.load(tiny(), [*EVERY, "train.steps=5"]), run)
    loaded = recipe.load(tiny(), [*EVERY, "train.steps=6"])
    assert training.train(loaded, run, resume=run / "checkpoints/000000004").step == 6


def test_stages_that_are_over_keep_their_steps(tiny, tmp_path):
    first, second = (f"stages=['a', {{name='b', train={{steps={n}}}}}]" for n in (4, 6))
    run = tmp_path / "run"
    training.train(recipe.load(tiny(), [first, "train.steps=4"]), run)
    words = words_of(recipe.load(tiny(), [second, "train.steps=4"]), run)
    assert words[0] == "stage 'b': train.steps is now 6, was 4"
    third = second.replace("'a'", "{name='a', train={steps=5}}")
    with pytest.raises(SrzooError, match=r"another recipe: stage 'a': train.steps is now 5, was 4"):
        words_of(recipe.load(tiny(), [third, "train.steps=4"]), run)


def test_another_judge_begins_anew(tiny, run):
    """30 dB would stay the best of all beside a metric that counts up to 1."""
    loaded = recipe.load(tiny(), [*EVERY, "train.steps=14", "train.metrics=['ssim_y']"])
    words = words_of(loaded, run)
    assert "train.metrics.0.name is now 'ssim_y', was 'psnr_y'" in words
    assert any("validation has changed" in word for word in words)
    best = checkpoint.read_progress(run / "checkpoints/000000014").best
    assert best[0] == 14
    assert best[1] <= 1


def test_one_recipe_does_not_differ_from_itself():
    for name in recipe.recipe_folders():
        loaded = recipe.read(name)
        assert not list(differences(loaded, loaded))


def test_a_kill_before_the_evaluation_is_made_good(tiny, tmp_path, monkeypatch):
    """The checkpoint comes first; what was not measured of it is measured when the run goes on."""
    loaded = recipe.load(tiny(), EVERY)
    training.train(loaded, tmp_path / "whole")

    class Killed(BaseException):
        """Instead of a signal, which no test could time so well."""

    validate, count = loop.validate, iter(range(9))

    def kill(parts, sheet):
        if next(count) == 2:
            raise Killed
        return validate(parts, sheet)

    with monkeypatch.context() as patch:
        patch.setattr(loop, "validate", kill)
        with pytest.raises(Killed):
            training.train(loaded, tmp_path / "run")
    assert steps(tmp_path / "run")[-1] == 6
    assert log(tmp_path / "run")[-1]["step"] == 4
    training.train(loaded, tmp_path / "run")
    whole, run = (
        [line for line in log(tmp_path / name) if "validation" in line] for name in ("whole", "run")
    )
    assert whole == run
    ends = [
        checkpoint.read_progress(tmp_path / n / "checkpoints/000000012") for n in ("whole", "run")
    ]
    assert ends[0] == ends[1]
    configs = [read_folder(tmp_path / n).config for n in ("whole", "run")]
    assert configs[0] == dataclasses.replace(configs[1], name="whole")
    weights = [(tmp_path / n / "model.safetensors").read_bytes() for n in ("whole", "run")]
    assert weights[0] == weights[1]


def test_an_evaluation_does_not_move_the_random_numbers(tiny, tmp_path):
    import torch

    class Drawing:
        """A metric that draws."""

        higher_is_better, reference, protocol = True, True, "random"

        def __call__(self, sr, hr, scale):
            return float(torch.rand(()))

    srzoo.metrics.register("drawing", Drawing)
    try:
        for every in (2, 12):
            changes = ["train.metrics=['drawing']", f"train.evaluate_every={every}"]
            training.train(recipe.load(tiny(), changes), tmp_path / str(every))
    finally:
        srzoo.metrics.unregister("drawing")
    a, b = (
        load_file(tmp_path / n / "checkpoints/000000012/state.safetensors") for n in ("2", "12")
    )
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_an_earlier_versions_progress_is_read(run):
    there = run / "checkpoints/000000012"
    facts = json.loads((there / "progress.json").read_text())
    del facts["seal"], facts["rolled_back"], facts["evaluated"]
    (there / "progress.json").write_text(json.dumps(facts | {"rollbacks": 2}))
    progress = checkpoint.RunState.read(there)
    assert (progress.rollbacks, progress.evaluated) == (2, 12)
    shutil.rmtree(run)
