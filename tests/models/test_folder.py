"""Model folders: found by name, and refused with the reason when they are wrong."""

from __future__ import annotations

import json
import shutil
from importlib.metadata import PathDistribution

import pytest
import torch
from safetensors.torch import save_file

import srzoo
from srzoo.errors import HubError, ModelError, PluginConflictError, PluginWarning, WeightsError
from srzoo.models import locate
from srzoo.models.folder import read_folder
from srzoo.networks import folders, weights
from srzoo.plugins.registry import Registry, installed
from srzoo.upscaling import loading

GOOD = {
    "srzoo": 1,
    "generator": "edsr",
    "args": {"n_resblocks": 1, "n_feats": 4, "scale": 2},
    "scales": [2],
    "weights": None,
}


@pytest.fixture
def small(tmp_path):
    """A tiny EDSR as a model folder."""
    torch.manual_seed(1)
    args = {"n_resblocks": 1, "n_feats": 4, "scale": 2}
    net = srzoo.generators.create("edsr", **args)
    return folders.save(net, tmp_path / "small", generator="edsr", args=args, summary="tiny")


def edit(folder, **changes):
    data = json.loads((folder.path / "config.json").read_text()) | changes
    (folder.path / "config.json").write_text(json.dumps(data))


def test_what_is_released():
    assert srzoo.list_models("bicubic*") == ["bicubic-x2", "bicubic-x3", "bicubic-x4"]
    assert "edsr-x4" in srzoo.list_models()


@pytest.mark.parametrize("name", srzoo.list_models())
def test_every_released_folder_is_complete(name):
    folder = locate.find(name)
    folders.build(folder)
    assert folder.config.summary
    text = (folder.path / "README.md").read_text()
    assert text.startswith("---\nlicense: apache-2.0\nlibrary_name: srzoo\n")


def test_save_then_read_gives_the_same(small):
    assert read_folder(small.path) == small
    assert small.config.summary == "tiny"
    assert not list(small.path.parent.glob(".srzoo-*"))


def test_names(small, tmp_path):
    """The folder's name counts, but where it is a commit of the Hub's."""
    assert (small.name, small.config.name, small.config.purpose) == ("small", "small", None)
    copy = shutil.copytree(small.path, tmp_path / "mine")
    assert read_folder(copy).name == "mine"
    commit = shutil.copytree(small.path, tmp_path / "0123456789abcdef0123456789abcdef01234567")
    assert read_folder(commit).name == "small"
    odd = shutil.copytree(small.path, tmp_path / 'a: "b"')
    net = folders.build(read_folder(odd))
    saved = folders.save(net, tmp_path / "c:d", generator="edsr", args=small.config.args)
    assert (saved.name, saved.config.name) == ("c:d", "")


@pytest.mark.parametrize(
    "change", [{"name": "../up"}, {"name": ".."}, {"name": "a\x1b[2Jb"}, {"name": 3},
               {"purpose": "art"}, {"purpose": ""}],
)  # fmt: skip
def test_names_and_purposes_that_are_refused(small, change):
    edit(small, **change)
    with pytest.raises(ModelError, match=next(iter(change))):
        read_folder(small.path)


def test_a_config_of_before_there_were_names_is_read(small):
    values = json.loads((small.path / "config.json").read_text())
    del values["name"], values["purpose"]
    (small.path / "config.json").write_text(json.dumps(values))
    found = read_folder(small.path)
    assert (found.name, found.config.name, found.config.purpose) == ("small", "", None)


def test_save_never_overwrites(small):
    net = folders.build(small)
    with pytest.raises(ModelError, match="exists"):
        folders.save(net, small.path, generator="edsr", args={})


def test_a_folder_wins_over_a_released_name(small, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "edsr-x4").mkdir()  # somebody's pictures: no config.json, so not meant
    assert locate.find("edsr-x4").config.args["n_feats"] == 64
    shutil.copytree(small.path, tmp_path / "edsr-x4", dirs_exist_ok=True)
    assert locate.find("edsr-x4").config.args["n_feats"] == 4


def test_unknown_models():
    with pytest.raises(ModelError, match="mean edsr-x4"):
        locate.find("edrs-x4")
    with pytest.raises(
        ModelError,
        match="mdsr has a recipe, but no weights yet.*srzoo train mdsr, and name .*runs/mdsr",
    ):
        locate.find("mdsr")
    with pytest.raises(
        HubError, match="the folder org/edsr@v1 does not exist, and .*not complete in the cache"
    ):
        locate.find("org/edsr@v1")  # the tests are offline


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot read"),
        ("[]", "no JSON object"),
        ("{}", "not a srzoo config"),
        (json.dumps(GOOD | {"srzoo": 2}), "version 2.*Upgrade srzoo"),
        (json.dumps(GOOD | {"generater": 1}), "unknown key 'generater'.*mean generator"),
        (json.dumps({k: v for k, v in GOOD.items() if k != "args"}), "has no 'args'"),
        (json.dumps(GOOD | {"generator": 3}), "generator is 3.*str"),
        (json.dumps(GOOD | {"scales": [True]}), "scales.0. is True"),
        (json.dumps(GOOD | {"scales": []}), "scales is"),
        (json.dumps(GOOD | {"weights": {"file": "x"}}), "no 'sha256'"),
        (
            json.dumps(GOOD | {"weights": {"file": "../x", "sha256": "", "dtype": ""}}),
            "outside its folder",
        ),
    ],
)
def test_wrong_configs(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ModelError, match=message):
        read_folder(tmp_path)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(ModelError, match="not a model folder"):
        locate.find(str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generator": "edrs"}, "no generator is called 'edrs'.*mean edsr"),
        ({"args": {"n_featz": 4}}, "no argument 'n_featz'.*mean n_feats"),
        ({"scales": [3]}, r"claims scales \[3\]"),
        ({"args": {"n_resblocks": 2, "n_feats": 4, "scale": 2}}, "lacks 'body"),
        ({"args": {"n_resblocks": 0, "n_feats": 4, "scale": 2}}, "(lacks|contains) 'body"),
        ({"args": {"n_resblocks": 1, "n_feats": 8, "scale": 2}}, "has the shape"),
        ({"weights": None}, "names no weights"),
        ({"requires": ["srzoo-not-there"]}, "pip install srzoo-not-there"),
        ({"requires": ["srzoo-not-there==1.2"]}, "pip install srzoo-not-there==1.2"),
    ],
)
def test_a_config_that_does_not_fit(small, change, message):
    edit(small, **change)
    with pytest.raises(srzoo.SrzooError, match=message):
        loading.load(small.path)


def test_cards_of_a_broken_package_hide_no_others(tmp_path, monkeypatch):
    """No package is imported; one that is not a folder of models is passed over."""
    (tmp_path / "broken_cards.py").write_text("raise RuntimeError('half installed')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    info = tmp_path / "theirs-1.2.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[srzoo.cards]\ntheirs = broken_cards\n")
    found = [*PathDistribution(info).entry_points, *installed("srzoo.cards")]
    registry = Registry("card", "srzoo.cards", lambda group: found)
    monkeypatch.setattr("srzoo.plugins.kinds.cards", registry)
    with pytest.warns(PluginWarning, match="card theirs .* is not a package of model folders"):
        assert "edsr-x4" in locate.list_models()


def test_a_config_records_the_versions_it_was_made_with(small, tmp_path, monkeypatch):
    info = tmp_path / "theirs-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(f"[srzoo.blocks]\nown = {__name__}:Own\n")
    found = PathDistribution(info).entry_points
    registry = Registry("block", "srzoo.blocks", lambda group: found)
    net = folders.build(small)
    monkeypatch.setattr("srzoo.plugins.kinds.blocks", registry)
    net.body.append(type("Own", (torch.nn.Identity,), {"__module__": __name__})())
    saved = folders.save(net, tmp_path / "saved", generator="edsr", args={})
    assert saved.config.requires == ("theirs==1.2",)
    assert saved.config.owners == ("theirs",)


def test_missing_damaged_and_truncated_weights(small):
    file = small.path / "model.safetensors"
    data = file.read_bytes()
    file.write_bytes(data[:-1] + b"\x01")
    with pytest.raises(WeightsError, match="sha256"):
        loading.load(small.path)
    file.unlink()
    with pytest.raises(WeightsError, match="cannot read the weights"):
        loading.load(small.path)
    cut = data[: len(data) // 2]
    file.write_bytes(cut)
    entry = small.config.weights
    with pytest.raises(WeightsError, match="not an intact safetensors"):
        weights.read(file, type(entry)(entry.file, weights.hashlib.sha256(cut).hexdigest(), ""))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite(small, value):
    net = folders.build(small)
    with torch.no_grad():
        net.head[0].bias[0] = value
    entry = weights.save(net, small.path / "model.safetensors")
    edit(small, weights=entry.__dict__)
    with pytest.raises(WeightsError, match=r"head\.0\.bias.*not finite"):
        loading.load(small.path)


def test_a_refused_file_changes_nothing(small, tmp_path):
    net = folders.build(small)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    tensors = {name: tensor + 1 for name, tensor in before.items()}
    tensors["tail.1.weight"] = torch.zeros(1)
    save_file(tensors, small.path / "model.safetensors")
    data = (small.path / "model.safetensors").read_bytes()
    sha = weights.hashlib.sha256(data).hexdigest()
    edit(small, weights={"file": "model.safetensors", "sha256": sha, "dtype": "float32"})
    with pytest.raises(WeightsError, match="shape"):
        weights.load_into(net, read_folder(small.path))
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())


def test_half_precision_on_disk_is_rounding_only(small, tmp_path):
    net = folders.build(small)
    half = folders.save(
        net, tmp_path / "half", generator="edsr", args=small.config.args, dtype="float16"
    )
    for name, tensor in folders.build(half).state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, net.state_dict()[name].half().float())


def test_two_packages_with_one_model(monkeypatch, tmp_path, small):
    for name in ("zoo_a", "zoo_b"):
        (tmp_path / name / "mine").mkdir(parents=True)
        (tmp_path / name / "__init__.py").write_text("")
        (tmp_path / name / "mine" / "config.json").write_text(json.dumps(GOOD))
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("zoo_a", "zoo_b"):
        srzoo.cards.register(name, __import__(name))
    try:
        found = [name for name in srzoo.list_models() if "mine" in name]
        assert len(found) == 2
        assert "edsr-x4" in srzoo.list_models()
        with pytest.raises(PluginConflictError, match="'mine' is in"):
            locate.find("mine")
    finally:
        srzoo.cards.unregister("zoo_a")
        srzoo.cards.unregister("zoo_b")
