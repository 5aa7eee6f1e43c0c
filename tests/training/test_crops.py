"""Every crop is a pure function of (seed, step, index), and LR lies exactly under HR."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import srzoo
from srzoo import training
from srzoo.contracts import Sample
from srzoo.errors import SrzooError
from srzoo.plugins.plugin import Use
from srzoo.recipes import recipe
from srzoo.training.pixels import open_pixels
from srzoo.training.schedule import ema_decay, factor
from srzoo.training.sets import GuardedDataset
from srzoo.training.supply import prefetch


def crops(tiny, *changes):
    return training.assemble(recipe.load(tiny(), changes)).crops


def test_the_same_place_gives_the_same_crop(tiny):
    first, second = crops(tiny), crops(tiny)
    assert np.array_equal(first.batch(5).hr, second.batch(5).hr)
    assert not np.array_equal(first.batch(5).hr, first.batch(6).hr)
    assert not np.array_equal(first.batch(5).hr, crops(tiny, "train.seed=9").batch(5).hr)


@pytest.mark.parametrize("degradation", ["bicubic", "realistic"])
def test_parts_of_several_processes_make_the_whole(tiny, degradation):
    drawn = crops(tiny, f"data.degradation={degradation}")
    whole = drawn.batch(3)
    parts = [drawn.batch(3, part, 2) for part in range(2)]
    assert np.array_equal(np.concatenate([part.lr for part in parts]), whole.lr)
    assert np.array_equal(np.concatenate([part.hr for part in parts]), whole.hr)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(step=st.integers(0, 10_000))
def test_lr_is_hr_made_small_wherever_the_crop_lies(tiny, step):
    """A paired dataset whose LR is every second pixel: crops, flips and turns keep it so."""

    class Decimated:
        fingerprint = "decimated"

        def __len__(self):
            return 3

        def __getitem__(self, index):
            rng = np.random.default_rng(index)
            low = rng.integers(0, 256, (30, 40, 3), np.uint8)
            return Sample(str(index), low.repeat(2, 0).repeat(2, 1), low)

    srzoo.datasets.register("decimated", Decimated)
    batch = crops(tiny, "data.train=decimated").batch(step)
    srzoo.datasets.unregister("decimated")
    assert batch.lr.shape == (4, 12, 12, 3)
    assert np.array_equal(batch.hr[:, ::2, ::2], batch.lr)
    assert np.array_equal(batch.hr[:, 1::2, 1::2], batch.lr)


def test_crops_of_a_batch_are_cut_apart(tiny):
    """Of one large picture, the crops of a batch lie at different places."""

    class Wide:
        fingerprint = "wide"

        def __len__(self):
            return 1

        def __getitem__(self, index):
            values = np.random.default_rng(0).integers(0, 256, (300, 300, 3), np.uint8)
            return Sample("wide", values)

    srzoo.datasets.register("wide", Wide)
    drawn = crops(tiny, "data.train=wide", "data.augment=false")
    srzoo.datasets.unregister("wide")
    assert len({crop.tobytes() for crop in drawn.batch(0).hr}) == 4


def test_other_pictures_are_decoded_anew(tiny):
    """What is kept belongs to the fingerprint: changed pictures are not mistaken for old ones."""
    from helpers import Drawn

    class Changed(Drawn):
        fingerprint = "changed"

        def __getitem__(self, index):
            return Sample("changed", 255 - super().__getitem__(index).hr)

    first, second = (
        open_pixels([GuardedDataset(kind())], Use("bicubic"), (2,)) for kind in (Drawn, Changed)
    )
    assert np.array_equal(second.hr(0), 255 - first.hr(0))


def test_flips_and_turns_give_eight_views(tiny):
    """Of one picture that is just a crop large, eight different crops come."""

    class One:
        fingerprint = "one"

        def __len__(self):
            return 1

        def __getitem__(self, index):
            values = np.random.default_rng(0).integers(0, 256, (24, 24, 3), np.uint8)
            return Sample("one", values)

    srzoo.datasets.register("one", One)
    drawn = crops(tiny, "data.train=one")
    views = {crop.tobytes() for step in range(40) for crop in drawn.batch(step).hr}
    plain = crops(tiny, "data.train=one", "data.augment=false")
    srzoo.datasets.unregister("one")
    assert len(views) == 8
    assert len({crop.tobytes() for crop in plain.batch(0).hr}) == 1


def test_every_picture_comes_once_an_epoch(tiny):
    drawn = crops(tiny)
    numbers = [drawn._number(step, i, None) for step in range(3) for i in range(4)]
    assert sorted(numbers[:6]) == sorted(numbers[6:]) == list(range(6))


def test_crops_drawn_by_detail_have_more_of_it(tiny):
    """Half of a picture is flat: of three places most have something in them."""

    class Half:
        fingerprint = "half"

        def __len__(self):
            return 1

        def __getitem__(self, index):
            values = np.random.default_rng(0).integers(0, 256, (24, 400, 3), np.uint8)
            values[:, :200] = 128
            return Sample("half", values)

    srzoo.datasets.register("half", Half)
    try:
        flat = [
            sum(
                bool((crop == crop[0, 0, 0]).all())
                for step in range(100)
                for crop in batch(step).hr
            )
            for draw in ("area", "detail")
            for batch in [crops(tiny, "data.train=half", f"data.draw={draw}").batch]
        ]
    finally:
        srzoo.datasets.unregister("half")
    assert 0.4 < flat[0] / 400 < 0.6  # a half
    assert 0.05 < flat[1] / 400 < 0.2  # an eighth


def test_the_picture_of_a_crop_is_named_whichever_was_chosen(tiny):
    drawn = crops(tiny, "data.draw=detail", "data.augment=false")
    for index, crop in enumerate(drawn.batch(2).hr):
        number = drawn._pixels.names.index(drawn.source(2, index))
        whole = np.asarray(drawn._pixels.hr(number))
        windows = np.lib.stride_tricks.sliding_window_view(whole, crop.shape[:2], axis=(0, 1))
        assert (windows == crop.transpose(2, 0, 1)).all(axis=(2, 3, 4)).any()


def test_small_pictures_are_named(tiny):
    with pytest.raises(SrzooError, match=r"drawn0 has 72x60 pixels, but a crop needs 80"):
        crops(tiny, "data.lr_crop=40")


def test_pixels_are_decoded_once(tiny, monkeypatch):
    from helpers import Drawn

    first = open_pixels([GuardedDataset(Drawn())], Use("bicubic"), (2,))
    monkeypatch.setattr(Drawn, "__getitem__", lambda self, index: pytest.fail("decoded again"))
    again = open_pixels([GuardedDataset(Drawn())], Use("bicubic"), (2, 3))
    assert first.has_lr(0, 2)
    assert not first.has_lr(0, 3)
    assert first.hr(0).shape == again.hr(0).shape == (60, 72, 3)
    assert first.lr(0, 2).shape == again.lr(0, 2).shape == (30, 36, 3)
    assert again.lr(0, 3).shape == (20, 24, 3)


def test_random_degradations_are_not_kept(tiny):
    from helpers import Drawn

    assert not open_pixels([GuardedDataset(Drawn())], Use("realistic"), (2,)).has_lr(0, 2)


def test_ahead_keeps_the_order_and_raises_in_place():
    assert list(prefetch(lambda n: n * n, 3, 9, ThreadPoolExecutor(1))) == [9, 16, 25, 36, 49, 64]
    broken = prefetch(lambda n: 1 // (5 - n), 3, 9, ThreadPoolExecutor(1))
    assert next(broken) == 0
    assert next(broken) == 1
    with pytest.raises(ZeroDivisionError):
        next(broken)


def test_schedules():
    loaded = recipe.Schedule("step", at=(10, 20), gamma=0.5)
    assert [factor(loaded, s, 30) for s in (0, 9, 10, 20, 29)] == [1, 1, 0.5, 0.25, 0.25]
    cosine = replace(loaded, name="cosine", warmup=4, floor=0.1)
    values = [factor(cosine, s, 100) for s in range(100)]
    assert values[:4] == [0.25, 0.5, 0.75, 1.0]
    assert values[4] == 1.0
    assert values[-1] == pytest.approx(0.1, abs=1e-3)
    assert values[4:] == sorted(values[4:], reverse=True)
    assert ema_decay(0.999, 0) == 0.1
    assert ema_decay(0.999, 10**6) == 0.999


@pytest.mark.parametrize("name", ["index.json", "pixels.bin"])
@pytest.mark.parametrize("harm", ["flipped", "cut", "gone"])
def test_damaged_pixels_are_decoded_again(tiny, tmp_path, name, harm):
    tiny()
    first = open_pixels([GuardedDataset(srzoo.datasets.create("drawn"))], Use("bicubic"), (2,))
    want = [np.array(first.hr(n)) for n in range(len(first))]
    litter = tmp_path / "cache/pixels/.srzoo-99999999-00000000-dead"
    litter.mkdir()
    os.utime(litter, (0, 0))
    (folder,) = (path for path in (tmp_path / "cache/pixels").iterdir() if path != litter)
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).unlink()
    if harm != "gone":
        (folder / name).write_bytes(content if harm == "flipped" else content[:-9])
    again = open_pixels([GuardedDataset(srzoo.datasets.create("drawn"))], Use("bicubic"), (2,))
    assert all(np.array_equal(again.hr(n), picture) for n, picture in enumerate(want))
    assert list((tmp_path / "cache/pixels").iterdir()) == [folder]
