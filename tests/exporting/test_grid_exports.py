"""Networks on a grid as exported files: the same picture, whatever its size and its tiles."""

from __future__ import annotations

import numpy as np
import pytest
from grids import Pooled, SplitWindows, Unshuffled, network
from helpers import drawn

import srzoo
from srzoo.exporting import about, convert, exports
from srzoo.networks import folders
from srzoo.upscaling import loading

KINDS = [(Unshuffled, {"cell": 3}), (Pooled, {}), (SplitWindows, {})]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Writes a network's model folder."""
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))

    def write(kind, args):
        srzoo.generators.register("grid", kind)
        return folders.save(network(kind, **args), tmp_path / "m", generator="grid", args=args)

    yield write
    srzoo.generators.unregister("grid")


@pytest.mark.parametrize(
    ("kind", "args", "engine"),
    [(*KINDS[0], "onnxruntime"), (*KINDS[1], "mnn"), (*KINDS[2], "openvino")],
)
def test_pictures_whole_and_in_tiles_are_torchs(folder, kind, args, engine):
    found = folder(kind, args)
    picture = np.asarray(drawn(71, 53))
    want = loading.load(found.path, engine="torch", tile="off").array(picture)
    for tile in ("off", 21):
        loaded = loading.load(found.path, engine=engine, tile=tile)
        got = loaded.array(picture)
        assert np.abs(got.astype(int) - want).max() <= 1
        assert np.mean(got != want) < 0.005
        assert loaded.runner.multiple == args.get("cell", kind.cell)
    for size in ((1, 1), (1, 30), (2, 9)):
        loaded.array(picture[: size[0], : size[1]])
    assert loaded.runner.bytes_per_pixel(2) > 0


def test_the_file_tells_its_grid(folder, tmp_path):
    found = folder(*KINDS[0])
    convert.write(found, 2, "onnx", tmp_path / "a.onnx")
    told = about.parse(exports.require_format("onnx").about(tmp_path / "a.onnx"), "a.onnx")
    assert (told.multiple, told.smallest) == (3, 6)


def test_one_that_was_written_before_has_none():
    one = about.About("a", 4, (0.0, 1.0), 36, 5, folded=True, srzoo="0.1")
    assert "multiple" not in one.to_json()
    assert about.parse(one.to_json(), "a").multiple == 1
    two = about.About("a", 4, (0.0, 1.0), 36, 5, folded=True, srzoo="0.1", multiple=8)
    assert about.parse(two.to_json(), "a") == two
