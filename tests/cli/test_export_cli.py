"""``srzoo export``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from srzoo.exporting import convert, engine_facts
from srzoo.networks import folders
from srzoo.plugins import kinds


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_file_with_the_models_name(srzoo_cli, here):
    result = srzoo_cli("export", "bicubic-x2", "--to", "onnx")
    assert result.code == 0, result.err
    assert result.out.splitlines() == [
        f"bicubic-x2.onnx  {Path('bicubic-x2.onnx').stat().st_size / 1e3:.0f} kB",
        "checked against torch: at most 0 levels of 255 apart, 0.00% of the values differ",
    ]
    assert result.err == ""
    assert [path.name for path in here.iterdir()] == ["bicubic-x2.onnx"]


def test_two_files_and_json(srzoo_cli):
    Path("a").mkdir()
    result = srzoo_cli("export", "bicubic-x3", "--to", "openvino", "-o", "a/b.xml", "--json")
    found = json.loads(result.out)
    assert found["files"] == ["a/b.xml", "a/b.bin"]
    assert found["bytes"] == sum(Path(file).stat().st_size for file in found["files"])
    assert (found["format"], found["off"], found["differing"]) == ("openvino", 0, 0.0)
    assert (found["about"]["model"], found["about"]["scale"]) == ("bicubic-x3", 3)


def test_what_exists_is_kept(srzoo_cli, monkeypatch):
    Path("a.bin").write_text("mine")
    with monkeypatch.context() as patch:
        patch.setattr(convert, "write", lambda *_: pytest.fail("work was done"))
        result = srzoo_cli("export", "bicubic-x2", "--to", "ncnn", "-o", "a.param")
    assert (result.code, result.out) == (2, "")
    assert "a.bin exists. Choose another name, or add --overwrite" in result.err
    assert sorted(path.name for path in Path().iterdir()) == ["a.bin"]
    assert Path("a.bin").read_text() == "mine"
    again = srzoo_cli("export", "bicubic-x2", "--to", "ncnn", "-o", "a.param", "--overwrite")
    assert again.code == 0, again.err
    assert Path("a.bin").read_bytes() != b"mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("bicubic-x2", "--to", "onx"), "Did you mean onnx"),
        (("bicubic-x2",), "'--to'"),
        (("bicubic-x2", "--to", "onnx", "-o", "a.mnn"), "End it in .onnx"),
        (("bicubic-x2", "--to", "onnx", "-o", "a"), "a is not a file name for onnx"),
        (("bicubic-x2", "--to", "onnx", "-o", "no/a.onnx"), "the folder no does not exist"),
        (("bicubic-x2", "--to", "onnx", "-o", "folder.onnx"), "folder.onnx is a folder"),
        (("bicubic-x2", "--to", "onnx", "--scale", "3"), "enlarges by 2, not by 3"),
        (("bicubic-y2", "--to", "onnx"), "bicubic-x2"),
    ],
)
def test_refusals_come_before_the_work(srzoo_cli, here, monkeypatch, arguments, message):
    Path("folder.onnx").mkdir()
    monkeypatch.setattr(convert, "write", lambda *_, **__: pytest.fail("work was done"))
    result = srzoo_cli("export", *arguments)
    assert (result.code, result.out) == (2, "")
    assert message in result.err
    assert [path.name for path in here.iterdir()] == ["folder.onnx"]


def test_several_scales(srzoo_cli, here):
    args = {"n_resblocks": 1, "n_feats": 4, "scales": [2, 3]}
    net = kinds.generators.create("mdsr", **args)
    folders.save(net, here / "both", generator="mdsr", args=args)
    result = srzoo_cli("export", "./both", "--to", "onnx")
    assert result.code == 2
    assert "both can enlarge by 2, 3. Choose the scale: 2, 3." in result.err
    result = srzoo_cli("export", "./both", "--to", "onnx", "--scale", "3", "--no-fold", "--json")
    found = json.loads(result.out)
    assert found["files"] == ["both-x3.onnx"]
    assert found["about"]["folded"] is False
    session = kinds.export_formats.create("onnx").open(Path("both-x3.onnx"), 1)
    assert session(np.zeros((1, 3, 7, 5), np.float32)).shape == (1, 3, 21, 15)


def test_a_missing_extra_is_named(srzoo_cli, monkeypatch):
    find_spec = engine_facts.util.find_spec
    monkeypatch.setattr(
        engine_facts.util, "find_spec", lambda name: None if name == "MNN" else find_spec(name)
    )
    result = srzoo_cli("export", "bicubic-x2", "--to", "mnn")
    assert result.code == 2
    assert 'mnn is not installed. Install it: pip install "srzoo[mnn]".' in result.err


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="no folder that nobody can write to")
def test_a_place_that_cannot_be_written(srzoo_cli):
    result = srzoo_cli("export", "bicubic-x2", "--to", "onnx", "-o", "/proc/self/a.onnx")
    assert result.code == 2
    assert "cannot write /proc/self/a.onnx" in result.err
