"""Folders, pairs of folders, and the Hub as datasets."""

from __future__ import annotations

import builtins
import os
import pickle
import re
import sys
import types
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from helpers import drawn
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from srzoo_plugins.data import Folder, Hub, Paired

from srzoo.building import fit_pair, read_rgb
from srzoo.contracts import Sample
from srzoo.errors import PictureError, SrzooError
from srzoo.plugins import kinds
from srzoo.testing import dataset as suite


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    for name in (
        "b.png",
        "a/x.jpg",
        "a/y.PNG",
        "a/deep/z.webp",
        "note.txt",
        ".hid/h.png",
        ".h.png",
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".txt":
            path.write_text("no picture")
        else:
            drawn().save(path)
    return root


ALL = ["a/deep/z.webp", "a/x.jpg", "a/y.PNG", "b.png"]


def test_they_are_registered():
    assert {"folder", "hub", "paired"} <= set(kinds.datasets.names())
    assert not [
        p for p in kinds.datasets.check() if p.plugin.target.startswith("srzoo_plugins.data")
    ]


# --- folder -------------------------------------------------------------------------------


@pytest.mark.parametrize("check", suite.DATASET_CHECKS, ids=lambda check: check.__name__)
def test_folder_keeps_the_contract(tree, check):
    check(Folder(path=tree))


def test_a_tree_in_order(tree):
    dataset = Folder(path=str(tree))
    assert [sample.name for sample in dataset] == ALL
    assert all(sample.lr is None and sample.hr.shape == (31, 45, 3) for sample in dataset)
    assert Folder(path=tree, recursive=False).names == ["b.png"]
    assert dataset[-1].name == "b.png"


def test_smaller_pictures_come_after_the_others(tree):
    whole, dataset = Folder(path=tree), Folder(path=tree, smaller=[0.8, 0.5])
    suite.check_dataset(dataset, {"path": tree, "smaller": [0.8, 0.5]})
    assert [s.name for s in dataset] == [*ALL, *(f"{n} x{f}" for f in (0.8, 0.5) for n in ALL)]
    assert [s.hr.shape[:2] for s in dataset] == [(31, 45)] * 4 + [(25, 36)] * 4 + [(16, 22)] * 4
    for one, small in zip(whole, list(dataset)[4:8], strict=True):
        assert np.abs(one.hr.mean((0, 1)) - small.hr.mean((0, 1))).max() < 1  # the same, smaller
    assert dataset[-1].name == dataset[11].name
    assert len({Folder(path=tree, smaller=f).fingerprint for f in ((), [0.8], [0.8, 0.5])}) == 3
    for factor in (0, 1, 1.5, -0.5):
        with pytest.raises(SrzooError, match=r"smaller\[0\] is .* than [01]"):
            kinds.datasets.create("folder", path=tree, smaller=[factor])


def test_a_link_to_a_folder_is_followed_and_a_circle_ends(tree, tmp_path):
    (tmp_path / "root").mkdir()
    (tmp_path / "root/link").symlink_to(tree)
    (tree / "a/back").symlink_to(tree)
    assert Folder(path=tmp_path / "root").names == [f"link/{name}" for name in ALL]


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"include": ["a/*"]}, ALL[:3]),
        ({"include": ["*.png", "*.PNG"]}, ALL[2:]),
        ({"exclude": ["a/deep/*"]}, ALL[1:]),
        ({"include": ["a/*"], "exclude": ["*.jpg"]}, [ALL[0], ALL[2]]),
        ({"include": "list.txt"}, ["a/x.jpg", "b.png"]),
        ({"exclude": "list.txt"}, ["a/deep/z.webp", "a/y.PNG"]),
    ],
)
def test_include_and_exclude(tree, arguments, names):
    (tree / "list.txt").write_text("\ufeff# held out\n\n  ./b.png \na/x.jpg\r\n", encoding="utf-8")
    assert Folder(path=tree, **arguments).names == names


def test_a_list_elsewhere(tree, tmp_path):
    (tmp_path / "list.txt").write_text("b.png\n")
    assert Folder(path=tree, include=tmp_path / "list.txt").names == ["b.png"]
    assert Folder(path=tree, include=str(tmp_path / "list.txt")).names == ["b.png"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("b.pnk\n", r"list.txt: no picture is called b.pnk. Did you mean b.png"),
        ("q1\nq2\nq3\nq4\nq5\n", r"called q1, q2, q3 and 2 more. Names are relative to"),
        (".h.png\n", "no picture is called .h.png"),
    ],
)
@pytest.mark.parametrize("argument", ["include", "exclude"])
def test_unknown_lines_are_named(tree, argument, lines, message):
    (tree / "list.txt").write_text(lines)
    with pytest.raises(SrzooError, match=message):
        Folder(path=tree, **{argument: "list.txt"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "nowhere"}, "the folder nowhere does not exist"),
        ({"path": __file__}, "is a file"),
        ({"include": "nolist.txt"}, "cannot read the list .*nolist.txt: No such file"),
        ({"include": "*.png"}, "a list of patterns in brackets"),
        ({"include": "b.png"}, "cannot read the list"),
        ({"include": ["*.gif"]}, r"include of .*: no picture is called \*.gif"),
        ({"exclude": ["*"]}, "no picture of .* is left"),
        ({"include": []}, "no picture of .* is left"),
    ],
)
def test_refused_folders(tree, arguments, message):
    with pytest.raises(SrzooError, match=message):
        Folder(**{"path": tree, **arguments})


def test_a_folder_without_pictures(tmp_path):
    with pytest.raises(PictureError, match="contains no pictures"):
        Folder(path=tmp_path)


def test_the_fingerprint_sees_every_change(tree, tmp_path):
    before = Folder(path=tree).fingerprint
    seen = {before, Folder(path=tree, exclude=["b.png"]).fingerprint}
    assert Folder(path=tree).fingerprint == before

    os.utime(tree / "b.png", ns=(1, 1))
    seen.add(Folder(path=tree).fingerprint)
    (tree / "b.png").write_bytes((tree / "b.png").read_bytes() + b"x")
    os.utime(tree / "b.png", ns=(1, 1))
    seen.add(Folder(path=tree).fingerprint)
    (tree / "b.png").rename(tree / "c.png")
    seen.add(Folder(path=tree).fingerprint)
    assert len(seen) == 5

    last = Folder(path=tree).fingerprint
    tree.rename(tmp_path / "moved")
    assert Folder(path=tmp_path / "moved").fingerprint == last


def test_a_picture_that_goes_away(tree):
    dataset = Folder(path=tree)
    (tree / "b.png").unlink()
    with pytest.raises(PictureError, match="b.png does not exist"):
        dataset[3]
    with pytest.raises(PictureError, match="b.png: No such file"):
        _ = dataset.fingerprint


def test_a_damaged_picture_is_named(tree):
    (tree / "b.png").write_bytes((tree / "b.png").read_bytes()[:200])
    with pytest.raises(PictureError, match="cannot read .*b.png"):
        Folder(path=tree)[3]


def test_gray_and_transparent_pictures(tmp_path):
    drawn(mode="L").save(tmp_path / "gray.png")
    gray = read_rgb(tmp_path / "gray.png")
    assert gray.shape == (31, 45, 3)
    assert np.ptp(gray, axis=2).max() == 0

    drawn(mode="RGBA").save(tmp_path / "clear.png")
    clear = read_rgb(tmp_path / "clear.png")
    white = Image.new("RGBA", (45, 31), "white")
    want = np.asarray(Image.alpha_composite(white, drawn(mode="RGBA")).convert("RGB"))
    assert np.abs(clear.astype(int) - want).max() <= 1
    assert (clear[:, 0] == 255).all()

    opaque = drawn().convert("RGBA")
    opaque.save(tmp_path / "opaque.png")
    assert np.array_equal(read_rgb(tmp_path / "opaque.png"), np.asarray(drawn()))


def test_the_training_photos_of_the_shared_data(data):
    root = data / "train"
    validation = Folder(path=root, include=str(root / "validation.txt"))
    train = Folder(path=root, exclude="validation.txt")
    assert (len(train), len(validation)) == (423, 10)
    assert not set(train.names) & set(validation.names)
    suite.check_dataset(validation)


# --- paired -------------------------------------------------------------------------------


def make_pair(root: Path, name: str, low: str, size=(12, 8), scale=4) -> None:
    for folder, file, (width, height) in (
        ("hr", name, size),
        ("lr", low, (size[0] // scale, size[1] // scale)),
    ):
        path = root / folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn(width, height).save(path)


def paired(root: Path, scale: int = 4) -> Paired:
    return Paired(hr=root / "hr", lr=root / "lr", scale=scale)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    make_pair(tmp_path, "0002.png", "0002.jpg", (15, 11))
    make_pair(tmp_path, "0001.png", "0001x4.png")
    make_pair(tmp_path, "sub/a.png", "sub/a.png")
    make_pair(tmp_path, "12x4.png", "12x4.png")
    return tmp_path


@pytest.mark.parametrize("check", suite.DATASET_CHECKS, ids=lambda check: check.__name__)
def test_paired_keeps_the_contract(pairs, check):
    check(paired(pairs))


def test_partners_by_name(pairs):
    dataset = paired(pairs)
    assert dataset.names == [
        ("0001.png", "0001x4.png"),
        ("0002.png", "0002.jpg"),
        ("12x4.png", "12x4.png"),
        ("sub/a.png", "sub/a.png"),
    ]
    assert [s.name for s in dataset] == ["0001.png", "0002.png", "12x4.png", "sub/a.png"]
    assert [(s.hr.shape, s.lr.shape) for s in dataset][1] == ((8, 12, 3), (2, 3, 3))


def test_the_benchmarks_as_pairs(data):
    folder = data / "benchmarks/Set14/x3"
    dataset = Paired(hr=folder / "HR", lr=folder / "LR", scale=3)
    assert len(dataset) == 14
    suite.check_dataset(dataset, {"lr": str(folder / "LR")})


def test_missing_partners_are_named(pairs):
    for number in range(5):
        drawn(12, 8).save(pairs / f"hr/lone{number}.png")
    with pytest.raises(SrzooError, match=r"lr has no partner for lone0.png, lone1.png, lone2.png"):
        paired(pairs)
    with pytest.raises(SrzooError, match="and 2 more"):
        paired(pairs)


def test_a_missing_hr_picture_is_named(pairs):
    (pairs / "hr/0002.png").unlink()
    with pytest.raises(SrzooError, match=r"hr has no partner for 0002.jpg. Give partners"):
        paired(pairs)


def test_two_partners_are_refused(pairs):
    drawn(3, 2).save(pairs / "lr/0001.png")
    with pytest.raises(SrzooError, match=r"0001.png"):
        paired(pairs)


def test_another_scale_in_the_name_is_no_partner(pairs):
    with pytest.raises(SrzooError, match="no partner for 0001.png"):
        paired(pairs, 3)


def test_sizes_are_checked_on_access(pairs):
    drawn(9, 9).save(pairs / "lr/0001x4.png")
    dataset = paired(pairs)
    with pytest.raises(PictureError, match="0001.png: HR is 12x8 and LR 9x9"):
        dataset[0]
    assert dataset[1].name == "0002.png"


def test_the_fingerprint_of_pairs(pairs):
    before = paired(pairs).fingerprint
    os.utime(pairs / "lr/0002.jpg", ns=(1, 1))
    assert paired(pairs).fingerprint != before


@given(low=st.tuples(st.integers(1, 9), st.integers(1, 9)), scale=st.integers(1, 5),
       more=st.tuples(st.integers(-6, 6), st.integers(-6, 6)))  # fmt: skip
def test_fit_crops_by_less_than_an_lr_pixel_or_refuses(low, scale, more):
    lr = np.zeros((*low, 3), np.uint8)
    sides = [max(scale * side + extra, 1) for side, extra in zip(low, more, strict=True)]
    hr = np.zeros((*sides, 3), np.uint8)
    close = all(abs(a - scale * b) < scale for a, b in zip(sides, low, strict=True))
    whole = all(side >= scale for side in sides)
    if not close:
        with pytest.raises(PictureError, match="do not match"):
            fit_pair(hr, lr, scale, "x")
    elif not whole:
        with pytest.raises(PictureError, match="smaller than one LR pixel"):
            fit_pair(hr, lr, scale, "x")
    else:
        high, small = fit_pair(hr, lr, scale, "x")
        assert high.shape[:2] == (scale * small.shape[0], scale * small.shape[1])
        assert min(small.shape) > 0
        assert all(a - b < scale for a, b in zip(hr.shape, high.shape, strict=True))
        assert all(a - b <= 1 for a, b in zip(lr.shape, small.shape, strict=True))


# --- hub ----------------------------------------------------------------------------------


def test_hub_without_its_extra(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **named):
        if name == "datasets":
            raise ImportError("No module named 'datasets'")
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SrzooError, match=r'pip install "srzoo\[hub-data\]"'):
        Hub(repo="someone/pictures", split="train")


def test_hub_with_the_real_library(tmp_path):
    pytest.importorskip("datasets")
    drawn().save(tmp_path / "a.png")
    drawn(mode="L").save(tmp_path / "b.png")
    dataset = Hub(repo=str(tmp_path), split="train")
    suite.check_dataset(dataset, {"repo": str(tmp_path)})
    assert [s.name for s in dataset] == ["train/000000", "train/000001"]


class Rows:
    """As much of ``datasets.Dataset`` as is used."""

    _fingerprint = "abc"

    def __init__(self, count: int = 2) -> None:
        self.count = count
        picture = type("Image", (), {})()
        self.features = {"image": picture, "caption": object()}

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Image.Image]:
        assert isinstance(index, int)
        assert 0 <= index < self.count
        return {"image": drawn(mode=("RGB", "L")[index % 2])}


@pytest.fixture
def fake_hub(monkeypatch):
    asked = []

    def load_dataset(repo, *, split, revision):
        asked.append((repo, split, revision))
        if split == "trian":
            raise ValueError("Unknown split \"trian\". Should be one of ['train'].")
        return Rows(0 if split == "none" else 2)

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset
    monkeypatch.setitem(sys.modules, "datasets", module)
    return asked


def test_hub_rows_are_samples(fake_hub):
    dataset = Hub(repo="someone/pictures", split="train", revision="v1")
    assert fake_hub == [("someone/pictures", "train", "v1")]
    suite.has_pictures(dataset)
    suite.gives_samples(dataset)
    suite.same_every_time(dataset)
    assert dataset[-1].name == "train/000001"
    other = Hub(repo="someone/pictures", split="train", revision="v1")
    other._rows._fingerprint = "abd"
    assert other.fingerprint != dataset.fingerprint


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"column": "imag"}, "no column 'imag'. Did you mean image"),
        ({"column": "caption"}, "contains no pictures"),
        ({"split": "trian"}, "Unknown split"),
        ({"split": "none"}, "is empty"),
    ],
)
def test_refused_hub_arguments(fake_hub, arguments, message):
    with pytest.raises(SrzooError, match=message):
        Hub(**{"repo": "someone/pictures", "split": "train", **arguments})


# --- the suite ----------------------------------------------------------------------------


class Faulty:
    """A dataset with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.count = 0
        self.pictures = [np.full((8, 8, 3), i, np.uint8) for i in range(3)]
        if fault == "pickle":
            self.function = lambda: None

    @property
    def fingerprint(self) -> str:
        self.count += self.fault == "fingerprint"
        return f"f{self.count}"

    def __len__(self) -> int:
        return 0 if self.fault == "empty" else 3

    def __getitem__(self, index: int) -> Sample:
        hr = self.pictures[index % 3 if self.fault == "endless" else index]
        if self.fault != "painted":
            hr = hr.copy()
        if self.fault == "gray":
            hr = hr[:, :, 0]
        if self.fault == "float":
            hr = hr / 255
        lr = hr[::3, ::2] if self.fault == "lr" else None
        return Sample("same" if self.fault == "names" else str(index), hr, lr)


@pytest.mark.parametrize(
    "fault",
    ["empty", "endless", "gray", "float", "lr", "names", "painted", "fingerprint", "pickle"],
)
def test_the_suite_can_fail(fault):
    with pytest.raises((AssertionError, pickle.PicklingError, AttributeError)):
        suite.check_dataset(Faulty(fault))


def test_the_suite_passes_a_dataset_without_fault():
    suite.check_dataset(Faulty("none"))


COMMON = "to, verify=True, progress=None"


@pytest.mark.parametrize(
    ("arguments", "args", "message"),
    [
        (f"*, {COMMON}, year: str = 'a'", "year: which.", None),
        (f"*, {COMMON}, year: Literal['a'] | None = None", "year: which.", None),
        (f"*, {COMMON}", "to: where.", None),
        ("*, to, verify=True", "to: where.", "takes no progress"),
        (f"*, {COMMON}, year='a'", "year: which.", "argument year has no annotation"),
        (f"*, {COMMON}, year: str", "year: which.", "argument year has no default"),
        (f"*, {COMMON}, year: list[str] = ()", "year: which.", "year is annotated with none of"),
        (f"*, {COMMON}, year: Missing = 1", "year: which.", "year is annotated with none of"),
        (f"*, {COMMON}, year: int | str = 1", "year: which.", "year is annotated with none of"),
        (f"*, {COMMON}, year: str = 'a'", "to: where.", "argument year is not in the docstring"),
        (f"*, {COMMON}, year: str = 'a'", "", "has no docstring"),
        (f"{COMMON}", "to: where.", "argument to is not keyword-only"),
        (f"*, {COMMON}, **more", "to: where.", "argument more is not keyword-only"),
        (f"*, {COMMON}, output: str = ''", "output: o.", "the name of an option"),
    ],
)
def test_the_suite_checks_how_a_dataset_is_downloaded(monkeypatch, arguments, args, message):
    text = f'    """Get it.\n\n    Args:\n        {args}\n    """\n' if args else ""
    code = f"from __future__ import annotations\ndef fetch({arguments}):\n{text}    return []\n"
    space = {"Literal": Literal}
    exec(code, space)
    members = {"fetch": staticmethod(space["fetch"]), "__module__": __name__}
    kind = type("Fetched", (Faulty,), members)
    if message is None:
        suite.is_downloaded_by_options(kind("none"))
        return
    monkeypatch.setattr(sys.modules[__name__], "Fetched", kind, raising=False)  # to be pickled
    with pytest.raises(AssertionError, match=re.escape(message)):
        suite.check_dataset(kind("none"))
