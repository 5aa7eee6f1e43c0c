"""``srzoo cache``: where things lie, what they are, and how they go."""

from __future__ import annotations

import json
import os
import re

import pytest
import torch

import srzoo
from srzoo.exporting import exports
from srzoo.exporting.exports import ExportRecord
from srzoo.networks import folders


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A needed export, an old one, a refused one, pixels, litter; and somebody's own file."""
    place = tmp_path / "cache"
    monkeypatch.setenv("SRZOO_CACHE", str(place))
    torch.manual_seed(0)
    args = {"n_resblocks": 1, "n_feats": 4, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    model = folders.save(net, tmp_path / "small", generator="edsr", args=args)

    def make(path):
        path.write_bytes(bytes(5000))
        return ExportRecord()

    with monkeypatch.context() as patch:
        patch.setattr(exports, "VERSION", 0)
        exports.keep(model, 2, "mnn", make)
    exports.keep(model, 2, "onnx", make)
    exports.keep(model, 3, "onnx", lambda _: ExportRecord(refused="off"))
    (place / "pixels" / ("0" * 24)).mkdir(parents=True)
    (place / "pixels" / ("0" * 24) / "pixels.bin").write_bytes(bytes(200_000))
    (place / "exports/.srzoo-abcdefgh").mkdir()
    os.utime(place / "exports/.srzoo-abcdefgh", (0, 0))
    (place / "mine.txt").write_text("mine")
    (place / "exports/mine.txt").write_text("mine")
    (place / "pixels/mine").mkdir()
    return place


def test_where(srzoo_cli, cache):
    told = srzoo_cli("cache", "dir")
    assert f"exports  {cache / 'exports'}" in told.out
    assert json.loads(srzoo_cli("cache", "dir", "--json").out)["pixels"] == str(cache / "pixels")


def test_what_there_is(srzoo_cli, cache):
    found = json.loads(srzoo_cli("cache", "list", "--json", "exports", "pixels", "litter").out)
    told = {(re.sub("-[0-9a-f]{16}$", "", e["name"]), e["kind"]): e["needed"] for e in found}
    assert told == {
        ("small-x2-mnn", "exports"): False,
        ("small-x2-onnx", "exports"): True,
        ("small-x3-onnx", "exports"): False,
        ("0" * 24, "pixels"): None,
        (".srzoo-abcdefgh", "litter"): False,
    }
    assert all(e["bytes"] >= 5000 for e in found if e["kind"] == "pixels")
    shown = srzoo_cli("cache", "list", "pixels").out
    assert "0.2 MB" in shown
    assert "1 kept, 0.2 MB" in shown


def test_what_nothing_needs(srzoo_cli, cache):
    told = srzoo_cli("cache", "clear", "--unneeded")
    assert told.out.startswith("3 removed, ")
    left = {path.name for path in (cache / "exports").iterdir()}
    assert {re.sub("-[0-9a-f]{16}$", "", name) for name in left} == {"small-x2-onnx", "mine.txt"}
    assert (cache / "pixels" / ("0" * 24)).exists()


def test_a_kind(srzoo_cli, cache):
    assert srzoo_cli("cache", "clear", "pixels").out == "1 removed, 0.2 MB freed\n"
    assert len(list((cache / "exports").iterdir())) == 5


def test_all(srzoo_cli, cache):
    """But nobody else's files: SRZOO_CACHE may be any folder."""
    assert srzoo_cli("cache", "clear").code == 0
    left = sorted(str(path.relative_to(cache)) for path in cache.rglob("*") if path.is_file())
    assert left == ["exports/mine.txt", "mine.txt"]
    assert (cache / "pixels/mine").is_dir()
    assert srzoo_cli("cache", "clear").out == "0 removed, 0 kB freed\n"


def test_nothing_yet(srzoo_cli, tmp_path, monkeypatch):
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "none"))
    assert srzoo_cli("cache", "list", "exports", "pixels").out == "0 kept, 0 kB\n"


def test_no_home(srzoo_cli, monkeypatch, cache):
    """As in a container, for a user whom nobody knows."""
    import pathlib

    from huggingface_hub import constants

    def expanduser(path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(constants, "HF_HUB_CACHE", "~/.cache/huggingface/hub")
    monkeypatch.setattr(pathlib.Path, "expanduser", expanduser)
    assert srzoo_cli("cache", "list", "hub").out == "0 kept, 0 kB\n"


def test_models_of_the_hub(srzoo_cli, tmp_path, monkeypatch, cache):
    """Those of srzoo alone, and only if they are named."""
    from huggingface_hub import constants

    hub = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub))
    config = '{"srzoo": 1, "generator": "edsr", "args": {}, "scales": [2], "weights": null}'
    for name, text in (("ours", config), ("theirs", '{"model_type": "bert"}')):
        repo = hub / f"models--org--{name}"
        (repo / "blobs").mkdir(parents=True)
        (repo / "blobs/1").write_text(text)
        (repo / "refs").mkdir()
        (repo / "refs/main").write_text("a" * 40)
        (repo / "snapshots" / ("a" * 40)).mkdir(parents=True)
        (repo / "snapshots" / ("a" * 40) / "config.json").symlink_to("../../blobs/1")
    found = json.loads(srzoo_cli("cache", "list", "hub", "--json").out)
    assert [(e["name"], e["kind"]) for e in found] == [("org/ours", "hub")]
    srzoo_cli("cache", "clear")
    assert (hub / "models--org--ours").exists()
    assert srzoo_cli("cache", "clear", "hub").out.startswith("1 removed, ")
    assert {path.name for path in hub.iterdir() if path.name != ".locks"} == {"models--org--theirs"}
