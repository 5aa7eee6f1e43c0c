"""Every format: what is written, what it says about itself, and whether it does the same."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

from srzoo.errors import DeviceError, ModelError
from srzoo.exporting import about, convert, engine_facts
from srzoo.exporting.convert import DIFFERING, OFF, AtScale
from srzoo.exporting.trial import trial_picture
from srzoo.models.folder import read_folder
from srzoo.networks import folders
from srzoo.plugins import kinds
from srzoo.testing import cases
from srzoo.testing._case import seeded

FORMATS = ["mnn", "ncnn", "onnx", "openvino"]
ARGS = {"n_resblocks": 1, "n_feats": 8, "scale": 3}
NAME = "röntgen & Co \u00bb1\u00ab"


def test_these_are_all():
    assert kinds.export_formats.names() == FORMATS


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    torch.manual_seed(3)
    net = kinds.generators.create("edsr", **ARGS)
    return folders.save(net, tmp_path_factory.mktemp("net") / NAME, generator="edsr", args=ARGS)


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    """Each format's file, written once."""
    made = {}

    def write(format):
        if format not in made:
            suffix = kinds.export_formats.create(format).suffix
            path = tmp_path_factory.mktemp(format) / f"a b.c{suffix}"
            made[format] = path, convert.write(model, 3, format, path)
        return made[format]

    return write


@pytest.mark.parametrize("format", FORMATS)
def test_what_is_written(format, written):
    path, (off, differing) = written(format)
    kind = kinds.export_formats.create(format)
    want = sorted(f"a b.c{suffix}" for suffix in (kind.suffix, *kind.beside))
    assert sorted(file.name for file in path.parent.iterdir()) == want
    assert off <= OFF
    assert differing <= DIFFERING


@pytest.mark.parametrize("format", FORMATS)
def test_it_says_what_it_is_without_torch(format, written, model):
    path, _ = written(format)
    code = (
        "import sys; from pathlib import Path; from srzoo.plugins import kinds\n"
        "print(kinds.export_formats.create(sys.argv[1]).about(Path(sys.argv[2])))\n"
        "assert 'torch' not in sys.modules"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, format, path], check=True, capture_output=True
    ).stdout.decode()
    found = about.parse(told, "it")
    reach = kinds.generators.create("edsr", **ARGS).reach
    assert (found.model, found.scale, found.range) == (NAME, 3, (0.0, 1.0))
    assert (found.reach, found.smallest, found.folded) == (reach, 5, True)
    assert about.parse(found.to_json(), "it") == found
    assert found.to_json().isascii()
    assert " " not in found.to_json()


@pytest.mark.parametrize("format", FORMATS)
def test_any_size_gives_the_same_as_torch(format, written, model):
    """Sizes that it was neither exported with nor checked on, down to the smallest."""
    path, _ = written(format)
    session = kinds.export_formats.create(format).open(path, 1)
    net = AtScale(folders.build(model), 3, False)
    for height, width in ((5, 5), (5, 201), (201, 6), (33, 47), (150, 143)):
        x = trial_picture(height, width)
        with torch.no_grad():
            want = net(torch.as_tensor(x)).numpy()
        got = session(x)
        assert got.shape == want.shape
        assert got.dtype == np.float32
        apart = np.abs(convert._levels(got) - convert._levels(want))
        assert apart.max() <= OFF
        assert np.mean(apart > 0) <= DIFFERING


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_is_its_owners(format, written):
    """It stays as it is while others are made, and may be written over."""
    path, _ = written(format)
    session = kinds.export_formats.create(format).open(path, 1)
    sides = (40, 40, 25, 60)
    results = [session(trial_picture(side, side)) for side in sides]
    for y in results:
        y *= 2
    for side, y in zip(sides, results, strict=True):
        np.testing.assert_allclose(y, 2 * session(trial_picture(side, side)), atol=1e-3)


def test_unfolded(model, tmp_path):
    convert.write(model, 3, "onnx", tmp_path / "a.onnx", fold=False)
    told = kinds.export_formats.create("onnx").about(tmp_path / "a.onnx")
    assert not about.parse(told, "a.onnx").folded


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"model": "x"}', "\x00"])
def test_a_file_of_others(text):
    with pytest.raises(ModelError, match=r"a\.onnx was not written by srzoo.*Export it again"):
        about.parse(text, "a.onnx")


class Brighter:
    """The ONNX format, three levels too bright."""

    suffix, beside, packages, extra = ".bright", (), {}, ""

    def write(self, onnx, path, about):
        path.write_bytes(onnx.read_bytes())

    def open(self, path, threads):
        session = kinds.export_formats.create("onnx").open(path, threads)
        return lambda x: session(x) + np.float32(3 / 255)


class Failing(Brighter):
    """Breaks off in the middle."""

    def write(self, onnx, path, about):
        path.write_text("half")
        raise ModelError("no such thing")


class Crooked(Brighter):
    """Gives another size."""

    def open(self, path, threads):
        return lambda x: x


class Empty(Brighter):
    """Gives no numbers."""

    def open(self, path, threads):
        return lambda x: np.full((1, 3, *(3 * side for side in x.shape[2:])), np.nan, "f4")


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Brighter, r"differs by [34] levels, and \d+\.\d\d% of the values differ"),
        (Failing, "no such thing"),
        (Crooked, r"returned \(1, 3, 61, 83\), not"),
        (Empty, "not finite"),
    ],
)
def test_what_is_wrong_is_not_written(model, tmp_path, kind, message):
    kinds.export_formats.register("wrong", kind)
    (tmp_path / "a.bright").write_text("mine")
    try:
        with pytest.raises(ModelError, match=message):
            convert.write(model, 3, "wrong", tmp_path / "a.bright")
    finally:
        kinds.export_formats.unregister("wrong")
    assert [path.name for path in tmp_path.iterdir()] == ["a.bright"]
    assert (tmp_path / "a.bright").read_text() == "mine"


class Undecided(torch.nn.Module):
    """Has a way that depends on the values."""

    scales, reach = (2,), 0

    def __init__(self):
        super().__init__()

    def forward(self, x, scale=None):
        x = x * 2 if x.mean() > 0.5 else x
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def test_a_network_that_torch_cannot_export(tmp_path, capfd):
    kinds.generators.register("undecided", Undecided)
    try:
        folder = folders.save(Undecided(), tmp_path / "odd", generator="undecided", args={})
        with pytest.raises(ModelError, match="torch cannot export odd: Could not guard") as found:
            convert.write(folder, 2, "onnx", tmp_path / "a.onnx")
    finally:
        kinds.generators.unregister("undecided")
    assert "\n" not in str(found.value)
    assert capfd.readouterr() == ("", "")


def test_a_missing_package_is_named(model, monkeypatch, tmp_path):
    find_spec = engine_facts.util.find_spec
    monkeypatch.setattr(
        engine_facts.util, "find_spec", lambda name: None if name == "ncnn" else find_spec(name)
    )
    with pytest.raises(DeviceError, match=r'ncnn is not installed.*pip install "srzoo\[ncnn\]"'):
        convert.write(model, 3, "ncnn", tmp_path / "a.param")
    monkeypatch.setattr(
        engine_facts.util, "find_spec", lambda name: None if name == "onnx" else find_spec(name)
    )
    with pytest.raises(DeviceError, match=r'pip install "srzoo\[torch\]"'):
        convert.write(model, 3, "mnn", tmp_path / "a.mnn")
    assert not list(tmp_path.iterdir())


def test_stdout_stays_silent(written, model, tmp_path, capfd):
    path, _ = written("mnn")
    mnn = kinds.export_formats.create("mnn")
    mnn.about(path)
    mnn.open(path, 1)(trial_picture(9, 9))
    convert.write(model, 3, "mnn", tmp_path / "a.mnn")
    assert capfd.readouterr().out == ""


def one_of_each():
    """Of each network an example, but not the defaults where they are as large as the papers'."""
    small = [c for c in cases("generator") if c.args or c.name in ("srzoo:bicubic", "srzoo:srcnn")]
    return list({case.name: case for case in reversed(small)}.values())


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("case", one_of_each(), ids=str)
def test_every_network_in_every_format(case, format, tmp_path):
    net = seeded(kinds.generators, case)
    name = case.name.rpartition(":")[2]
    folder = folders.save(net, tmp_path / name, generator=name, args=case.args)
    path = tmp_path / f"a{kinds.export_formats.create(format).suffix}"
    convert.write(read_folder(folder.path), net.scales[-1], format, path)
    assert json.loads(kinds.export_formats.create(format).about(path))["model"] == name
