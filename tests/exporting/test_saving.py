"""srzoo.network and srzoo.save: the network as it was trained, and a folder of it."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn

import srzoo
from srzoo.errors import ArgumentError, ModelError, WeightsError
from srzoo.models.folder import read_folder
from srzoo.plugins import origin
from srzoo.plugins.plugin import Use

SMALL = {"n_resblocks": 1, "n_feats": 8, "scale": 2}


@pytest.fixture
def net():
    torch.manual_seed(0)
    return srzoo.generators.create("edsr", **SMALL)


def same(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_network_is_the_generator_itself():
    net = srzoo.network("edsr-x4")
    assert same(net, srzoo.network("edsr-x4"))
    assert net.state_dict().keys() == srzoo.generators.create("edsr", scale=4).state_dict().keys()
    assert sum(p.numel() for p in net.parameters()) == srzoo.models("edsr-x4")[0].parameters
    assert all(p.requires_grad and p.dtype == torch.float32 for p in net.parameters())
    assert not net.training
    x = torch.rand(1, 3, 8, 8)
    net.train()(x).mean().backward()
    before = net(x).detach()
    with torch.no_grad():
        net.tail[-1].bias += 0.5  # a change to the tail counts
    assert torch.allclose(net(x), before + 0.5, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("edsr", SMALL),
        ("edsr", {**SMALL, "block": {"name": "rcab", "reduction": 2}}),
        ("mdsr", {"n_resblocks": 1, "n_feats": 4, "scales": (2, 3)}),
        ("srresnet", {"n_resblocks": 1, "n_feats": 8, "scale": 2}),  # with BatchNorm's counts
        ("bicubic", {"scale": 3}),
    ],
)
def test_round_trips_are_exact(name, args, tmp_path):
    net = srzoo.generators.create(name, **args)
    folder = srzoo.save(net.train(), tmp_path / "models/mine", summary="waves", purpose="faithful")
    assert folder == tmp_path / "models/mine"
    assert net.training
    again = srzoo.network(folder)
    assert same(net, again)
    assert type(again) is type(net)
    config = read_folder(folder).config
    assert (config.name, config.summary, config.purpose) == ("mine", "waves", "faithful")
    twice = srzoo.save(copy.deepcopy(again), tmp_path / "twice")  # copies know what built them
    assert read_folder(twice).config.args == config.args
    assert read_folder(twice).config.weights == config.weights


def test_in_half_the_bytes(net, tmp_path):
    sizes = []
    for dtype in ("float32", "float16", torch.bfloat16):
        folder = srzoo.save(net, tmp_path / str(dtype), dtype=dtype)
        stored = srzoo.network(folder).state_dict()
        cast = getattr(torch, dtype) if isinstance(dtype, str) else dtype
        assert all(torch.equal(stored[k], v.to(cast).float()) for k, v in net.state_dict().items())
        sizes.append((folder / "model.safetensors").stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]
    with pytest.raises(ModelError, match="dtype is 'int8'"):
        srzoo.save(net, tmp_path / "int8", dtype="int8")


def test_a_module_that_no_registry_built(net, tmp_path):
    own = type(net)(**SMALL)
    with pytest.raises(
        ModelError, match=r"no generator is known that builds this EDSR.*generator= and args="
    ):
        srzoo.save(own, tmp_path / "own")
    srzoo.save(own, tmp_path / "own", generator="edsr", args=SMALL)
    assert same(own, srzoo.network(tmp_path / "own"))
    with pytest.raises(ArgumentError, match="no argument 'depth'"):
        srzoo.save(own, tmp_path / "odd", generator="edsr", args={"depth": 3})
    with pytest.raises(ModelError, match="not an nn.Module"):
        srzoo.save("edsr-x4", tmp_path / "odd")


def test_a_module_that_was_changed_since(net, tmp_path):
    net.tail[-1] = nn.Conv2d(8, 3, 1)
    with pytest.raises(ModelError, match=r"'tail\.1\.weight'.*\(3, 8, 1, 1\).*\(3, 8, 3, 3\)"):
        srzoo.save(net, tmp_path / "m")
    del net.tail[-1]
    with pytest.raises(ModelError, match="none"):
        srzoo.save(net, tmp_path / "m")
    with pytest.raises(ModelError, match=r"\[2\].*\[4\]"):
        srzoo.save(net, tmp_path / "m", args={**SMALL, "scale": 4})
    assert not names(tmp_path)


def test_what_inference_made_of_one(tmp_path):
    with pytest.raises(ModelError, match=r"srzoo\.network"):
        srzoo.save(srzoo.load("edsr-x4", engine="torch").model, tmp_path / "m")


@pytest.mark.parametrize(("value", "dtype"), [(torch.nan, "float32"), (1e6, "float16")])
def test_weights_that_nobody_could_read(net, value, dtype, tmp_path):
    with torch.no_grad():
        net.head[0].weight[0, 0, 0, 0] = value
    with pytest.raises(WeightsError, match=r"'head\.0\.weight' contains values"):
        srzoo.save(net, tmp_path / "m", dtype=dtype)
    assert not names(tmp_path)


def test_training_draws_on_as_if_nothing_was_saved(net, tmp_path):
    torch.manual_seed(1)
    want = torch.rand(3)
    torch.manual_seed(1)
    srzoo.save(net, tmp_path / "m")
    assert torch.equal(torch.rand(3), want)


def test_nothing_is_overwritten_unasked(net, tmp_path):
    folder = srzoo.save(net, tmp_path / "m")
    before = (folder / "model.safetensors").read_bytes()
    (folder / "README.md").write_text("mine")
    with torch.no_grad():
        net.head[0].weight += 1
    with pytest.raises(ModelError, match=r"exists.*overwrite=True"):
        srzoo.save(net, folder)
    (folder / "checkpoints").mkdir()
    with pytest.raises(ModelError, match="checkpoints, which would be lost"):
        srzoo.save(net, folder, overwrite=True)
    assert (folder / "model.safetensors").read_bytes() == before
    (folder / "checkpoints").rmdir()
    srzoo.save(net, folder, overwrite=True)
    assert same(net, srzoo.network(folder))
    assert (folder / "README.md").read_text() == "mine"
    assert names(tmp_path) == ["m"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "1.jpg").write_bytes(b"")
    with pytest.raises(ModelError, match="not a model folder"):
        srzoo.save(net, tmp_path / "photos", overwrite=True)
    assert names(tmp_path / "photos") == ["1.jpg"]


def test_a_failure_leaves_what_was_there(net, tmp_path, monkeypatch):
    folder = srzoo.save(net, tmp_path / "m")
    before = json.loads((folder / "config.json").read_text())
    monkeypatch.setattr("srzoo.common.kept_folders.sync", lambda path: (_ for _ in ()).throw(
        OSError(28, "No space left on device")
    ))  # fmt: skip
    with pytest.raises(ModelError, match="No space left on device"):
        srzoo.save(net, folder, overwrite=True, summary="new")
    assert json.loads((folder / "config.json").read_text()) == before
    assert names(tmp_path) == ["m"]


def test_exports_are_there_before_the_folder_is(net, tmp_path, monkeypatch):
    def add(model):
        assert not (tmp_path / "m").exists()
        assert model.name == "m"
        (model.path / "onnx").mkdir()
        (model.path / "onnx/model.onnx").write_bytes(b"export")

    monkeypatch.setattr("srzoo.exporting.carrying.add_exports", add)  # takes its time
    srzoo.save(net, tmp_path / "m", exports=True)
    assert (tmp_path / "m/onnx/model.onnx").read_bytes() == b"export"
    srzoo.save(net, tmp_path / "n")
    assert not (tmp_path / "n/onnx").exists()


def test_arguments_that_json_cannot_hold_are_not_remembered():
    class Own(nn.Module):
        """Takes whatever it is given."""

        scales, reach = (2,), 0

        def __init__(
            self, *, inner: object = None, list_: list[int] | None = None, block: Use | None = None
        ):
            super().__init__()

    srzoo.generators.register("own", Own)
    try:
        given = [1]
        net = srzoo.generators.create("own", list_=given)
        given.append(2)
        assert origin.use_of(net) == Use("own", {"list_": [1]})
        assert origin.use_of(srzoo.generators.create("own", inner=nn.ReLU())) is None
        net = srzoo.generators.create("own", block=Use("rcab", {"reduction": 2}))
        assert origin.use_of(net).args == {"block": {"name": "rcab", "reduction": 2}}
    finally:
        srzoo.generators.unregister("own")


def test_weights_that_float16_has_no_numbers_for_stay_as_they_are(tmp_path):
    torch.manual_seed(0)
    net = srzoo.generators.create("edsr", n_resblocks=1, n_feats=8, scale=2)
    first, second = [p for p in net.body.parameters() if p.ndim == 4][:2]
    with torch.no_grad():
        first *= 2e7
        second *= 5e-8
    srzoo.save(net, tmp_path / "wide", exports=True)
    picture = np.random.default_rng(0).integers(0, 256, (24, 31, 3), dtype=np.uint8)
    want = srzoo.load(tmp_path / "wide", engine="torch")(picture).astype(int)
    got = srzoo.load(tmp_path / "wide", engine="onnxruntime")(picture)
    assert np.abs(got - want).max() <= 1
