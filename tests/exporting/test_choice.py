"""Which engine ``auto`` takes, where an export would be made for nothing, or cannot be kept."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import drawn

from srzoo.common import devices
from srzoo.engines import ModuleRunner
from srzoo.errors import FallbackWarning, ModelError
from srzoo.exporting import convert, engine, engine_facts, exports
from srzoo.exporting.exports import ExportRecord
from srzoo.plugins import kinds
from srzoo.upscaling import loading

PICTURE = np.asarray(drawn(21, 17))


@pytest.fixture(autouse=True)
def _no_card(monkeypatch):
    monkeypatch.setattr(devices, "has_gpu", lambda: False)


def kept(model, format):
    def make(path):
        for suffix in (
            kinds.export_formats.create(format).suffix,
            *kinds.export_formats.create(format).beside,
        ):
            path.with_suffix(suffix).write_text("x")
        return ExportRecord()

    return exports.keep(model, 2, format, make)


def test_torch_does_little_work_sooner(model, cache, pair):
    chosen = engine.choose(model, work=10_000)
    assert chosen == engine.Choice(
        "torch", "torch enlarges 10,000 pixels before an export would be made"
    )
    for work in (None, 10**9):
        chosen = engine.choose(model, work=work)
        assert (chosen.name, chosen.prepares) == ("pair", True)
    assert engine.choose(model, "pair", work=1).name == "pair"  # asked for
    assert isinstance(loading.load(model.path, engine="auto", work=10).runner, ModuleRunner)
    assert not list(cache.iterdir())


def test_an_export_that_is_kept_is_used_at_once(model, cache, pair):
    kept(model, "openvino")
    chosen = engine.choose(model, work=10_000)
    assert (chosen.name, chosen.prepares) == ("openvino", False)  # not the fastest; but ready
    assert "its export is kept" in chosen.why
    assert engine.choose(model, work=10**9).name == "pair"
    kept(model, "pair")
    assert engine.choose(model, work=10_000).name == "pair"


def test_larger_networks_take_longer(model, tmp_path):
    small = engine.seconds(model, 10**6)
    file = model.path / model.config.weights.file
    file.write_bytes(bytes(40_000_000))
    assert engine.seconds(model, 10**6) > 5 * small
    file.unlink()
    assert engine.seconds(model, 0) == 0


@pytest.fixture(params=["a file", "read-only", "full"])
def closed(request, tmp_path, monkeypatch):
    """A cache in which nothing can be kept."""
    place = tmp_path / "closed"
    monkeypatch.setenv("SRZOO_CACHE", str(place))
    if request.param == "a file":
        place.write_text("")
    elif request.param == "read-only":
        place.mkdir()
        monkeypatch.setattr(exports.os, "access", lambda *_: False)  # root may write anywhere
    else:
        usage = shutil.disk_usage

        def full(path):
            return SimpleNamespace(free=1000) if str(path).startswith(str(place)) else usage(path)

        monkeypatch.setattr(shutil, "disk_usage", full)
    return place


def test_auto_takes_torch_where_no_export_can_be_kept(model, pair, closed):
    chosen = engine.choose(model)
    assert chosen.name == "torch"
    assert "no export can be cached: " in chosen.why
    made = loading.load(model.path, engine="auto")
    assert isinstance(made.runner, ModuleRunner)
    assert pair.written == 0


def test_an_engine_that_is_asked_for_has_a_temporary_folder(model, pair, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.warns(FallbackWarning, match="cannot write an export to .*a temporary one is made"):
        runner = loading.load(model.path, engine="pair").runner
    assert runner(np.zeros((1, 3, 9, 9), np.float32), 2).shape == (1, 3, 18, 18)
    left = [path for path in tmp_path.iterdir() if path.name.startswith(".srzoo-")]
    assert len(left) == 1
    del runner
    assert not left[0].exists()


def test_auto_goes_on_where_an_export_is_not_finished(model, cache, pair, monkeypatch):
    def write(self, onnx, path, about):
        raise RuntimeError("the converter has a bad day")

    monkeypatch.setattr(pair, "write", write)
    monkeypatch.setattr(convert, "_to_onnx", lambda *_: None)
    with pytest.warns(FallbackWarning, match="pair is not used: .*bad day"):
        made = loading.load(model.path, engine="auto")
    assert isinstance(made.runner, ModuleRunner)
    with pytest.raises(ModelError, match="bad day"):
        loading.load(model.path, engine="pair")


def test_a_broken_engine_of_others_is_passed_over(model, cache, pair, monkeypatch):
    from srzoo.errors import BrokenPluginError, PluginWarning

    get = kinds.engines.get

    def broken(name):
        if name == "pair":
            raise BrokenPluginError("engine pair cannot be imported")
        return get(name)

    monkeypatch.setattr(kinds.engines, "get", broken)
    with pytest.warns(PluginWarning, match="engine pair cannot be imported"):
        assert engine.choose(model).name == "mnn"


def test_where_torch_is_missing_the_next_fastest_takes_the_place(model, pair, monkeypatch, cache):
    kept(model, "pair")
    monkeypatch.setattr(engine_facts, "missing", lambda name: "torch" in name and "pip install it")
    first = engine.choose(model).name
    assert first == "pair"
    name, device = engine.instead_of(first, model, "auto", "auto")
    assert name not in ("torch", first)
    assert device == "cpu"
    assert engine.instead_of(first, model, "cuda", "auto") is None  # a card was asked for
    monkeypatch.undo()
    assert engine.instead_of(first, model, "cuda", "auto") == ("torch", "cuda")
    assert engine.instead_of("torch", model, "auto", "auto") is None
