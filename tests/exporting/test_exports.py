"""Exports that are kept: under which name, whole or not at all, and made anew when need be."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from dataclasses import replace

import numpy as np
import pytest
from pairs import ARGS, Pair, saved

from srzoo.common import devices, files
from srzoo.errors import ModelError, WeightsError
from srzoo.exporting import convert, engine, exports
from srzoo.exporting.exports import Export, ExportRecord
from srzoo.models.folder import read_folder
from srzoo.plugins import kinds
from srzoo.upscaling import loading


def test_made_once_and_kept(model, cache, pair):
    first = convert.make_kept(model, 2, "pair")
    assert convert.make_kept(model, 2, "pair") == first == exports.find(model, 2, "pair")
    assert pair.written == 1
    assert (first.record.refused, first.record.bytes_per_pixel) == (None, 1000)
    (folder,) = cache.iterdir()
    assert folder.name.startswith("small-x2-pair-")
    assert sorted(path.name for path in folder.iterdir()) == [
        "export.json", "model.pair", "model.two",
    ]  # fmt: skip
    runner = kinds.engines.build("pair", folder=model.path, device="auto", precision="auto")
    assert runner(np.zeros((1, 3, 6, 7), np.float32), 2).shape == (1, 3, 12, 14)
    assert (runner.bytes_per_pixel(2), runner.bytes_aside(2)) == (1000, 2000)
    assert pair.written == 1


def test_the_name_changes_with_what_could_change_the_file(tmp_path, model, pair, monkeypatch):
    def name(folder=model, scale=2, format="pair"):
        return exports.folder_of(folder, scale, format).name

    names = {name(), name(scale=3), name(format="mnn")}
    names.add(name(saved(tmp_path / "other/small", seed=1)))
    names.add(name(replace(model, config=replace(model.config, args={**ARGS, "n_feats": 5}))))
    with monkeypatch.context() as patch:
        patch.setattr(exports, "__version__", "99")
        names.add(name())
    with monkeypatch.context() as patch:
        patch.setattr(exports, "VERSION", 99)
        names.add(name())
    version = exports.version
    for package in ("onnxscript", "srzoo"):
        with monkeypatch.context() as patch:
            patch.setattr(exports, "version", lambda n, p=package: "99" if n == p else version(n))
            names.add(name())
    assert len(names) == 9
    assert name() in names
    assert name(saved(tmp_path / "same/small")) == name()


@pytest.mark.parametrize("harm", ["{", "[]", '{"refused": 3}', "", None, "model.pair", "model.two"])
def test_what_is_damaged_is_made_anew(model, cache, pair, harm):
    made = convert.make_kept(model, 2, "pair")
    record = made.path.with_name("export.json")
    if harm is None:
        record.unlink()
    elif harm.startswith("model"):
        made.path.with_name(harm).unlink()
    else:
        record.write_text(harm)
    assert exports.find(model, 2, "pair") is None
    assert convert.make_kept(model, 2, "pair") == made
    assert pair.written == 2
    assert len(list(cache.iterdir())) == 1


def test_what_breaks_off_leaves_nothing(model, cache, pair, monkeypatch):
    def write(self, onnx, path, about):
        path.write_text("half")
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Pair, "write", write)
        with pytest.raises(KeyboardInterrupt):
            convert.make_kept(model, 2, "pair")
    assert exports.find(model, 2, "pair") is None
    assert not list(cache.iterdir())


def test_what_was_killed_is_no_export(model, cache, pair):
    """A folder that a killed process left lies beside, and under another name."""
    (cache / f"{files.TEMPORARY}dead/new").mkdir(parents=True)
    (cache / f"{files.TEMPORARY}dead/new/model.pair").write_text("half")
    assert exports.find(model, 2, "pair") is None
    assert convert.make_kept(model, 2, "pair").record.refused is None


def test_a_wrong_export_is_refused_remembered_and_passed_over(model, cache, pair):
    pair.brighter = 3.0
    assert engine.choose(model).name == "pair"
    for _ in range(2):
        with pytest.raises(ModelError, match="small as pair differs by [34] levels"):
            kinds.engines.build("pair", folder=model.path, device="auto", precision="auto")
    assert pair.written == 1
    made = exports.find(model, 2, "pair")
    assert made
    assert "differs by" in (made.record.refused or "")
    assert not made.path.exists()
    chosen = engine.choose(model)
    assert chosen.name == "mnn"
    pair.brighter = 0.0
    assert engine.choose(model, "pair").name == "pair"  # who asks for it gets it, and the reason


def test_auto_goes_on_to_the_next(tmp_path, cache, pair, monkeypatch):
    pair.brighter = 3.0
    monkeypatch.setattr(devices, "has_gpu", lambda: False)
    model = saved(tmp_path / "other")
    made = loading.load(model.path, engine="auto")
    assert type(made.runner).__name__ == "Engine"
    assert made.runner.export_format == "mnn"


def test_damaged_weights_are_not_held_against_the_export(model, cache, pair):
    file = model.path / "model.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-8] + b"\x00" * 8)
    with pytest.raises(WeightsError):
        convert.make_kept(model, 2, "pair")
    assert exports.find(model, 2, "pair") is None
    file.write_bytes(content)
    assert convert.make_kept(model, 2, "pair").record.refused is None


def test_a_cache_that_cannot_be_written(tmp_path, model, pair, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot write an export to .*Set SRZOO_CACHE"):
        convert.make_kept(model, 2, "pair")
    assert pair.written == 0
    command = 'pip install "srzoo[torch]"'
    monkeypatch.setattr(exports.engine_facts, "missing", lambda name: command)
    with pytest.raises(ModelError, match=r"cannot write an export to ") as error:
        convert.make_kept(model, 2, "pair")
    assert command in error.value.fix, "what it names instead is not there"


def test_several_at_once(model, cache):
    """The slower one takes what the faster one has made; nobody's file vanishes."""
    barrier, found = threading.Barrier(3), []

    def make(path):
        path.write_text("x")
        barrier.wait(10)
        return ExportRecord(None, 1)

    def run():
        found.append(exports.keep(model, 2, "mnn", make))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    assert len(set(found)) == 1
    assert found[0].path.read_text() == "x"
    assert len(list(cache.iterdir())) == 1


def test_a_faster_process_keeps_its_file(model, cache):
    def outer(path):
        made = exports.keep(
            model, 2, "mnn", lambda p: ExportRecord(off=p.write_text("first") and 1)
        )
        assert made.path.read_text() == "first"
        path.write_text("second")
        return ExportRecord()

    made = exports.keep(model, 2, "mnn", outer)
    assert made == Export(made.path, ExportRecord(off=1))
    assert made.path.read_text() == "first"


@pytest.mark.slow
def test_two_processes_at_once(model, cache):
    code = (
        "import sys; from pathlib import Path; from srzoo.models.folder import read_folder; "
        "from srzoo.exporting import convert; "
        "made = convert.make_kept(read_folder(Path(sys.argv[1])), 2, 'mnn'); "
        "assert made.path.exists() and not made.record.refused"
    )
    command = [sys.executable, "-c", code, str(model.path)]
    both = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    (folder,) = cache.iterdir()
    assert json.loads((folder / "export.json").read_text())["bytes_per_pixel"] > 0
    assert exports.find(read_folder(model.path), 2, "mnn")
