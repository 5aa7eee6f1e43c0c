"""Networks on a grid: tiles give the whole picture's values, wherever they are cut."""

from __future__ import annotations

import numpy as np
import psutil
import pytest
import torch
from grids import NETWORKS, Pooled, Unshuffled, network
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import srzoo
from srzoo.images import Picture
from srzoo.networks import folders
from srzoo.networks.inference import for_inference
from srzoo.networks.runner import ModuleRunner
from srzoo.upscaling.planner import SLACK
from srzoo.upscaling.sizing import Sizing
from srzoo.upscaling.upscaler import Upscaler

IDS = [f"{kind.__name__}{''.join(map(str, args.values()))}" for kind, args in NETWORKS]


class Watched(ModuleRunner):
    """Notes what it is given."""

    def __call__(self, x, scale):
        self.__dict__.setdefault("sizes", []).append(x.shape[2:])
        return super().__call__(x, scale)


def upscaler(kind, args, ready=for_inference, **options) -> Upscaler:
    return Upscaler(Watched(ready(network(kind, **args))), (2,), "grid", **options)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).random((height, width, 3), np.float32)


def same(one: np.ndarray, other: np.ndarray) -> bool:
    """But for the rounding of convolutions, whose order goes by their size."""
    return one.shape == other.shape and float(np.abs(one - other).max()) < 1e-5


@pytest.mark.parametrize(("kind", "args"), NETWORKS, ids=IDS)
@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), tile=st.integers(16, 60))
def test_tiled_equals_whole(kind, args, height, width, tile):
    picture = noise(height, width)
    whole, tiled = (upscaler(kind, args, tile=tile) for tile in ("off", tile))
    plan = tiled.plan((width, height))
    multiple = whole.runner.multiple
    assert plan.exact
    assert plan.margin % multiple == plan.edge % multiple == 0
    for own, side in zip(plan.tile, (height, width), strict=True):
        assert own == side or own % multiple == 0
    assert same(tiled(picture), whole(picture))
    for down, across in tiled.runner.sizes + whole.runner.sizes:
        assert down % multiple == across % multiple == 0


@pytest.mark.parametrize(("kind", "args"), NETWORKS, ids=IDS)
def test_the_planners_tiles_are_exact(kind, args):
    """On a large odd picture, with tiles as the memory has them."""
    picture = noise(451, 603)
    memory = psutil.Process().memory_info().rss + SLACK + 40_000_000
    small, large = upscaler(kind, args, memory=memory), upscaler(kind, args, tile="off")
    got, want = small(picture), large(picture)
    assert len(small.runner.sizes) > 1
    assert same(got, want)
    strips = upscaler(kind, args, tile=50).strips(Picture(picture))
    assert same(np.concatenate(list(strips)), want)


@pytest.mark.parametrize(("kind", "args"), NETWORKS, ids=IDS)
def test_what_inference_runs_takes_any_size(kind, args):
    """And gives what the network gives for the picture continued by its mirror image."""
    net, ready = network(kind, **args), for_inference(network(kind, **args))
    x = torch.rand(2, 3, 13, 37, generator=torch.Generator().manual_seed(0))
    down, across = -13 % net.multiple, -37 % net.multiple
    padded = torch.from_numpy(
        np.pad(x.numpy(), ((0, 0), (0, 0), (0, down), (0, across)), "symmetric")
    )
    with torch.no_grad():
        want = net(padded)[:, :, :26, :74]
        assert float((ready(x) - want).abs().max()) < 1e-5


@pytest.mark.parametrize(("kind", "args"), NETWORKS, ids=IDS)
def test_a_tail_in_blocks_is_the_tail(kind, args, monkeypatch):
    monkeypatch.setattr("srzoo.networks.inference.BLOCK", 20)
    net, ready = network(kind, **args), for_inference(network(kind, **args))
    x = torch.rand(1, 3, 96, 72)
    with torch.no_grad():
        assert float((ready(x) - net(x)).abs().max()) < 1e-5


@settings(max_examples=10, deadline=None)
@given(
    height=st.integers(20, 90), width=st.integers(20, 90), tile=st.integers(16, 40),
    channels=st.integers(1, 4), scale=st.sampled_from([2, 3, 0.5]),
)  # fmt: skip
def test_with_alpha_and_to_other_sizes(height, width, tile, channels, scale):
    planes = np.random.default_rng(1).integers(0, 256, (height, width, 4), np.uint8)
    colours = planes[:, :, 0] if channels < 3 else planes[:, :, :3]
    picture = Picture(colours, planes[:, :, 3] if channels in (2, 4) else None)
    route = Sizing(scale=scale).route(picture.size, (2,))
    results = [
        upscaler(Unshuffled, {"cell": 3}, tile=tile).to_size(picture, route)
        for tile in ("off", tile)
    ]
    one, other = (
        result.pixels if result.alpha is None else np.dstack([result.pixels, result.alpha])
        for result in results
    )
    assert np.abs(one.astype(int) - other).max() <= 1
    assert np.mean(one != other) < 1e-3


def test_unbounded_networks_on_a_grid_are_blended_on_it():
    runner = Watched(network(Pooled))
    runner.reach = None
    picture = np.asarray(Image.effect_mandelbrot((131, 97), (-2, -1, 1, 1), 50).convert("RGB"))
    tiled = Upscaler(runner, (2,), "grid", tile=33)(picture)
    assert all(side % 4 == 0 for size in runner.sizes for side in size)
    whole = Upscaler(runner, (2,), "grid", tile="off")(picture)
    assert np.abs(whole.astype(int) - tiled).max() <= 40  # the picture's edges, and no more
    assert np.abs(whole.astype(int) - tiled).mean() < 0.1


def test_from_a_model_folder_and_through_evaluation(tmp_path):
    from srzoo.evaluating import evaluation

    srzoo.generators.register("unshuffled", Unshuffled)
    try:
        net = network(Unshuffled, cell=4)
        folder = folders.save(net, tmp_path / "m", generator="unshuffled", args={"cell": 4})
        loaded = srzoo.load(folder.path)
        assert loaded.runner.multiple == 4
        picture = noise(37, 51)
        assert same(loaded(picture), upscaler(Unshuffled, {"cell": 4})(picture))
        x = torch.rand(1, 3, 5, 6)
        assert loaded.model(x).shape == (1, 3, 10, 12)
        (tmp_path / "set" / "HR").mkdir(parents=True)
        for number, size in enumerate([(50, 38), (62, 46)]):
            Image.fromarray((255 * noise(*size)).astype(np.uint8)).save(
                tmp_path / "set" / "HR" / f"{number}.png"
            )
        report = evaluation.evaluate([loaded], [tmp_path / "set"], self_ensemble=True)
        assert report.rows[0].values[0].value > 0
    finally:
        srzoo.generators.unregister("unshuffled")
