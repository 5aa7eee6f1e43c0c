"""The contracts grow: what was made for plugin API 1 works, too old and too new are refused."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec

import pytest
from helpers import ROOT
from PIL import Image

from srzoo.common import strangers
from srzoo.contracts import (
    DegradationFacts,
    GeneratorFacts,
    LossFacts,
    MetricFacts,
    PluginFacts,
    multiple_of,
    stated,
)
from srzoo.errors import BrokenPluginError, PluginWarning
from srzoo.plugins import kinds, manners
from srzoo.plugins.plugin import Plugin
from srzoo.plugins.registry import Registry

API1 = ROOT / "tests/plugins/api1"
RECIPE = """
srzoo = 1
[generator]
name = "api1"
block = {{ name = "api1" }}
[data]
lr_crop = 8
batch = 2
workers = 0
train = "api1"
validation = {{ name = "api1", count = 1 }}
degradation = "api1"
[[losses]]
name = "api1"
factor = 0.5
[train]
steps = 2
evaluate_every = 2
checkpoint_every = 2
metrics = ["api1"]
{}
"""
GAME = '[adversarial]\nweight = 0.1\nloss = "api1"\ndiscriminator = { name = "api1" }'
TASK = '[task]\nname = "api1"'
USES = """
import json, sys, warnings
from pathlib import Path
import srzoo, torch
from click.testing import CliRunner
from srzoo.cli._main import root as main
from srzoo.errors import PluginWarning

warnings.simplefilter("error", PluginWarning)

def command(*words):
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output

for name in ("task", "game"):
    command("train", f"{name}.toml", "-q")
trained = Path("runs/task")
for number, more in enumerate((
    ["-m", trained], ["-m", trained, "--engine", "api1"], ["-m", "api1-twice"]
)):
    command("upscale", "photo.png", "-o", f"large-{number}.png", *more)
assert command("api1", "hello") == "API 1 says hello\\n"

part = srzoo.importers.create("api1")
assert part.recognise({"other": (1,)}) is None
match = part.recognise({"foreign.weight": (4, 3, 3, 3)})
config, tensors = part.convert({"foreign.weight": torch.ones(4, 3, 3, 3)}, match)
assert config["generator"] == "api1" and list(tensors) == ["head.weight"]
srzoo.generators.create("api1").load_state_dict(tensors, strict=False)
if sys.argv[1:] == ["export"]:
    command("export", trained, "--to", "api1", "-o", "made.api1")
"""


@pytest.mark.slow
def test_the_plugins_of_api_1_work(tmp_path):
    """One of each kind, frozen, is installed, and each does its work; nothing is warned of."""
    text = (API1 / "entry_points.txt").read_text()
    groups = [line for line in text.splitlines() if line.startswith("[")]
    assert groups == [f"[{registry.group}]" for registry in kinds.KINDS.values()]
    info = tmp_path / "installed/api1-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: api1\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(text)
    Image.effect_noise((10, 12), 60).convert("RGB").save(tmp_path / "photo.png")
    for name, more in (("task", TASK), ("game", GAME)):
        (tmp_path / f"{name}.toml").write_text(RECIPE.format(more))
    paths = [str(API1.parent), str(info.parent), os.environ.get("PYTHONPATH", "")]
    more = ["export"] if find_spec("onnxruntime") else []
    done = subprocess.run(
        [sys.executable, "-c", USES, *more], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, paths)),
            "SRZOO_CACHE": str(tmp_path / "cache"),
        },
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    config = json.loads((tmp_path / "runs/task/config.json").read_text())
    assert config["requires"] == ["api1==1.0"]
    assert "api1" in (tmp_path / "runs/task/log.jsonl").read_text()
    assert (tmp_path / "runs/game/config.json").is_file()
    for number in range(3):
        with Image.open(tmp_path / f"large-{number}.png") as made:
            assert made.size == (20, 24)
    assert not more or b"\napi1:" in (tmp_path / "made.api1").read_bytes()


@pytest.fixture
def registry():
    """A registry of blocks with nothing in it."""
    return Registry("block", "none", lambda group: ())


def part(api: int | None):
    """A block that states an API."""

    class Part:
        """A part."""

        colour = "old"

    if api is not None:
        Part.plugin_api = api
    return Part


def test_what_is_too_old_or_too_new_is_refused(registry, monkeypatch):
    monkeypatch.setattr(manners, "PLUGIN_API", 3)
    monkeypatch.setattr(manners, "OLDEST_API", 2)
    for api in (2, 3):
        registry.register("part", part(api))
        registry.get("part")
    for api, said in (
        (4, "needs plugin API 4, but this srzoo has 3. Upgrade srzoo"),
        (
            1,
            "for plugin API 1, but the oldest that this srzoo accepts is 2. Upgrade or unin",
        ),
        (None, "was made for plugin API 1,"),
        (0, "was made for plugin API 0,"),
    ):
        registry.register("part", part(api))
        with pytest.raises(BrokenPluginError, match=said):
            registry.get("part")


def test_what_was_renamed_still_works_and_is_told(registry, monkeypatch):
    monkeypatch.setitem(manners.DEPRECATED, "block", {"colour": "color"})
    registry.register("renamed", part(1))
    with pytest.warns(
        PluginWarning, match="renamed.*has colour, which works until plugin API 2: wri"
    ):
        registry.get("renamed")


def test_the_helper_names_plugin_old_and_new():
    with pytest.warns(PluginWarning, match=r"loss x \(tp 1.2\) has a, .*: write b"):
        manners.deprecated(Plugin("loss", "x", "tp:X", "tp", "1.2"), "a", "b")


class Odd:
    """Facts of wrong types."""

    unit, label, tolerance, short, thread_safe = 3, None, "x", ("a",), 1
    printed, paper, multiple = ["EDSR"], b"http", 2.0
    card_args, clean, phrase = "backbone", "no", 5
    examples, plugin_api = {"a": 1}, True

    @property
    def linear_tail(self):
        raise ValueError("not now")


@pytest.mark.parametrize(
    "facts", [GeneratorFacts, LossFacts, DegradationFacts, MetricFacts, PluginFacts]
)
def test_a_fact_of_a_wrong_type_is_told_once_and_counts_as_none(facts, monkeypatch):
    monkeypatch.setattr(strangers, "_WARNED", {})
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        found = [stated(Odd(), facts), stated(Odd(), facts)]
    for each in found:
        assert vars(each) == {}
    (said,) = (str(one.message) for one in told if one.category is PluginWarning)
    if facts is MetricFacts:
        assert f"{__name__}.Odd states " in said
        assert "more of its facts" in said


def test_a_fact_of_the_right_type_is_as_stated():
    class Fine:
        tolerance, unit, examples, printed = 1, "dB", [{"a": 1}], ()

        @property
        def label(self):
            return "PSNR"

    assert stated(Fine(), MetricFacts).tolerance == 1
    assert stated(Fine(), MetricFacts).label == "PSNR"
    assert stated(Fine, MetricFacts).label == ""  # of a class, a property says nothing
    assert stated(Fine, PluginFacts).examples == ({"a": 1},)


@pytest.mark.parametrize("multiple", [0, -2, 2.0, "4", None, True, math.inf])
def test_a_grid_that_is_none_is_told(multiple):
    odd = Odd()
    odd.multiple = multiple
    with pytest.raises(BrokenPluginError, match="Odd states multiple = "):
        multiple_of(odd)
