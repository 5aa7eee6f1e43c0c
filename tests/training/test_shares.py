"""Crops of several data sets come in the shares that the recipe says."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import srzoo
from srzoo import training
from srzoo.common import strict
from srzoo.contracts import Sample
from srzoo.errors import SrzooError
from srzoo.plugins.plugin import Use
from srzoo.recipes import recipe
from srzoo.recipes.recipe import Data, DataSources
from srzoo.training.crops import Crops
from srzoo.training.pixels import DatasetGroup, open_pixels
from srzoo.training.sets import GuardedDataset
from srzoo.training.shares import Shares, of_groups


@dataclass
class Sizes:
    groups: list[DatasetGroup]

    def __len__(self):
        return sum(group.count for group in self.groups)

    def size(self, number):
        return 10 + number % 7, 20


GROUPS = st.lists(
    st.tuples(st.integers(1, 9), st.one_of(st.none(), st.floats(1e-3, 0.2))), min_size=1, max_size=4
)


@settings(max_examples=60, deadline=None)
@given(GROUPS)
def test_each_set_has_its_share_and_each_picture_its_turn(groups):
    sizes = Sizes([DatasetGroup(*group) for group in groups])
    shares, count = of_groups(sizes.groups), 2000
    assert sum(shares) == 1
    drawn = Shares(sizes, 3)
    numbers = Counter(drawn.in_turn(place) for place in range(count))
    start = 0
    for group, share in zip(sizes.groups, shares, strict=True):
        own = [numbers[number] for number in range(start, start + group.count)]
        assert abs(sum(own) - count * share) <= len(groups)
        if any(g.weight is not None for g in sizes.groups):
            assert max(own) - min(own) <= 1
        start += group.count
    chances = np.random.default_rng(0).random(4000)
    areas = Counter(drawn.by_area(chance) for chance in chances)
    start = 0
    for group, share in zip(sizes.groups, shares, strict=True):
        part = sum(areas[number] for number in range(start, start + group.count))
        if any(g.weight is not None for g in sizes.groups):
            assert part / 4000 == pytest.approx(float(share), abs=0.05)
        start += group.count
    assert drawn.by_area(np.nextafter(1, 0)) == len(sizes) - 1


def test_sets_without_weights_are_like_one():
    joined, parts = Sizes([DatasetGroup(9)]), Sizes([DatasetGroup(2), DatasetGroup(7)])
    for pick in ("in_turn", "by_area"):
        first, second = getattr(Shares(joined, 1), pick), getattr(Shares(parts, 1), pick)
        places = range(40) if pick == "in_turn" else np.linspace(0, 0.999, 40)
        assert [first(place) for place in places] == [second(place) for place in places]


def test_those_without_a_weight_share_what_is_left():
    shares = of_groups([DatasetGroup(10, 0.25), DatasetGroup(10), DatasetGroup(20)])
    assert [float(share) for share in shares] == [0.25, 0.25, 0.5]


# Of main before there were lists, by the script in this test.
BEFORE = {
    ((2,), "bicubic", "pictures"): "bfacbfa380b243db",
    ((2,), "bicubic", "area"): "7f59c8f0e2953c6b",
    ((2,), "bicubic", "detail"): "921493e09119ea78",
    ((2,), "speckled", "pictures"): "19dc7d8e866be21c",
    ((2,), "speckled", "area"): "197c362d52b79f7b",
    ((2,), "speckled", "detail"): "99f1830e330f5e34",
    ((2, 3), "bicubic", "pictures"): "4700a654d37c4476",
    ((2, 3), "bicubic", "area"): "d1d175e1e6d82f9c",
    ((2, 3), "bicubic", "detail"): "493f30a7045e6df9",
    ((2, 3), "speckled", "pictures"): "c68892b330da0dae",
    ((2, 3), "speckled", "area"): "1acdb0d67e0a0b45",
    ((2, 3), "speckled", "detail"): "509a048f3dfaf3e4",
}


class Grains:
    """Five pictures of noise."""

    fingerprint = "grains"

    def __len__(self):
        return 5

    def __getitem__(self, index):
        rng = np.random.default_rng(range(5)[index])
        return Sample(f"{index}", rng.integers(0, 256, (60 + 6 * index, 72, 3), np.uint8))


class Speckled:
    """Chance without rounding."""

    deterministic = False

    def __call__(self, hr, scale, rng):
        lr = hr[::scale, ::scale]
        return lr ^ rng.integers(0, 256, lr.shape, np.uint8)


@pytest.mark.parametrize(("scales", "degradation", "draw"), BEFORE)
def test_one_set_gives_the_bytes_of_before(tiny, scales, degradation, draw):
    import hashlib

    tiny()
    srzoo.degradations.register("speckled", Speckled)
    try:
        pixels = open_pixels([GuardedDataset(Grains())], Use(degradation), scales)
        use = Use("grains")
        data = Data(use, use, Use(degradation), lr_crop=8, batch=6, draw=draw)
        drawn = Crops(pixels, data, scales, srzoo.degradations.create(degradation), 11)
        drawn.skip([(2, 3)])
        digest = hashlib.sha256()
        for step in range(8):
            for index in range(6):
                for side in drawn._crop(step, index, drawn.scale(step)):
                    digest.update(np.ascontiguousarray(side).tobytes())
    finally:
        srzoo.degradations.unregister("speckled")
    assert digest.hexdigest()[:16] == BEFORE[scales, degradation, draw]


@pytest.fixture
def two(tmp_path):
    """A folder of HR pictures, and pairs with the same names whose LR is black."""
    for kind in ("photos", "hr", "lr"):
        (tmp_path / kind).mkdir()
        for number in range(3):
            side = 30 if kind == "lr" else 60
            value = {"photos": 200, "hr": 100, "lr": 0}[kind]
            image = Image.new("RGB", (side, side), (value, value, number))
            image.save(tmp_path / kind / f"{number}.png")
    photos = f'name="folder", path="{tmp_path}/photos"'
    pairs = f'name="paired", hr="{tmp_path}/hr", lr="{tmp_path}/lr", scale=2'
    return photos, pairs


def test_pairs_and_pictures_mix(tiny, two):
    photos, pairs = two
    sets = f"[{{{photos}, weight=3}}, {{{pairs}, weight=1}}]"
    loaded = recipe.load(
        tiny(),
        [f"data.train={sets}", f"data.validation=[{{{photos}}}, {{{pairs}}}]", "train.steps=1"],
    )
    parts = training.assemble(loaded)
    batch = parts.crops.batch(0)
    means = tuple(sorted(int(x[..., 0].mean()) for x in side) for side in (batch.lr, batch.hr))
    assert means == ([0, 200, 200, 200], [100, 200, 200, 200])
    # Names stay unique, and tell the set.
    names = [f"{place}/{n}.png" for place in ("data.train[0]", "data.train[1]") for n in range(3)]
    assert parts.crops._pixels.names == names
    assert len({*parts.validation.names}) == 6
    assert {parts.crops.source(0, n).partition("/")[0] for n in range(4)} == {
        "data.train[0]", "data.train[1]",
    }  # fmt: skip
    outcome = training.train(loaded, tiny().parent / "run")
    assert outcome.complete


def test_a_mixed_validation_judges_pairs_by_their_own_lr(tiny, two, monkeypatch):
    from srzoo.training import validate

    photos, pairs = two
    loaded = recipe.load(tiny(), [f"data.validation=[{{{photos}}}, {{{pairs}}}]"])
    parts = training.assemble(loaded)
    seen = []
    monkeypatch.setattr(
        validate.Upscaler, "array",
        lambda self, lr, scale: seen.append(lr.max()) or lr.repeat(2, 0).repeat(2, 1),
    )  # fmt: skip
    validate.validate(parts, None)
    assert [int(value) for value in seen] == [200, 200, 200, 0, 1, 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (['data.train=[{name="drawn", weight=0}]'], "data.*train.*0.*weight is 0"),
        (['data.train=[{name="drawn", weight=-1}]'], "weight is -1"),
        (['data.train=[{name="drawn", weight=nan}]'], "weight is nan"),
        (['data.train=[{name="drawn", weight=inf}]'], "weight is inf"),
        (['data.train=[{name="drawn", weight=true}]'], "weight is True"),
        (['data.train=[{name="drawn", weight="2"}]'], "weight is '2'"),
        (['data.train=["drawn", {name="drawn", weight=1}]'], "leave no share"),
        (['data.validation=[{name="drawn", weight=1}]'], "data.validation has a weight"),
        (["data.train=[]"], "empty list"),
        (["data.train=[1]"], r"train\[0\] is 1"),
        (["data.train=[{path=1}]"], "no plugin name"),
        (['data.train=["drawn", "drown"]'], "Did you mean drawn"),
        (['data.train=["drawn", {name="drawn", path="x"}]'], "no argument 'path'"),
        (['data.train={name="drawn", weight=1}'], "no argument 'weight'"),
        (['data.cache="sometimes"'], "sometimes"),
    ],
)
def test_mistakes_in_lists_are_words(tiny, changes, message):
    with pytest.raises(SrzooError, match=message):
        recipe.load(tiny(), changes)


@pytest.mark.parametrize(
    "value",
    [
        "drawn",
        {"name": "folder", "path": "x"},
        ["drawn", {"name": "folder", "path": "x"}],
        [{"name": "drawn", "weight": 0.25}, "drawn"],
    ],
)
def test_lists_come_back_from_a_recipe_file(tiny, tmp_path, value):
    sets = strict.parse(DataSources, value, "x")
    assert strict.parse(DataSources, strict.plain(sets), "x") == sets
    if not isinstance(value, list):
        assert isinstance(strict.plain(sets), dict)
        return
    table = ", ".join(
        f'"{item}"'
        if isinstance(item, str)
        else "{" + ", ".join(f"{k}={v!r}".replace("'", '"') for k, v in item.items()) + "}"
        for item in value
    )
    loaded = recipe.read(tiny(), [f"data.train=[{table}]"])
    (tmp_path / "again.toml").write_text(loaded.to_toml())
    assert recipe.read(tmp_path / "again.toml") == loaded
    assert recipe.read(tiny(), [f"data.train=[{table}]", 'data.train.1={name="y"}']).data.train


def test_cards_tell_of_every_data_set(tiny, two):
    from srzoo.modelcards import cardsections, provenance
    from srzoo.recipes import pictures

    photos, pairs = two
    loaded = recipe.load(tiny(), [f"data.train=[{{{photos}, weight=3}}, {{{pairs}, weight=1}}]"])
    told = " ".join(provenance.training(loaded, None))
    assert "`folder` (path = photos) with weight 3 and `paired`" in told
    assert "made by `bicubic`" in told
    assert "others the data set's own (`lr = lr`)" in told
    assert pictures.lr_origin(loaded).clean is False  # one of them is not clean
    assert pictures.purpose(loaded) == "real photos"
    assert cardsections.set_names(loaded) == ()
