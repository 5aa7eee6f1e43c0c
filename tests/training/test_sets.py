"""Pictures of anyone's data set are held to the contract where they enter."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import Drawn
from PIL import Image

import srzoo
from srzoo import training
from srzoo.contracts import Sample
from srzoo.errors import SrzooError
from srzoo.plugins.plugin import Use
from srzoo.recipes import recipe
from srzoo.training.pixels import open_pixels
from srzoo.training.sets import GuardedDataset

LABEL = "data.train (mine)"


def picture(height=40, width=48, dtype=np.uint8):
    return np.random.default_rng(height * width).integers(0, 200, (height, width, 3)).astype(dtype)


class Mine:
    """A third party's data set; its first picture is as it is told."""

    fingerprint = "mine"

    def __init__(self, first, count=3):
        self.first, self.count = first, count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        if index:
            return Sample(f"good{index}", picture(), picture(20, 24))
        if isinstance(self.first, Exception):
            raise self.first
        return self.first


def opened(dataset, **options):
    return open_pixels([GuardedDataset(dataset, LABEL)], Use("bicubic"), (2,), **options)


@pytest.mark.parametrize(
    ("first", "message"),
    [
        (Sample("odd", picture(dtype=np.float32)), "odd of .*: HR is float32 (40, 48, 3)"),
        (Sample("odd", picture()[:, :, 0]), "odd of .*: HR is uint8 (40, 48)"),
        (Sample("odd", np.zeros((40, 48, 4), np.uint8)), "odd of .*: HR is uint8 (40, 48, 4)"),
        (Sample("odd", np.zeros((0, 48, 3), np.uint8)), "odd of .*: HR is uint8 (0, 48, 3)"),
        (Sample("odd", picture().tolist()), "odd of .*: HR is a list"),
        (Sample("odd", None), "odd of .*: HR is a NoneType"),
        (Sample("odd", picture(), picture(20, 24, np.int16)), "odd of .*: LR is int16 (20, 24, 3)"),
        (Sample("odd", picture(), picture(20, 24)[:, :, 0]), "odd of .*: LR is uint8 (20, 24)"),
        (Sample("odd", picture(), picture(10, 12)), "odd of .*: HR is 48x40 and LR 12x10"),
        (Sample("odd", picture(), picture(24, 20)), "odd of .*: HR is 48x40 and LR 20x24"),
        (Sample("odd", picture(), picture(19, 24)), "odd of .*: HR is 48x40 and LR 24x19"),
        (Sample("odd", picture(20, 24), picture(40, 48)), "odd of .*: HR is 24x20 and LR 48x40"),
        (Sample("", picture()), "picture 0 of .* has the name ''"),
        (Sample(7, picture()), "picture 0 of .* has the name 7"),
        ((picture(), picture(20, 24)), "picture 0 of .* is a tuple"),
        (None, "picture 0 of .* is a NoneType"),
        (ValueError("no such row"), "picture 0 of .*: ValueError: no such row"),
        (KeyError("row"), "picture 0 of .*: KeyError"),
        (OSError("disk"), "picture 0 of .*: OSError: disk"),
    ],
)
def test_what_breaks_the_contract_is_named(tiny, first, message):
    tiny()
    what, _, facts = message.partition(".*")
    for cache in ("auto", "never"):
        with pytest.raises(SrzooError) as caught:
            opened(Mine(first), cache=cache)
        assert caught.value.what.startswith(f"{what}{LABEL}{facts}")
        words = []
        rest = opened(Mine(first), cache=cache, skip_bad=True, say=words.append)
        assert rest.names == ["good1", "good2"]
        (word,) = words
        assert word.startswith("left out 1 of 3 pictures: ")
        assert facts in word


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((-40, 48), "its size is (-40, 48)"),
        ((0, 48), "its size is (0, 48)"),
        ((40.0, 48), "its size is (40.0, 48)"),
        ((40, 48, 3), "its size is (40, 48, 3)"),
        (None, "its size is None"),
        ((48, 40), "HR is 48x40, but its header states 40x48"),
    ],
)
def test_sizes_that_are_told_wrong(tiny, size, message):
    tiny()

    class Told(Mine):
        def name(self, index):
            return f"told{index}"

        def size(self, index):
            return (40, 48) if index else size

    with pytest.raises(SrzooError) as caught:
        opened(Told(Sample("told0", picture(), picture(20, 24))))
    assert caught.value.what == f"told0 of {LABEL}: {message}"


@pytest.mark.parametrize("cache", ["auto", "never"])
def test_pairs_of_another_scale_are_refused_at_once(tiny, tmp_path, cache):
    """The case of the issue: a set at scale 2, and a network that enlarges by 4."""
    for number in range(5):
        for side, folder in ((96, "hr"), (48, "lr")):
            (tmp_path / folder).mkdir(exist_ok=True)
            pixels = picture(side, side)
            Image.fromarray(pixels).save(tmp_path / folder / f"{number}.png")
    pairs = f'{{name="paired", hr="{tmp_path}/hr", lr="{tmp_path}/lr", scale=2}}'
    loaded = recipe.load(
        tiny(), [f"data.train={pairs}", "generator.scale=4", f'data.cache="{cache}"']
    )
    seen = []
    with pytest.raises(SrzooError) as caught:
        training.assemble(loaded, progress=lambda *done: seen.append(done))
    assert caught.value.what.startswith(
        "0.png of data.train (paired): HR is 96x96 and LR 48x48, which match at scale 2,"
        " but the generator enlarges by 4"
    )
    assert seen == []
    loaded = recipe.load(tiny(), [f"data.train={pairs}", f'data.cache="{cache}"'])
    training.assemble(loaded)  # kept now: another generator still cannot have them
    loaded = recipe.load(tiny(), [f"data.train={pairs}", "generator.scale=4"])
    with pytest.raises(SrzooError, match="0.png of .*the generator enlarges by 4"):
        training.assemble(loaded)


def test_pairs_do_not_train_several_scales(tiny, tmp_path):
    pixels = open_pixels(
        [GuardedDataset(Mine(Sample("a", picture(), picture(20, 24))))], Use("bicubic"), (2,)
    )
    assert pixels.has_lr(0, 2)
    tiny()
    with pytest.raises(SrzooError, match="cannot train x2 and x3 at once"):
        open_pixels(
            [GuardedDataset(Mine(Sample("a", picture(), picture(20, 24))))], Use("bicubic"), (2, 3)
        )


def test_all_bad_pictures_are_named_and_counted(tiny):
    tiny()

    class Bad(Mine):
        def __getitem__(self, index):
            if index % 2:
                raise SrzooError(f"number {index} is torn", "Restore it")
            return Sample(f"good{index}", picture())

    seen = []
    with pytest.raises(SrzooError) as caught:
        opened(Bad(None, count=12), progress=lambda *done: seen.append(done))
    assert caught.value.what.startswith("6 of 12 pictures are bad: picture 1 of ")
    assert "number 5 is torn; and 3 more" in caught.value.what
    assert "skip_bad = true" in caught.value.fix
    assert seen[-1] == (12, 12)  # the others were decoded first


class Odd:
    """A degradation that breaks the contract in a way that would train."""

    def __init__(self, *, fault: str, deterministic: bool) -> None:
        self.fault, self.deterministic = fault, deterministic

    def __call__(self, hr, scale, rng):
        lr = hr[::scale, ::scale]
        return {
            "float": lr.astype(np.float32), "gray": lr[:, :, 0], "large": hr, "none": None,
            "raises": None,
        }[self.fault if self.fault != "raises" else 1 // 0]  # fmt: skip


@pytest.mark.parametrize("deterministic", [True, False])
@pytest.mark.parametrize("fault", ["float", "gray", "large", "none", "raises"])
def test_degradations_are_held_to_the_contract_too(tiny, fault, deterministic):
    srzoo.degradations.register("odd", Odd)
    use = f'{{name="odd", fault="{fault}", deterministic={str(deterministic).lower()}}}'
    try:
        with pytest.raises(SrzooError, match="the degradation odd"):
            training.assemble(recipe.load(tiny(), [f"data.degradation={use}"])).crops._crop(0, 0, 2)
    finally:
        srzoo.degradations.unregister("odd")


def test_an_empty_data_set(tiny):
    tiny()
    with pytest.raises(SrzooError, match=r"data.train \(mine\) contains no pictures"):
        opened(Mine(None, count=0))
    with pytest.raises(SrzooError, match=r"no picture of data.train \(mine\) is left"):
        opened(Mine(None, count=1), skip_bad=True)


@pytest.mark.parametrize("told", [None, "", 7])
def test_a_set_without_a_fingerprint_is_told(tiny, monkeypatch, told):
    if told is None:
        monkeypatch.delattr(Drawn, "fingerprint")
    else:
        monkeypatch.setattr(Drawn, "fingerprint", told)
    with pytest.raises(SrzooError, match="the dataset drawn has no fingerprint"):
        training.train(recipe.load(tiny()), tiny().parent / "run")
