"""A packed model: the same pictures from half the bytes, and a log that still adds up."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from helpers import drawn

import srzoo
from srzoo import training
from srzoo.errors import ModelError
from srzoo.exporting import measure
from srzoo.modelcards.provenance import read_log
from srzoo.models.folder import read_folder
from srzoo.networks import folders
from srzoo.recipes import recipe
from srzoo.training import packing


@pytest.fixture
def run(tiny, tmp_path):
    training.train(recipe.load(tiny()), tmp_path / "run")
    return read_folder(tmp_path / "run")


def test_what_is_published_of_a_run(run, tmp_path, srzoo_cli):
    result = srzoo_cli("model", "pack", run.path, tmp_path / "out/mine")
    assert result.code == 0, result.err
    assert sorted(path.name for path in (tmp_path / "out/mine").iterdir()) == [
        "config.json", "curves.png", "log.jsonl", "model.safetensors", "recipe.toml",
    ]  # fmt: skip
    packed = read_folder(tmp_path / "out/mine")
    assert packed.config.weights.dtype == "float16"
    sizes = [(folder.path / "model.safetensors").stat().st_size for folder in (packed, run)]
    assert sizes[0] < 0.7 * sizes[1]
    one, two = (np.asarray(srzoo.load(folder.path)(drawn())) for folder in (run, packed))
    assert np.abs(one.astype(int) - two).max() <= 1
    assert recipe.load(packed.path) == recipe.load(run.path)


def test_a_model_that_is_there_is_replaced_and_its_card_stays(run, tmp_path):
    packing.pack(run, tmp_path / "out", "float32")
    (tmp_path / "out/README.md").write_text("a card")
    packed = packing.pack(run, tmp_path / "out")
    assert packed.config.weights.dtype == "float16"
    assert (tmp_path / "out/README.md").read_text() == "a card"
    assert [path.name for path in packed.path.glob("*.safetensors")] == ["model.safetensors"]
    srzoo.load(packed.path)  # the sha256 is the new one's


def test_exports_of_the_model_before_go(run, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "in_own_process", lambda *_: (1000, 2000))
    packed = packing.pack(run, tmp_path / "out", with_exports=True)
    assert packed.carries_exports
    (tmp_path / "out/onnx/notes.txt").write_text("mine")
    again = packing.pack(run, tmp_path / "out")
    assert again.carries_exports, "they are of the same weights"
    other = packing.pack(run, tmp_path / "out", "float32")
    assert other.config.exports == ()
    assert [path.name for path in (tmp_path / "out/onnx").iterdir()] == ["notes.txt"]


def test_what_cannot_be_packed(run, tmp_path):
    with pytest.raises(ModelError, match="is the model itself"):
        packing.pack(run, run.path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="is not a folder"):
        packing.pack(run, tmp_path / "file")
    with pytest.raises(ModelError, match="has no weights"):
        packing.pack(read_folder(srzoo.models.locate.released()["bicubic-x2"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_thinned_log_comes_to_the_same_hours(tmp_path):
    rng = np.random.default_rng(0)
    lines = []
    for step in range(50, 20_001, 50):
        speed = float(rng.uniform(0.5, 2))
        facts = {"outside": float(rng.random())} | ({"late": 1.0} if step > 10_000 else {})
        losses = {"l1": float(rng.random())} | ({"gan": 0.5} if step > 12_000 else {})
        lines.append(
            {"step": step, "losses": losses, "facts": facts, "lr": 1e-4,
             "steps_per_second": speed, "waiting": 0.0}
        )  # fmt: skip
        if step % 1000 == 0:
            lines.append({"step": step, "validation": {"psnr_y": step / 1000}})
    lines.append({"step": 20_000, "warning": "a word"})
    thin = packing.thin_log(lines, 12_000)
    assert len(packing._text(thin)) <= 12_000
    kept = [line for line in lines if "losses" not in line]
    assert [line for line in thin if "losses" not in line] == kept
    logs = []
    for name, some in (("whole", lines), ("thin", thin)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in some))
        logs.append(read_log(tmp_path / name))
    assert logs[1].hours == pytest.approx(logs[0].hours, rel=1e-3)
    assert logs[1].steps == logs[0].steps
    assert packing.thin_log(lines, 10**6) == lines


def small(path, seed=0):
    torch.manual_seed(seed)
    args = {"n_resblocks": 1, "n_feats": 4, "scale": 2}
    return folders.save(srzoo.generators.create("edsr", **args), path, generator="edsr", args=args)


@pytest.mark.parametrize(
    "there",
    [
        None,
        "{",
        "[" * 100_000,
        '{"srzoo": 1, "generator": "edsr", "args": {}, "scales": [2], "weights":'
        ' {"file": "../outside.safetensors", "sha256": "", "dtype": "float32"}}',
        '{"srzoo": 1, "generator": "edsr", "args": {}, "scales": [2], "weights":'
        ' {"file": "notes.txt", "sha256": "", "dtype": "float32"}}',
    ],
    ids=["none", "damaged", "deep", "outside", "no weights"],
)
def test_nobody_elses_file_goes(tmp_path, there):
    """Only the weights that config.json named are replaced."""
    source = small(tmp_path / "source")
    out = tmp_path / "out"
    out.mkdir()
    mine = ["model-mine.safetensors", "model-0123456789ab.safetensors", "model_2.safetensors"]
    for path in [
        *(out / name for name in mine),
        out / "notes.txt",
        tmp_path / "outside.safetensors",
    ]:
        path.write_text("mine")
    if there is not None:
        (out / "config.json").write_text(there)
    packing.pack(source, out)
    left = {path.name for path in out.iterdir()}
    assert left == {*mine, "notes.txt", "config.json", "model.safetensors"}
    assert (tmp_path / "outside.safetensors").exists()
    assert all((out / name).read_text() == "mine" for name in mine)


def test_the_weights_that_config_json_named_go(tmp_path):
    out = packing.pack(small(tmp_path / "one"), tmp_path / "out").path
    config = json.loads((out / "config.json").read_text())
    config["weights"]["file"] = "odd.safetensors"
    (out / "model.safetensors").rename(out / "odd.safetensors")
    (out / "config.json").write_text(json.dumps(config))
    packing.pack(small(tmp_path / "two", seed=1), out)
    assert {path.name for path in out.iterdir()} == {"config.json", "model.safetensors"}
    srzoo.load(out)
