"""A packed model: the same pictures from half the bytes, and a log that still adds up."""

from __future__ import annotations

import json

import numpy as np
import pytest
from helpers import drawn

import srzoo
from srzoo import card, recipe, training
from srzoo.errors import ModelError
from srzoo.modelcards.provenance import read_log
from srzoo.training import packing


@pytest.fixture
def run(tiny, tmp_path):
    training.train(recipe.load(tiny()), tmp_path / "run")
    return card.read(tmp_path / "run")


def test_what_is_published_of_a_run(run, tmp_path, srzoo_cli):
    result = srzoo_cli("model", "pack", run.path, tmp_path / "out/mine")
    assert result.code == 0, result.err
    assert sorted(path.name for path in (tmp_path / "out/mine").iterdir()) == [
        "config.json", "curves.png", "log.jsonl", "model.safetensors", "recipe.toml",
    ]  # fmt: skip
    packed = card.read(tmp_path / "out/mine")
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


def test_what_cannot_be_packed(run, tmp_path):
    with pytest.raises(ModelError, match="is the model itself"):
        packing.pack(run, run.path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="is no folder"):
        packing.pack(run, tmp_path / "file")
    with pytest.raises(ModelError, match="has no weights"):
        packing.pack(card.read(srzoo.locate.released()["bicubic-x2"]), tmp_path / "out")
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
    thin = packing.thinned(lines, 12_000)
    assert len(packing._text(thin)) <= 12_000
    kept = [line for line in lines if "losses" not in line]
    assert [line for line in thin if "losses" not in line] == kept
    logs = []
    for name, some in (("whole", lines), ("thin", thin)):
        (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in some))
        logs.append(read_log(tmp_path / name))
    assert logs[1].hours == pytest.approx(logs[0].hours, rel=1e-3)
    assert logs[1].steps == logs[0].steps
    assert packing.thinned(lines, 10**6) == lines
