"""Models and recipes name the packages that they were made with; whoever lacks one is told."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from guests import Guest, environment, install
from torch import nn

import srzoo
from srzoo.errors import ModelError, PluginWarning, SrzooError
from srzoo.models.folder import read_folder
from srzoo.networks import folders
from srzoo.plugins import kinds, origin, packages
from srzoo.plugins.plugin import OWN_DIST, Plugin, Use
from srzoo.recipes import origins, recipe
from srzoo.training import starting

SILU = """
from torch import nn
class Block(nn.Module):
    "A block."
    reach = 1
    def __init__(self, *, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, WIDTH, 3, padding=1)
        self.back = nn.Conv2d(WIDTH, channels, 1)
    def forward(self, x): return x + self.back(nn.functional.silu(self.conv(x)))
def Plain(*, channels: int):
    "Of torch's own modules."
    found = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1), nn.SiLU())
    found.reach = 1
    return found
class Loss:
    "A loss."
    def __init__(self, *, p: float = 1.0): self.p = p
    def __call__(self, pair): return (pair.sr - pair.hr).abs().mean()
""".replace("WIDTH", "8")
BLOCKS = "silu = {top}:Block\nplain = {top}:Plain"
GUESTS = {
    "Silu": Guest({"blocks": BLOCKS}, SILU),
    "loss": Guest({"losses": "own = {top}:Loss"}, SILU),
}
RECIPE = """
srzoo = 1
generator = {name = "edsr", n_resblocks = 1, n_feats = 4, scale = 2, block = "silu"}
[data]
train = {name = "drawn"}
validation = {name = "drawn"}
lr_crop = 8
batch = 1
workers = 0
cache = "never"
[[losses]]
name = "own"
[train]
steps = 1
metrics = ["psnr_y"]
checkpoint_every = 1
evaluate_every = 1
"""
MAKE = """
import sys, torch
import numpy as np
import srzoo
from pathlib import Path
from srzoo.contracts import Sample
from srzoo.networks import folders
from srzoo.plugins import origin
class Drawn:
    "Noise."
    fingerprint = "1"
    def __len__(self): return 1
    def __getitem__(self, index):
        hr = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
        return Sample(hr=hr, name="a")
srzoo.datasets.register("drawn", Drawn)
args = {"n_resblocks": 1, "n_feats": 4, "scale": 2}
for block in ("silu", "plain"):
    net = srzoo.generators.create("edsr", block=block, **args)
    folders.save(net, Path(block), generator="edsr", args={**args, "block": block})
srzoo.train("own.toml", Path("run"))
srzoo.train("own.toml", Path("run"))  # goes on: the run's own recipe has full names
"""
WAYS = """
import sys, warnings
from pathlib import Path
import srzoo
from srzoo.cli import main
ways = (
    "upscale a.png -m silu", "upscale a.png -m silu --engine torch",
    "compare a.png -m silu -o sheet.png", "evaluate silu --lr photos --metric pyiqa/niqe",
    "export silu --to onnx", "bench silu", "card new silu --overwrite",
    "model pack silu packed", "push silu org/name", "train run/recipe.toml",
    "train init.toml -o o1", "train teacher.toml -o o2", "train run/recipe.toml -o run",
)
for way in ways:
    print("---", way, file=sys.stderr)
    try:
        main(way.split())
    except SystemExit as end:
        assert end.code, way
from srzoo import building
for ref in ("silu", "plain", "run"):
    print("---", ref, file=sys.stderr)
    try:
        building.network(ref)
    except srzoo.SrzooError as error:
        print(error, file=sys.stderr)
"""


@pytest.fixture(scope="module")
def sites(tmp_path_factory):
    """Where each of the packages is installed."""
    folder = tmp_path_factory.mktemp("origin")
    places = install(folder / "sites", GUESTS)
    # The next version: the code is another's, as its metadata would be after an upgrade.
    newer = shutil.copytree(places["Silu"], folder / "sites/newer")
    (code,), (metadata,) = newer.glob("*/__init__.py"), newer.glob("*.dist-info/METADATA")
    code.write_text(SILU.replace("8)", "16)").replace("(8", "(16"))
    metadata.write_text(metadata.read_text().replace("Version: 1.2", "Version: 2.0"))
    return places | {"newer": newer}


@pytest.fixture(scope="module")
def made(sites, tmp_path_factory):
    """Models, and a run, that were made with two of the packages."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "own.toml").write_text(RECIPE)
    python(folder, MAKE, sites["Silu"], sites["loss"])
    return folder


def python(folder: Path, code: str, *places: Path) -> str:
    path = ":".join(map(str, places))
    environ = environment(Path(path), SRZOO_CACHE=str(folder / "cache"))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environ, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_models_and_recipes_name_their_packages(made):
    silu, plain, run = (read_folder(made / name).config for name in ("silu", "plain", "run"))
    for config in (silu, plain, run):
        assert config.requires == ("guest-Silu==1.2",)
        assert config.args["block"].startswith("guest-Silu:")
    written = recipe.read(made / "run/recipe.toml")
    assert written.requires == ("guest-Silu==1.2", "guest-loss==1.2")
    assert written.losses[0].use.name == "guest-loss:own"
    assert written.generator.args["block"] == "guest-Silu:silu"
    assert written.data.train.each[0].use.name == "drawn"


def test_whoever_lacks_a_package_is_told_on_every_way_in(made):
    for name in ("a.png", "photos/a.png"):
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_bytes(b"")
    plain = RECIPE.replace(', block = "silu"', "").replace('"own"', '"l1"')
    plain = plain.replace('name = "drawn"', 'name = "folder", path = "photos"')
    (made / "init.toml").write_text(f'init = "silu"\n{plain}')
    (made / "teacher.toml").write_text(
        f'{plain}\n[task]\nname = "distillation"\nteacher = "silu"\n'
    )
    told = python(made, WAYS).split("--- ")[1:]
    assert len(told) == 16
    for each in told:
        way, _, said = each.partition("\n")
        both = " guest-loss==1.2" if "recipe" in way else ""  # a run that goes on, too
        command = f"pip install guest-Silu==1.2{both}; installing runs code of its author"
        assert command in said, each
        assert "not installed" in said


def test_whoever_has_another_version_is_told(made, sites):
    code = "import srzoo; from srzoo import building\ntry: building.network('silu')\n"
    code += "except srzoo.SrzooError as error: import sys; print(error, file=sys.stderr)"
    said = python(made, code, sites["newer"], sites["loss"])
    assert "has the shape" in said
    assert "it was made with guest-Silu 1.2, and 2.0 is installed" in said


class Own(nn.Module):
    """A block of this process."""

    reach = 0

    def __init__(self, *, channels: int) -> None:
        super().__init__()

    def forward(self, x):
        return x


@pytest.fixture
def own():
    kinds.blocks.register("own-block", Own)
    yield
    kinds.blocks.unregister("own-block")


ARGS = {"n_resblocks": 1, "n_feats": 4, "scale": 2}


def test_a_part_of_this_process_is_warned_of(own, tmp_path):
    args = {**ARGS, "block": "own-block"}
    net = srzoo.generators.create("edsr", **args)
    with pytest.warns(PluginWarning, match="srzoo plugin new block own-block"):
        saved = folders.save(net, tmp_path / "a", generator="edsr", args=args)
    assert saved.config.requires == ()
    assert saved.config.args["block"] == "own-block"


def test_copies_and_whatever_is_built_inside_remember(own):
    import copy

    net = srzoo.generators.create("edsr", **ARGS, block="own-block")
    names = [plugin.name for plugin in origin.made_of(copy.deepcopy(net))]
    assert names == ["edsr", "own-block"]
    assert origin.origin(net) == kinds.generators.find("edsr")
    assert origin.origin(len) is origin.origin(Own) is origin.origin(3) is None


def test_classes_of_other_packages_count_and_what_srzoo_needs_does_not():
    plugin = Plugin("block", "b", "m:B", "Their_Pkg", "1.0")
    modules = ["torch.nn", "timm.layers", "json", "__main__", "pytest.x", "srzoo_plugins.edsr"]
    found = origin.requirements([plugin, replace(plugin, dist=OWN_DIST)], modules)
    assert found == ("Their_Pkg==1.0", f"pytest=={packages.version('pytest')}")
    own = replace(plugin, dist="PyTest", version="1.0+cpu")  # as PEP 503 has it, one package
    assert origin.requirements([own], modules) == ("PyTest==1.0+cpu",)


@pytest.mark.parametrize(
    "odd",
    ["x; rm -rf ~", "--index-url=http://a", "", "a b", "x==1; y", "x==", "-e .", "x>=1", "a@b"],
)
def test_what_is_no_package_is_no_command(odd, tmp_path):
    net = srzoo.generators.create("edsr", **ARGS)
    folders.save(net, tmp_path / "a", generator="edsr", args=ARGS)
    file = tmp_path / "a/config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "requires": [odd]}))
    with pytest.raises(ModelError, match="which is not a package"):
        read_folder(tmp_path / "a")
    (tmp_path / "a.toml").write_text(f"requires = [{json.dumps(odd)}]\n{RECIPE}")
    with pytest.raises(SrzooError, match="which is not a package"):
        recipe.read(tmp_path / "a.toml")


@pytest.fixture
def theirs(monkeypatch):
    """An installed package of another, as its metadata tells."""
    found = {
        ("block", "silu"): Plugin("block", "silu", f"{__name__}:Own", "Their_Pkg", "1"),
        ("loss", "own"): Plugin("loss", "own", f"{__name__}:Own", "Their_Pkg", "1"),
    }
    for registry in kinds.KINDS.values():
        more = [plugin for (kind, _), plugin in found.items() if kind == registry.kind]
        monkeypatch.setattr(
            registry, "_metadata", [*registry._entries(), *((p, None) for p in more)]
        )


def test_a_bare_name_and_a_full_one_are_one_recipe(theirs, tmp_path):
    (tmp_path / "a.toml").write_text(RECIPE)
    bare = recipe.read(tmp_path / "a.toml")
    (tmp_path / "b.toml").write_text(bare.to_toml(["their.pkg==1"]))
    full = recipe.read(tmp_path / "b.toml")
    assert full.losses[0].use.name == "Their_Pkg:own"
    assert full.generator == Use("edsr", {**ARGS, "block": "Their_Pkg:silu"})
    assert full.requires == ("their.pkg==1",)
    assert not list(starting.differences(bare, full))
    assert {plugin.full_name for plugin in origins.plugins(bare)} >= {
        "Their_Pkg:own", "Their_Pkg:silu", "srzoo:edsr", "srzoo:psnr_y",
    }  # fmt: skip
    spelled = replace(full, losses=(replace(full.losses[0], use=Use("their-pkg:own")),))
    assert not list(starting.differences(bare, spelled))
    other = replace(full, losses=(replace(full.losses[0], use=Use("l1")),))
    assert [str(change) for change in starting.differences(bare, other)] == [
        "losses.0.name is now 'l1', was 'Their_Pkg:own'"
    ]


def test_a_name_with_a_package_says_how_to_get_it():
    with pytest.raises(SrzooError, match="pip install not-there; installing runs code"):
        kinds.blocks.find("not-there:silu")
    with pytest.raises(SrzooError) as caught:
        kinds.blocks.find("-e x:silu")
    assert "pip" not in str(caught.value)
