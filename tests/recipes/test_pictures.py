"""What is told of LR pictures, by plugins that nobody here knows."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import srzoo
from srzoo.contracts import Described, Sample
from srzoo.modelcards import provenance
from srzoo.recipes import pictures, recipe

NOTHING_ELSE = "and no others"


class Lanczos:
    """Shrunk by a Lanczos filter."""

    deterministic = True

    def __call__(self, hr, scale, rng):
        size = hr.shape[1] // scale, hr.shape[0] // scale
        return np.asarray(Image.fromarray(hr).resize(size, Image.Resampling.LANCZOS))


class CleanLanczos(Lanczos):
    """Shrunk by a Lanczos filter, as it says itself."""

    clean = True
    phrase = "shrunk by Lanczos"


class Grain(Lanczos):
    """Film."""

    deterministic = False


class Pairs:
    """HR and LR under names that no one else has."""

    def __init__(self, *, low: str = "", backbone: str = "") -> None:
        self.low = low

    fingerprint = "pairs"

    def __len__(self):
        return 1

    def __getitem__(self, index):
        return Sample("a", np.zeros((8, 8, 3), np.uint8), np.zeros((4, 4, 3), np.uint8))


class TellingPairs(Pairs):
    """The same, and it says so."""

    @staticmethod
    def describe(args):
        return Described(own_lr=True, clean=args["low"] == "box", lr=f"of {args['low']}")


class TellingPictures(Pairs):
    """HR alone; an argument is called as another set's LR pictures are."""

    def __init__(self, *, track: str = "bicubic_x4", lr: str = "x") -> None:
        pass

    @staticmethod
    def describe(args):
        return Described(own_lr=False, name="org/pictures")


class BadlyTelling(Pairs):
    """Falls over when it is asked."""

    @staticmethod
    def describe(args):
        raise KeyError("nothing")


class OddlyTelling(Pairs):
    """Tells something else than it should."""

    @staticmethod
    def describe(args):
        return {"own_lr": True}


class Kernel(Lanczos):
    """By a kernel from a file, which is not where a card is written."""

    def __init__(self):
        raise FileNotFoundError("kernel.npy")


@pytest.fixture(autouse=True)
def registered():
    sets = {"pairs": Pairs, "telling-pairs": TellingPairs, "telling-pictures": TellingPictures,
            "badly-telling": BadlyTelling, "oddly-telling": OddlyTelling}  # fmt: skip
    made = {"lanczos": Lanczos, "clean-lanczos": CleanLanczos, "grain": Grain, "kernel": Kernel}
    for name, kind in sets.items():
        srzoo.datasets.register(name, kind)
    for name, kind in made.items():
        srzoo.degradations.register(name, kind)
    yield
    for name in sets:
        srzoo.datasets.unregister(name)
    for name in made:
        srzoo.degradations.unregister(name)


@pytest.fixture
def written(tmp_path):
    def make(train, degradation="bicubic"):
        file = tmp_path / "plan.toml"
        file.write_text(
            f'srzoo = 1\ngenerator = "edsr"\nlosses = ["l1"]\ntrain = {{ steps = 1 }}\n'
            f'data = {{ train = {train}, validation = "pairs", degradation = "{degradation}" }}\n'
        )
        return recipe.read(file)

    return make


PICTURES = '"telling-pictures"'


@pytest.mark.parametrize(
    ("train", "degradation", "purpose", "clean"),
    [
        (PICTURES, "bicubic", "faithful", True),
        (PICTURES, "clean-lanczos", "faithful", True),
        (PICTURES, "lanczos", None, None),
        (PICTURES, "grain", "real photos", False),
        (PICTURES, "mild", "real photos", False),
        (PICTURES, "not-installed", None, None),
        ('"pairs"', "bicubic", None, None),
        ('"pairs"', "grain", "real photos", False),
        ('"badly-telling"', "bicubic", None, None),
        ('"oddly-telling"', "bicubic", None, None),
        (PICTURES, "kernel", None, None),
        ('"not-installed"', "bicubic", None, None),
        ('{ name = "pairs", low = "LR_bicubic" }', "bicubic", None, None),
        ('{ name = "telling-pairs", low = "phone" }', "bicubic", "real photos", False),
        ('{ name = "telling-pairs", low = "box" }', "grain", "faithful", True),
        ('["telling-pictures", "pairs"]', "bicubic", None, None),
        ('["pairs", "telling-pictures"]', "grain", "real photos", False),
        ('["telling-pictures", { name = "telling-pairs", low = "phone" }]', "bicubic",
         "real photos", False),
    ],
)  # fmt: skip
def test_nothing_is_said_that_no_plugin_states(written, train, degradation, purpose, clean):
    made = written(train, degradation)
    assert pictures.purpose(made) == purpose
    assert pictures.lr_origin(made).clean is clean
    said = " ".join(provenance.uses(made))
    assert (NOTHING_ELSE in said) is (clean is True)
    assert ("real photos" in said) is (clean is False)


@pytest.mark.parametrize(
    ("degradation", "own", "purpose"),
    [("bicubic", True, None), ("mild", True, None), ("bicubic", False, "faithful"), ("mild", False,
     "real photos"), ("lanczos", False, None)],
)  # fmt: skip
def test_what_was_seen_counts_where_nothing_is_stated(written, degradation, own, purpose):
    made = written('"pairs"', degradation)
    assert pictures.purpose(made, 0, [own]) == purpose
    said = " ".join(provenance.uses(made, purpose))
    assert (NOTHING_ELSE in said) is (purpose == "faithful")


def test_what_is_stated_counts_more_than_what_was_seen(written):
    assert pictures.purpose(written(PICTURES), 0, [True]) == "faithful"


def test_a_clean_degradation_has_its_own_words(written):
    said = " ".join(provenance.uses(written(PICTURES, "clean-lanczos")))
    assert "trained on pictures shrunk by Lanczos and no others" in said
    assert "bicubic" not in said


def test_own_lr_pictures_are_told_apart(written):
    assert pictures.lr_origin(written('{ name = "telling-pairs", low = "phone" }')).text == (
        "the data set's own (of phone)"
    )
    text = pictures.lr_origin(written('"pairs"')).text
    assert text.startswith("made by `bicubic`: MATLAB")
    assert text.endswith(", where the data set `pairs` has none of its own")
