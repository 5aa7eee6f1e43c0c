"""What goes wrong is said in words, at the step where it happens; what is not finite is undone."""

from __future__ import annotations

import json
import shutil
from typing import ClassVar

import pytest
import torch
from helpers import sealed_again
from safetensors.torch import load_file, save_file
from torch import nn

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import checkpoint
from srzoo.training.watchdog import Watchdog

GAME = 'adversarial={discriminator="verdict", weight=0.01}'


class Poison:
    """Nothing, unless one certain crop is in the batch: then it is not a number."""

    reference = True
    seen: ClassVar[list[torch.Tensor]] = []
    crop: ClassVar[torch.Tensor | None] = None

    def __call__(self, pair):
        """A scalar, 0 or NaN."""
        if torch.is_grad_enabled():  # and not merely tried before the first step
            Poison.seen.append(pair.hr.clone())
        bad = self.crop is not None and any(torch.equal(hr, self.crop) for hr in pair.hr)
        return 0 * pair.sr.mean() + (torch.nan if bad else 0.0)


class Explosion(nn.Module):
    """A discriminator whose gradient is infinite: the square root of zero."""

    min_size = 1

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, y):
        """Logits B x 1."""
        return y.mean((1, 2, 3))[:, None] + self.weight.sqrt()


class Verdict(nn.Module):
    """A discriminator that knows real pictures by their 256 levels, and is ``sure`` of it."""

    min_size = 1

    def __init__(self, *, sure: float = 0.0) -> None:
        super().__init__()
        self.sure = sure
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, y):
        """Logits B x 1."""
        between = (255 * y - (255 * y).round()).abs().mean((1, 2, 3))
        return -self.sure * between[:, None] + self.weight


@pytest.fixture
def parts(tiny):
    """Plugins that misbehave."""
    Poison.crop = None
    Poison.seen.clear()
    srzoo.losses.register("poison", Poison)
    srzoo.discriminators.register("verdict", Verdict)
    srzoo.discriminators.register("explosion", Explosion)
    yield tiny
    srzoo.losses.unregister("poison")
    srzoo.discriminators.unregister("verdict")
    srzoo.discriminators.unregister("explosion")


def words_of(loaded, run, **arguments):
    words = []
    training.train(loaded, run, watch=training.Callbacks(on_word=words.append), **arguments)
    return words


POISON = 'losses=[{name="l1"}, {name="poison"}]'


def poisoned(parts, tmp_path, *changes):
    """A recipe of which the third crop of step 7 makes the loss NaN."""
    loaded = recipe.load(parts(), [POISON, *changes])
    training.train(loaded, tmp_path / "well")
    Poison.crop = Poison.seen[6][2]
    return loaded


def test_one_bad_crop_is_skipped_and_the_run_goes_on(parts, tmp_path):
    loaded = poisoned(parts, tmp_path)
    words = words_of(loaded, tmp_path / "run")
    name = training.assemble(loaded).crops.source(6, 2)
    assert words == [
        f"poison is not finite at step 7 (crops of {name}): back to step 4, without these crops"
    ]
    last = tmp_path / "run/checkpoints/000000012"
    assert checkpoint.read_progress(last).skipped == ((6, 2),)
    kept = load_file(tmp_path / "run/rejected/000000006-0.safetensors")
    assert kept.keys() == {"lr", "hr", "sr"}
    assert torch.equal(kept["hr"][2], Poison.crop)
    state, well = (
        load_file(tmp_path / n / "checkpoints/000000012/state.safetensors") for n in ("run", "well")
    )
    assert all(tensor.isfinite().all() for tensor in state.values())
    assert not torch.equal(state["generator.head.0.weight"], well["generator.head.0.weight"])
    steps = [json.loads(x)["step"] for x in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    assert steps == sorted(steps)


def test_the_skip_list_outlives_a_stop(parts, tmp_path, monkeypatch):
    """Stopped right after the rollback: the resumed run does not meet the crop again."""
    from srzoo.training import loop

    loaded = poisoned(parts, tmp_path)
    words_of(loaded, tmp_path / "whole")

    class Stopped(Exception):  # noqa: N818
        """Instead of a kill."""

    roll_back = loop._roll_back

    def stop(*arguments):
        roll_back(*arguments)
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_roll_back", stop)
        with pytest.raises(Stopped):
            training.train(loaded, tmp_path / "run")
    assert words_of(loaded, tmp_path / "run") == ["resuming from step 4"]
    states = [
        load_file(tmp_path / n / "checkpoints/000000012/state.safetensors")
        for n in ("run", "whole")
    ]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_before_the_first_checkpoint_it_goes_back_to_the_start(parts, tmp_path):
    loaded = poisoned(parts, tmp_path, "train.checkpoint_every=50", "train.evaluate_every=50")
    assert "back to step 0" in words_of(loaded, tmp_path / "run")[0]


def test_a_checkpoint_that_is_not_finite_is_passed_over(parts, tmp_path):
    loaded = recipe.load(parts(), ["train.keep=5"])
    training.train(loaded, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/checkpoints/000000012")
    file = tmp_path / "run/checkpoints/000000008/state.safetensors"
    state = load_file(file)
    state["generator.head.0.weight"][0] = torch.nan
    save_file(state, file)
    sealed_again(file.parent)
    words = words_of(loaded, tmp_path / "run")
    assert words[0] == "resuming from step 8"
    assert "l1 is not finite at step 9" in words[1]
    assert "back to step 4" in words[1]
    assert len(words) == 2


def test_after_so_many_rollbacks_it_ends(parts, tmp_path):
    class Always(Poison):
        def __call__(self, pair):
            return pair.sr.mean() * torch.nan

    srzoo.losses.unregister("poison")
    srzoo.losses.register("poison", Always)
    loaded = recipe.load(parts(), [POISON, "watchdog.rollbacks=2"])
    words = []
    with pytest.raises(SrzooError, match=r"poison is not finite at step 1 .*after 2 rollbacks"):
        training.train(loaded, tmp_path / "run", watch=training.Callbacks(on_word=words.append))
    assert len(words) == 2


def test_rollbacks_are_counted_over_a_window(parts, tmp_path):
    """A crop in every few thousand that cannot be used ends no long run; many at a time do."""

    class Sometimes(Poison):
        calls = 0

        def __call__(self, pair):
            if torch.is_grad_enabled():
                Sometimes.calls += 1
            bad = Sometimes.calls in (3, 9, 15)  # at steps 3, 8 and 12
            return 0 * pair.sr.mean() + (torch.nan if bad else 0.0)

    srzoo.losses.unregister("poison")
    srzoo.losses.register("poison", Sometimes)
    often = ["watchdog.rollbacks=1", "train.checkpoint_every=2"]
    loaded = recipe.load(parts(), [POISON, *often, "watchdog.window=4"])
    words = words_of(loaded, tmp_path / "run")
    assert len([word for word in words if "back to step" in word]) == 3
    assert checkpoint.read_progress(tmp_path / "run/checkpoints/000000012").rolled_back == (12,)
    Sometimes.calls = 0
    loaded = recipe.load(parts(), [POISON, *often, "watchdog.window=5"])
    with pytest.raises(SrzooError, match="after 1 rollbacks within 5 steps"):
        words_of(loaded, tmp_path / "again")


def test_a_rollback_never_goes_forward(parts, tmp_path, monkeypatch):
    """Whatever later checkpoint lies there: it is none of this run's."""
    loaded = poisoned(parts, tmp_path)
    from srzoo.training import loop

    later = tmp_path / "well/checkpoints/000000012"
    average = loop._average

    def plant(parts_, now):
        average(parts_, now)
        if now + 1 == 5 and not (tmp_path / "run/checkpoints/000000012").exists():
            shutil.copytree(later, tmp_path / "run/checkpoints/000000012")

    monkeypatch.setattr(loop, "_average", plant)
    words = words_of(loaded, tmp_path / "run")
    assert [word for word in words if "back to step 4" in word]


def test_a_batch_that_cannot_be_kept_is_a_word(parts, tmp_path, monkeypatch):
    from srzoo.training import loop

    def full(*_):
        raise OSError(28, "No space left on device", "rejected")

    loaded = poisoned(parts, tmp_path)
    monkeypatch.setattr(loop, "_keep_rejected", full)
    words = words_of(loaded, tmp_path / "run")
    assert words[0] == "the batch could not be saved: rejected: No space left on device"
    assert "back to step 4" in words[1]


def test_a_gradient_that_is_not_finite_is_named(parts, tmp_path):
    loaded = recipe.load(
        parts(), ['adversarial={discriminator="explosion"}', "watchdog.rollbacks=0"]
    )
    with pytest.raises(SrzooError, match="gradient of the discriminator is not finite at step 1"):
        training.train(loaded, tmp_path / "run")


def test_a_discriminator_that_always_wins_is_reported(parts, tmp_path):
    changes = [GAME, "adversarial.discriminator={name='verdict', sure=50}", "train.steps=100"]
    quick = ["watchdog.patience=50", "train.evaluate_every=100", "optimizer.lr=0"]
    words = words_of(recipe.load(parts(), [*changes, *quick]), tmp_path / "run")
    assert any("discriminator is too strong (100.0% right)" in word for word in words)
    lines = [json.loads(x) for x in (tmp_path / "run/log.jsonl").read_text().splitlines()]
    said = [x["step"] for x in lines if "too strong" in x.get("warning", "")]
    assert said == [50, 100]
    facts = next(x["facts"] for x in lines if "facts" in x)
    assert facts["d_right"] == 1
    assert facts["d_real"] > facts["d_fake"]
    assert facts["generator_gradient"] > 0


def test_a_discriminator_that_can_only_guess_is_reported(parts, tmp_path):
    changes = [GAME, "train.steps=50", "watchdog.patience=50", "train.evaluate_every=50"]
    words = words_of(recipe.load(parts(), changes), tmp_path / "run")
    assert [word for word in words if "only guesses" in word], words


def test_a_picture_that_leaves_its_range_or_colour_is_reported(parts, tmp_path):
    class Brighter:
        reference = False

        def __call__(self, pair):
            """Falls as SR gets brighter, without end."""
            return -pair.sr[:, 0].mean()

    srzoo.losses.register("brighter", Brighter)
    try:
        changes = ["losses=[{name='brighter'}]", "train.steps=100", "watchdog.patience=50"]
        words = words_of(
            recipe.load(parts(), [*changes, "train.evaluate_every=100"]), tmp_path / "run"
        )
    finally:
        srzoo.losses.unregister("brighter")
    assert any("SR has left 0..1 by" in word for word in words), words
    assert any("mean colour of SR has differed from LR's by +" in word for word in words), words


def test_a_healthy_run_says_nothing(parts, tmp_path):
    changes = ["train.steps=400", "watchdog.patience=200", "train.evaluate_every=400"]
    assert words_of(recipe.load(parts(), changes), tmp_path / "run") == []


@pytest.mark.parametrize("oddity", ["outside", "d_right"])
def test_what_comes_and_goes_is_not_reported(oddity):
    watchdog = Watchdog(patience=100)
    well = {"outside": 0.0, "red_drift": 0.0, "green_drift": 0.0, "blue_drift": 0.0, "d_right": 0.7}
    ill = {**well, oddity: 1.0}
    for start in range(0, 1000, 50):
        assert watchdog.check(start, start + 50, well if start % 100 else ill) == []
    assert watchdog.check(1000, 1050, ill) == []
    assert len(watchdog.check(1050, 1100, ill)) == 1
    assert watchdog.check(1100, 1150, ill) == []
    assert len(watchdog.check(1150, 1200, ill)) == 1
