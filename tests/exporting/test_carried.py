"""What released models carry for installs without torch: of their weights, whole, and right."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

from srzoo.errors import FallbackWarning
from srzoo.exporting import carried, making, measure
from srzoo.exporting.exports import UnfinishedError
from srzoo.models import locate
from srzoo.models.folder import read_folder
from srzoo.upscaling import loading

MODELS = [name for name, path in locate.released().items() if read_folder(path).config.weights]
WITH_WEIGHTS = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    with Image.open(ROOT / "docs/pictures/dandelion.jpg") as image:
        left, top = image.width // 2, image.height // 2
        return np.asarray(image.crop((left, top, left + 64, top + 48)))


@pytest.fixture
def folder(tmp_path, cache):
    return shutil.copytree(locate.released()["edsr-x4"], tmp_path / "mine")


@WITH_WEIGHTS
def test_each_released_model_carries_exports_of_its_weights(name):
    """Who trains one anew: srzoo model add-exports cards/NAME."""
    model = read_folder(locate.released()[name])
    assert model.carries_exports
    assert model.usable_exports == list(model.config.exports)
    for one in model.usable_exports:
        carried.check_file(model, one)
        weights = model.path / model.config.weights.file
        assert (model.path / one.file).stat().st_size < 2 * weights.stat().st_size  # a folded tail


@WITH_WEIGHTS
def test_it_gives_what_torch_gives(name, photo, cache):
    want = loading.load(name, engine="torch").array(photo).astype(int)
    for engine in ("mnn", "onnxruntime"):
        off = np.abs(loading.load(name, engine=engine).array(photo) - want)
        assert off.max() <= 1, engine
        assert np.mean(off > 0) < 0.03, engine  # the folded tail is rounded to float16


@WITH_WEIGHTS
def test_the_memory_that_it_states_is_that_of_its_kind(name):
    """Within bounds for all; measured again for one."""
    for one in read_folder(locate.released()[name]).usable_exports:
        assert one.memory.keys() >= {"mnn", "onnx", "openvino"}
        for each in one.memory.values():
            assert 1_000 < each[0] < 20_000
            assert 0 <= each[1] < 100_000_000


def test_the_memory_that_it_states_is_enough(cache):
    model = read_folder(locate.released()["edsr-x4"])
    stated = model.carried(4).memory["mnn"]
    found = measure.in_own_process("mnn", making.make_kept(model, 4, "mnn").path)
    for pixels in (100 * 100, 400 * 400):
        need, said = (pair[0] * pixels + pair[1] for pair in (found, stated))
        assert 0.7 * need < said < 3 * need


@pytest.mark.parametrize("how", ["damaged", "missing", "another's"])
def test_one_that_is_not_the_file_that_was_made_is_not_run(folder, photo, how):
    file = folder / "onnx/model.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    if how == "missing":
        file.unlink()
    elif how == "damaged":
        file.write_bytes(content)
    else:
        shutil.copyfile(locate.released()["edsrgan-x4"] / "onnx/model.onnx", file)
    with pytest.raises(UnfinishedError, match=r"(?s)model\.onnx .*srzoo model add-exports"):
        loading.load(folder, engine="mnn").array(photo)
    with pytest.warns(FallbackWarning, match="mnn is not used"):
        model = loading.load(folder, engine="auto")
    assert model.engine == "torch"
    assert np.array_equal(model.array(photo), loading.load(folder, engine="torch").array(photo))


def test_one_of_other_weights_is_passed_over(folder):
    """Somebody trained anew: the network is what counts."""
    config = read_folder(folder).config
    other = replace(config, weights=replace(config.weights, sha256="of others"))
    (folder / "config.json").write_text(other.to_json())
    model = read_folder(folder)
    assert model.usable_exports == []
    assert not model.carries_exports


@pytest.mark.parametrize("file", ["../model.onnx", "/model.onnx", "model.py", "onnx\\model.onnx"])
def test_an_export_lies_in_the_folder_and_is_onnx(folder, file):
    config = read_folder(folder).config
    other = replace(config, exports=(replace(config.exports[0], file=file),))
    (folder / "config.json").write_text(other.to_json())
    with pytest.raises(Exception, match="names an export"):
        read_folder(folder)
