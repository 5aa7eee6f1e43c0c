"""``load``: at once or at the first picture, and pickled as its folder and options."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from helpers import Sharpen, drawn

import srzoo
from srzoo.errors import DeviceError, FallbackWarning, ModelError, PluginError, WeightsError
from srzoo.exporting.lazy import LazyRunner
from srzoo.networks import folders
from srzoo.upscaling import loading

PICTURE = np.asarray(drawn(24, 19))


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    args = {"n_resblocks": 1, "n_feats": 4, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    return folders.save(net, tmp_path / "small", generator="edsr", args=args).path


def test_a_lazy_model_is_built_when_a_picture_needs_it(model):
    want = loading.load(model).array(PICTURE)
    lazy = loading.load(model, lazy=True)
    (model / "model.safetensors").rename(model / "away")
    with pytest.raises(WeightsError):
        loading.load(model)
    (model / "away").rename(model / "model.safetensors")
    assert np.array_equal(lazy.array(PICTURE), want)


def test_what_is_cheap_to_find_is_found_at_once(model, tmp_path):
    with pytest.raises(ModelError, match="not a model folder"):
        loading.load(tmp_path / "none", lazy=True)
    with pytest.raises(PluginError, match="no engine is called"):
        loading.load(model, engine="torhc", lazy=True)
    config = (model / "config.json").read_text()
    (model / "config.json").write_text(config.replace('"edsr"', '"edrs"'))
    with pytest.raises(PluginError, match="no generator is called 'edrs'"):
        loading.load(model, lazy=True)


def test_a_lazy_runner_is_made_once_by_several_threads():
    made = []

    def make():
        made.append(Sharpen())
        return made[-1]

    runner = LazyRunner(make)
    threads = [threading.Thread(target=runner.bytes_per_pixel, args=(2,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1
    assert (runner.reach, runner.model, runner.parameters) == (2, None, None)
    assert (runner.bytes_aside(2), runner.free_memory()) == (0, None)
    assert runner(np.zeros((1, 3, 4, 5), np.float32), 2).shape == (1, 3, 8, 10)


def test_a_lazy_runner_fails_once():
    tries = []

    def make():
        tries.append(1)
        raise ModelError("no such thing")

    runner = LazyRunner(make)
    for _ in range(3):
        with pytest.raises(ModelError, match="no such thing"):
            runner(np.zeros((1, 3, 4, 5), np.float32), 2)
    assert len(tries) == 1


def test_a_relative_folder_is_pickled_as_an_absolute_one(model, tmp_path, monkeypatch):
    """And opened by a process that works elsewhere."""
    monkeypatch.chdir(tmp_path)
    made = loading.load("small", tile=32, memory=9 * 10**9)
    content = pickle.dumps(made)
    (tmp_path / "elsewhere").mkdir()
    code = (
        "import pickle, sys; from pathlib import Path; import numpy as np;"
        "made = pickle.loads(Path('../made').read_bytes());"
        "np.save('result', made.array(np.load('../picture.npy')));"
        "assert (made.tile, made.memory) == (32, 9 * 10**9)"
    )
    (tmp_path / "made").write_bytes(content)
    np.save(tmp_path / "picture", PICTURE)
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path / "elsewhere", check=True)
    assert np.array_equal(np.load(tmp_path / "elsewhere/result.npy"), made.array(PICTURE))


def test_an_engine_for_some_generators_takes_no_others(monkeypatch):
    with pytest.raises(DeviceError, match="numpy runs models of bicubic, not of edsr"):
        srzoo.load("edsr-x4", engine="numpy")
    with pytest.raises(DeviceError, match="not of edsr"):
        srzoo.load("edsr-x4", engine="numpy", lazy=True)
    assert srzoo.load("bicubic-x4", engine="numpy").engine == "numpy"
    monkeypatch.setenv("SRZOO_ENGINE", "numpy")  # for all models: those that it cannot go on
    with pytest.warns(FallbackWarning, match="numpy is not used"):
        assert srzoo.load("edsr-x4").engine != "numpy"
