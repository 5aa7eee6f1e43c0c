"""Nothing of a later stage can be wrong when the first step is taken, and oddities are said."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from helpers import COUNT, Drawn, drawn
from PIL import Image

import srzoo
from srzoo import training
from srzoo.contracts import Sample
from srzoo.errors import SrzooError
from srzoo.recipes import recipe
from srzoo.training import checks


class Small(Drawn):
    """Pictures too small for most crops, which tell their sizes and cannot be decoded."""

    fingerprint = "small"

    def __getitem__(self, index: int) -> Sample:
        raise AssertionError("headers come first")

    def name(self, index: int) -> str:
        return f"small{index}"

    def size(self, index: int) -> tuple[int, int]:
        return (20 + index, 72)


class Held(Drawn):
    """Other pictures than those that are trained on too; one is small."""

    fingerprint = "held"

    def __getitem__(self, index: int) -> Sample:
        size = (40, 14) if index == 3 else (70, 58)
        return Sample(f"held{index}", np.asarray(drawn(*size)) // (index + 2))


class Picky:
    """A metric that wants pictures of 20 pixels."""

    higher_is_better = True
    reference = True
    protocol = "none"

    def __call__(self, sr, hr, scale):
        if min(sr.shape[:2]) < 20:
            raise ValueError("20 pixels at least")
        return 1.0


class Windows:
    """A loss that wants crops of 30 pixels."""

    reference = True

    def __call__(self, pair):
        if pair.sr.shape[-1] < 30:
            raise RuntimeError("a window of 30")
        return (pair.sr - pair.hr).abs().mean()


class Vector:
    """A loss that forgets to average."""

    reference = True

    def __call__(self, pair):
        return (pair.sr - pair.hr).abs()


@pytest.fixture
def plugins(tiny):
    """The tiny recipe, and plugins that make trouble."""
    found = [
        (srzoo.datasets, "small", Small), (srzoo.datasets, "held", Held),
        (srzoo.metrics, "picky", Picky), (srzoo.losses, "windows", Windows),
        (srzoo.losses, "vector", Vector),
    ]  # fmt: skip
    for registry, name, factory in found:
        registry.register(name, factory)
    yield tiny
    for registry, name, _ in found:
        registry.unregister(name)


def later(*changes: str) -> str:
    """The changes as a second stage's."""
    return "stages=['first', {name='later', " + ", ".join(changes) + "}]"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["data={train='small'}"], "'later': 4 of 6 .*small0 has 72x20 pixels.* 24; small1.*Lower"),
        (["data={lr_crop=40}"], "'later': .*a crop needs 80|'later': 6 of 6 pictures"),
        (["data={train={name='folder', path='/none'}}"], "'later': the folder /none does not"),
        (["losses=[{name='perceptual', weights='/none.safetensors'}]"], "'later': .*none"),
        (["losses=['l1', 'windows']"], "'later': losses.1, 'windows', .* 24 pixels.*window of 30"),
        (["losses=['vector']"], "'later': losses.0, 'vector'.*not a single number"),
        (["data={validation='held'}", "train={metrics=['picky']}"],
         "'later': the metric 'picky' cannot measure held3, the smallest .*40x14.*20 pixels"),
        (["data={validation='held'}", "train={metrics=['ssim_y']}"],
         "'later': the metric 'ssim_y' cannot measure held3"),
        (["adversarial={discriminator='srgan'}", "data={lr_crop=2}"], "'later': the discrim"),
        (["train={freeze_norm=true}"], "'later': generator 'edsr' has no BatchNorm"),
        (["optimizer={name='muon'}"], "'later': optimizer.momentum"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("dry", [True, False])
def test_a_later_stage_is_refused_before_the_first_step(plugins, tmp_path, changes, message, dry):
    path, change = plugins(), later(*changes)
    with pytest.raises(SrzooError, match=message):  # noqa: PT012
        loaded = recipe.load(path, [change])
        checks.check(loaded) if dry else training.train(loaded, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_later_stage_that_does_not_fold(tiny):
    with pytest.raises(SrzooError, match="'later': .*no linear tail"):
        checks.check(recipe.load(tiny("srresnet"), [later("train={fold=true}")]))


def test_stages_that_are_alike_are_built_once(plugins, monkeypatch):
    stages = (
        "stages=['a', {name='b', train={steps=3}, schedule={warmup=2}}, {name='c',losses=['mse']}]"
    )
    built = []
    whole = checks.assemble

    def noted(*args, **options):
        built.append(args[3])
        return whole(*args, **options)

    monkeypatch.setattr(checks, "assemble", noted)
    checked = checks.check(recipe.load(plugins(), [stages]))
    assert built == [0, 2]
    assert len(checked.stages) == 3
    assert {stage.training for stage in checked.stages} == {COUNT}


def test_what_stages_share_is_tried_once(plugins, monkeypatch):
    """A metric on a whole picture, which the network has to enlarge, is what takes the time."""
    tried = []
    attempts = checks._attempts

    def noted(recipe):
        for attempt, about in attempts(recipe):
            yield lambda parts, name=attempt.__name__: tried.append((name, parts.stage)), about

    monkeypatch.setattr(checks, "_attempts", noted)
    stages = (
        "stages=['a', {name='b', losses=['mse']}, {name='c', data={lr_crop=14}},"
        " {name='d', train={metrics=['psnr_y']}}]"
    )
    checks.check(recipe.load(plugins(), [stages]))
    assert tried == [
        ("try_losses", 0), ("try_task", 0), ("try_metrics", 0), ("try_losses", 1),
        ("try_losses", 2), ("try_task", 2), ("try_metrics", 3),
    ]  # fmt: skip


def test_checks_change_no_weight(plugins, tmp_path, monkeypatch):
    loaded = recipe.load(plugins(), ["losses=['l1', 'windows']", "data.lr_crop=16"])
    training.train(loaded, tmp_path / "checked")
    monkeypatch.setattr(checks, "check_all_stages", lambda *_: [])
    training.train(loaded, tmp_path / "bare")
    states = [tmp_path / run / "model.safetensors" for run in ("checked", "bare")]
    assert states[0].read_bytes() == states[1].read_bytes()


def words_of(loaded, out, **options) -> list[str]:
    words: list[str] = []
    training.train(loaded, out, watch=training.Callbacks(on_word=words.append), **options)
    return words


def photos(folder, count: int, quality: int | None = None) -> None:
    folder.mkdir()
    for number in range(count):
        picture = drawn(60, 50).rotate(number * 20)
        if quality:
            picture.save(folder / f"other{number}.jpg", quality=quality, subsampling=0)
        else:
            picture.save(folder / f"{number}.png")


@pytest.mark.parametrize(
    ("quality", "count", "said"), [(None, 3, "3 of 3"), (99, 2, "2 of 2"), (None, 0, "")]
)
def test_validation_pictures_that_are_trained_on_are_said(tiny, tmp_path, quality, count, said):
    photos(tmp_path / "train", 4)
    if count:
        photos(tmp_path / "held", count, quality)
    else:
        (tmp_path / "held").mkdir()
        Image.fromarray(255 - np.asarray(drawn(60, 50))).save(tmp_path / "held/0.png")
    sets = [f"data.{where}={{name='folder', path='{tmp_path / folder}'}}"
            for where, folder in (("train", "train"), ("validation", "held"))]  # fmt: skip
    words = checks.check(recipe.load(tiny(), sets)).words
    assert [word for word in words if "are trained on too" in word] == words
    assert len(words) == bool(said)
    assert all(word.startswith(f"{said} validation pictures") for word in words)


@pytest.mark.parametrize("dry", [True, False])
def test_words_on_pictures_are_said_once(tiny, tmp_path, dry):
    """Though two stages have them, and the run builds what the check has built."""
    photos(tmp_path / "train", 4)
    (tmp_path / "train/9.png").write_bytes(b"no picture")
    where = f"data.train={{name='folder', path='{tmp_path / 'train'}'}}"
    stages = "stages=['a', {name='b', data={lr_crop=13}}]"
    loaded = recipe.load(tiny(), [where, "data.skip_bad=true", "train.steps=2", stages])
    words: list[str] = []
    if dry:
        checks.check(loaded, say=words.append)
    else:
        words = words_of(loaded, tmp_path / "run")
    assert [word.partition(":")[0] for word in words if "left out" in word] == [
        "left out 1 of 5 pictures"
    ]


def test_data_that_changed_since_the_stop_is_said_once(tiny, tmp_path):
    photos(tmp_path / "train", 4)
    loaded = recipe.load(tiny(), [f"data.train={{name='folder', path='{tmp_path / 'train'}'}}"])
    run = tmp_path / "run"
    assert not any("changed" in word for word in words_of(loaded, run))
    assert not any("changed" in word for word in words_of(loaded, run))
    Image.fromarray(255 - np.asarray(drawn(60, 50))).save(tmp_path / "train/9.png")
    assert any("data.train (folder) has changed" in word and "had 4 pictures, and now has 5" in word
               for word in words_of(loaded, run))  # fmt: skip
    assert not any("changed" in word for word in words_of(loaded, run))
    os.utime(tmp_path / "train/0.png", (1, 1))
    earlier = run / "checkpoints/000000008"
    words = words_of(loaded, tmp_path / "other", resume=earlier)
    assert any("modification times of its files differ" in word for word in words)


def test_damaged_notes_on_data_are_none(tiny, tmp_path):
    loaded = recipe.load(tiny())
    words_of(loaded, tmp_path / "run")
    (tmp_path / "run/data.json").write_text(json.dumps({"sets": 3}))
    assert not any("changed" in word for word in words_of(loaded, tmp_path / "run"))


def test_few_fitting_tensors_are_said_loudly(tiny, tmp_path):
    training.train(recipe.load(tiny(), ["train.steps=1"]), tmp_path / "first")
    loaded = recipe.load(
        tiny(), ["generator.n_feats=9", f"init={tmp_path / 'first'}", "train.steps=1"]
    )
    (word,) = (word for word in words_of(loaded, tmp_path / "run") if "copied" in word)
    assert word.startswith("WARNING: only ")
    assert "random weights" in word


def test_an_edited_degradation_makes_its_pictures_anew(tiny, tmp_path):
    class Shrink:
        deterministic = True

        def __call__(self, hr, scale, rng):
            return hr[::scale, ::scale]

    class Edited(Shrink):
        def __call__(self, hr, scale, rng):
            return hr[scale - 1 :: scale, scale - 1 :: scale]

    loaded, found = tiny(), []
    for made in (Shrink, Edited, Shrink):
        srzoo.degradations.register("mine", made)
        edited = recipe.load(loaded, ["data.degradation=mine", "train.steps=1"])
        try:
            words = words_of(edited, tmp_path / f"run{len(found)}")
            parts = training.assemble(edited)
        finally:
            srzoo.degradations.unregister("mine")
        found.append(np.array(parts.validation.lr(0, 2)))
        hr = parts.validation.hr(0)
        first = 0 if made is Shrink else 1
        assert np.array_equal(found[-1], hr[first::2, first::2])
        anew = [word for word in words if "has changed: the LR" in word]
        assert len(anew) == (len(found) == 2), "the third time what was made first is there still"
    assert not np.array_equal(found[0], found[1])
