"""Whatever happens to a kept export, the picture is right."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
import warnings

import numpy as np
import pytest
from helpers import drawn
from pairs import saved

from srzoo.common import kept_folders
from srzoo.errors import ModelError
from srzoo.exporting import convert, exports, measure
from srzoo.exporting.exports import ExportRecord, UnfinishedError
from srzoo.plugins import kinds
from srzoo.upscaling import loading

PICTURE = np.asarray(drawn(41, 33))


def cut(path, rng):
    path.write_bytes(path.read_bytes()[: rng.integers(path.stat().st_size)])


def flipped(path, rng):
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << rng.integers(8)
    path.write_bytes(content)


def scribbled(path, rng):
    content = bytearray(path.read_bytes())
    place = rng.integers(len(content))
    content[place : place + 64] = rng.bytes(len(content[place : place + 64]))
    path.write_bytes(content)


def emptied(path, rng):
    path.write_bytes(b"")


def zeroed(path, rng):
    path.write_bytes(bytes(path.stat().st_size))


def gone(path, rng):
    path.unlink()


def a_folder(path, rng):
    path.unlink()
    path.mkdir()


def swapped(path, rng):
    others = [other for other in path.parent.iterdir() if other != path]
    other = others[rng.integers(len(others))]
    path.rename(path.with_name("third"))
    other.rename(path)
    path.with_name("third").rename(other)


HARMS = [cut, flipped, scribbled, emptied, zeroed, gone, a_folder, swapped]


def test_a_damaged_export_is_made_anew(model, cache, pair, monkeypatch, tmp_path):
    """Each file in each way; and what is made then is what it was."""
    made = convert.make_kept(model, 2, "pair")
    sound = shutil.copytree(made.path.parent, tmp_path / "sound")
    want = loading.load(model.path, engine="pair").array(PICTURE)
    again = []

    def copy(_model, _scale, _format, path):  # exporting takes seconds
        again.append(path)
        for name in ("model.pair", "model.two"):
            shutil.copy(sound / name, path.with_name(name))
        return made.record

    monkeypatch.setattr(convert, "_record", copy)
    rng = np.random.default_rng(1)
    for name in ("model.pair", "model.two", "export.json"):
        for number, harm in enumerate(HARMS, start=1):
            again.clear()
            harm(made.path.with_name(name), rng)
            assert np.array_equal(loading.load(model.path, engine="pair").array(PICTURE), want)
            assert len(again) == 1, f"{name} was {harm.__name__}, way {number}"
            assert [path.name for path in cache.iterdir()] == [made.path.parent.name]
            for path in sound.iterdir():
                assert made.path.with_name(path.name).read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    "facts",
    [
        {"refused": 3}, {"bytes_per_pixel": "x"}, {"off": None}, {"unknown": 1}, {"parts": 3},
        {"parts": [{"name": "../../x", "size": 1, "sha256": ""}]}, {"parts": []}, {"model": None},
        {"parts": [{"name": "a\0b", "size": 1, "sha256": ""}]}, {"until": 1e300},
    ],
)  # fmt: skip
def test_a_record_of_wrong_values_is_none(model, cache, pair, facts):
    """Sealed by somebody: another version, say."""

    def make(path):
        path.write_text("x")
        path.with_suffix(".two").write_text("2")
        return ExportRecord()

    path = exports.keep(model, 2, "pair", make).path.with_name("export.json")
    path.write_bytes(kept_folders.seal({**kept_folders.check_seal(path), **facts}))
    assert exports.find(model, 2, "pair") is None


def refuses(model, pair, monkeypatch, write):
    """Let the format fail; whether that is remembered."""
    with monkeypatch.context() as patch, warnings.catch_warnings():
        patch.setattr(convert, "_to_onnx", lambda *_: None)
        patch.setattr(pair, "write", write)
        warnings.simplefilter("ignore")  # of a cache that is full
        with pytest.raises((ModelError, KeyboardInterrupt)) as found:
            loading.load(model.path, engine="pair")
    made = exports.find(model, 2, "pair")
    return found.value, bool(made and made.record.refused)


def raising(*chain):
    """A converter that fails with the last error, for the reason of those before."""

    def write(self, onnx, path, about):
        cause = None
        for error in chain:
            error.__cause__ = cause
            cause = error
        raise cause

    return write


@pytest.mark.parametrize(
    "chain",
    [
        [KeyboardInterrupt()],
        [KeyboardInterrupt(), ModelError("the converter failed")],
        [MemoryError(), ModelError("the converter failed")],
        [OSError(28, "No space left on device"), ModelError("the converter failed")],
        [OSError(28, "No space left on device")],
        [ImportError("no such module"), ModelError("the converter failed")],
        [RuntimeError("DefaultCPUAllocator: can't allocate memory")],
        [RuntimeError("std::bad_alloc"), ModelError("the converter failed")],
        [RuntimeError("whatever")],
        [UnfinishedError("the converter was killed")],
    ],
    ids=lambda chain: "-".join(type(error).__name__ for error in chain),
)
def test_what_may_be_chance_is_forgotten(model, cache, pair, monkeypatch, chain):
    _, remembered = refuses(model, pair, monkeypatch, raising(*chain))
    assert not remembered
    assert not list(cache.iterdir())


def test_what_a_format_cannot_express_is_tried_again_after_a_week(model, cache, pair, monkeypatch):
    _, remembered = refuses(model, pair, monkeypatch, raising(ModelError("no such layer")))
    assert remembered
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + exports.RETRY_AFTER + 1)
    assert exports.find(model, 2, "pair") is None


def test_what_was_measured_is_remembered(model, cache, pair, monkeypatch):
    pair.brighter = 3.0
    assert "differs by" in (convert.make_kept(model, 2, "pair").record.refused or "")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 9 * exports.RETRY_AFTER)
    assert "differs by" in (convert.make_kept(model, 2, "pair").record.refused or "")


def test_an_interrupt_that_a_converter_swallows(model, cache, pair, monkeypatch):
    """Python's own imports in some libraries catch all that is raised."""

    def write(self, onnx, path, about):
        with contextlib.suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        raise ModelError("module has no attribute 'exc'")

    before = signal.getsignal(signal.SIGINT)
    error, remembered = refuses(model, pair, monkeypatch, write)
    assert isinstance(error, KeyboardInterrupt)
    assert not remembered
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_a_converter_that_is_killed(model, cache, monkeypatch, tmp_path):
    """As by Ctrl-C, which goes to every process of a terminal; or for want of memory."""
    script = tmp_path / "pnnx"
    script.write_text("#!/bin/sh\nkill -INT $$\n")
    script.chmod(0o755)
    import srzoo_plugins.ncnn

    with monkeypatch.context() as patch:
        patch.setattr(convert, "_to_onnx", lambda *args: args[-1].write_bytes(b"x"))
        patch.setattr(srzoo_plugins.ncnn, "_converter", lambda: str(script))
        with pytest.raises(UnfinishedError, match="pnnx was stopped by signal 2"):
            convert.make_kept(model, 2, "ncnn")
    assert exports.find(model, 2, "ncnn") is None
    assert not list(cache.iterdir())


def test_a_measurement_that_is_killed(model, cache, pair, monkeypatch, tmp_path):
    monkeypatch.undo()  # of what measures in the fixture
    monkeypatch.setenv("SRZOO_CACHE", str(cache.parent))
    monkeypatch.setattr(convert, "_write", lambda *_: (0, 0.0))
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho half; kill -INT $$\n")
    script.chmod(0o755)
    monkeypatch.setattr(measure.sys, "executable", str(script))
    with pytest.raises(UnfinishedError, match="cannot be run: exit code -2"):
        convert.make_kept(model, 2, "pair")
    assert exports.find(model, 2, "pair") is None


def kept(model, format="onnx"):
    """An export that is none."""

    def make(path):
        path.write_text("x")
        return ExportRecord()

    return exports.keep(model, 2, format, make).path.parent


def test_what_nothing_needs_any_more_goes(tmp_path, model, cache, monkeypatch):
    """With a new export of the same model, scale and format; and nothing else goes."""
    other = saved(tmp_path / "elsewhere/small", seed=5)
    with monkeypatch.context() as patch:
        patch.setattr(exports, "__version__", "0.0.1")
        old = kept(model)
        stays = kept(model, "mnn")
    assert not exports.needed(old)
    mine = kept(other)
    assert not old.exists()  # the other's is of the same name, and this is needed by nobody
    assert {path.name for path in cache.iterdir()} == {mine.name, stays.name}
    new = kept(model)
    assert {path.name for path in cache.iterdir()} == {mine.name, stays.name, new.name}
    assert exports.needed(mine)
    assert exports.needed(new)


def test_exports_of_a_model_that_has_gone_go(tmp_path, model, cache):
    other = saved(tmp_path / "elsewhere/small", seed=5)
    gone = kept(other)
    assert exports.needed(gone)
    shutil.rmtree(other.path)
    assert not exports.needed(gone)
    kept(model)
    assert not gone.exists()


def test_a_result_in_an_engines_memory_is_copied(model, cache, pair, monkeypatch):
    """Also of an engine that does not care."""
    buffer = memoryview(bytearray(3 * 256 * 256 * 4))

    def open_(self, path, threads):
        def run(x):
            shape = 1, 3, 2 * x.shape[2], 2 * x.shape[3]
            y = np.frombuffer(buffer, np.float32, int(np.prod(shape))).reshape(shape)
            y[:] = kinds.export_formats.create("onnx").open(path, 1)(x)
            return y

        return run

    convert.make_kept(model, 2, "pair")
    monkeypatch.setattr(pair, "open", open_)
    runner = loading.load(model.path, engine="pair").runner
    first = runner(np.full((1, 3, 20, 20), 0.1, np.float32), 2)
    before = first.copy()
    runner(np.full((1, 3, 20, 20), 0.9, np.float32), 2)
    assert np.array_equal(first, before)
