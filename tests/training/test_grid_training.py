"""Networks on a grid are trained on whole cells, and validated on pictures of any size."""

from __future__ import annotations

import pytest
from grids import Block

import srzoo
from srzoo import training
from srzoo.errors import SrzooError
from srzoo.recipes import recipe


@pytest.fixture
def on_a_grid(tiny):
    srzoo.blocks.register("grid", Block)
    yield lambda *changes: recipe.load(tiny(), ["generator.block=grid", *changes])
    srzoo.blocks.unregister("grid")


def test_a_run(on_a_grid, tmp_path):
    loaded = on_a_grid(
        "train.steps=2", "train.evaluate_every=2", "train.fold=true", "data.lr_crop=16"
    )
    parts = training.assemble(loaded)
    assert parts.generator.multiple == 4
    training.train(loaded, tmp_path / "run")
    assert srzoo.load(tmp_path / "run").runner.multiple == 4


@pytest.mark.parametrize(("side", "fix"), [(14, "12 or 16"), (15, "12 or 16"), (3, "4")])
def test_crops_that_are_no_whole_cells(on_a_grid, side, fix):
    with pytest.raises(SrzooError, match=f"grid of 4 pixels.*lr_crop is {side}.*lr_crop = {fix}"):
        training.assemble(on_a_grid(f"data.lr_crop={side}"))
