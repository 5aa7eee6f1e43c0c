"""What engines state: found without an import, checked, and true of those that the zoo brings."""

from __future__ import annotations

import json
import sys

import pytest
from helpers import ROOT

from srzoo.benching.bench import PLAIN_TORCH
from srzoo.errors import BrokenPluginError, DeviceError
from srzoo.exporting import engine_facts
from srzoo.exporting.engine_facts import FILE, Facts
from srzoo.plugins import kinds
from srzoo.plugins.plugin import Plugin

STATED = """
[mine]
devices = ["cuda"]
precisions = ["fp16"]
speed = 9
packages = { tensorrt = "tensorrt" }
"""
FOUND = Facts(("cuda",), ("fp16",), 9.0, packages={"tensorrt": "tensorrt"})


def plugin(target, name="mine"):
    return Plugin("engine", name, target, "somebody", "1")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Packages that cannot be imported; their names are this test's."""
    for folder in ("srzoo_test_top", "srzoo_test_top/inner"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text("raise RuntimeError('imported')")
    (tmp_path / "srzoo_test_space/inner").mkdir(parents=True)  # a namespace has no __init__
    (tmp_path / "srzoo_test_alone.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


@pytest.mark.parametrize("target", ["{}:Engine", "{}.engine:Engine", "{}.engine.deep:Engine"])
@pytest.mark.parametrize("place", ["srzoo_test_top", "srzoo_test_top/inner", "srzoo_test_space"])
def test_they_are_found_without_an_import(site, place, target):
    (site / place / FILE).write_text(STATED)
    inner = target.format(place.replace("/", "."))
    assert engine_facts.of(plugin(inner)) == FOUND
    assert engine_facts.in_file(plugin(inner, "another")) is None
    assert not any(name.startswith("srzoo_test") for name in sys.modules)


def test_the_file_that_is_nearest_counts(site):
    (site / "srzoo_test_top" / FILE).write_text("[mine]\nspeed = 1\n")
    (site / "srzoo_test_top/inner" / FILE).write_text(STATED)
    assert engine_facts.of(plugin("srzoo_test_top.inner.engine:Engine")) == FOUND
    assert engine_facts.of(plugin("srzoo_test_top.engine:Engine")).speed == 1


@pytest.mark.parametrize(
    "target", ["srzoo_test_top:E", "srzoo_test_alone:E", "srzoo_test_nowhere.x:E", "__main__:E"]
)
def test_without_a_file_nothing_is_stated(site, target):
    (site / FILE).write_text(STATED)  # what lies beside everybody's packages is nobody's
    assert engine_facts.of(plugin(target)) == Facts()
    assert Facts().can("cuda:1", "bf16")  # whoever asks for it by name is told by itself
    assert Facts().speed == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[mine", "cannot be read"),
        ("mine = 3", "mine is 3"),
        ("[mine]\nspeeed = 3", "unknown key 'speeed'. Did you mean speed"),
        ("[mine]\nspeed = 'fast'", "speed is 'fast'"),
        ("[mine]\nspeed = -1", "speed is -1"),
        ("[mine]\nspeed = true", "speed is True"),
        ("[mine]\nspeed = { cpu = -1 }", "speed of cpu is -1"),
        ("[mine]\nspeed = { cpu = 'fast' }", "speed of cpu is fast"),
        ("[mine]\nspeed = { cpu = nan }", "speed of cpu is nan"),
        ("[mine]\nspeed = { tpu = 2 }", "speed has 'tpu'.*Use some of cpu, cuda, mps"),
        ("[mine]\ndevices = ['cpu']\nspeed = { cuda = 2 }", "speed has 'cuda'.*some of cpu"),
        ("[mine]\nfirst_use = inf", "first_use is inf"),
        ("[mine]\ndevices = 'cpu'", "devices is 'cpu'"),
        ("[mine]\ndevices = ['tpu']", "devices has 'tpu'. Use some of cpu, cuda, mps"),
        ("[mine]\ndevices = ['auto']", "devices has 'auto'"),
        ("[mine]\nprecisions = ['int8']", "precisions has 'int8'"),
        ("[mine]\npackages = { a = 1 }", "packages has a module"),
    ],
)
def test_what_is_wrong_is_told(site, text, says):
    (site / "srzoo_test_top" / FILE).write_text(text)
    with pytest.raises(BrokenPluginError, match=says) as told:
        engine_facts.of(plugin("srzoo_test_top:Engine"))
    assert FILE in told.value.what


def test_a_class_of_this_process_states_them_itself():
    class Mine:
        devices, precisions, speed = ["cpu"], ("fp32",), 7

    kinds.engines.register("mine", Mine)
    try:
        assert engine_facts.find("mine") == Facts(("cpu",), ("fp32",), 7.0)
        Mine.speed = "7"
        with pytest.raises(BrokenPluginError, match=r"engine mine .*speed is '7'"):
            engine_facts.find("mine")
    finally:
        kinds.engines.unregister("mine")


@pytest.mark.parametrize(
    ("text", "speeds"),
    [
        ("devices = ['cpu', 'cuda']\nspeed = 3", (3, 0, 0)),  # a number is the CPU's
        ("devices = ['cuda']\nspeed = 3", (3, 3, 3)),  # or that of what it has
        ("devices = ['cpu', 'cuda']\nspeed = { cuda = 2, cpu = 3.5 }", (3.5, 2, 0)),
        ("speed = { mps = 2 }", (0, 0, 2)),
        ("speed = {}", (0, 0, 0)),
    ],
)
def test_speed_is_of_a_device(site, text, speeds):
    (site / "srzoo_test_top" / FILE).write_text(f"[mine]\n{text}\n")
    found = engine_facts.of(plugin("srzoo_test_top:Engine"))
    assert tuple(map(found.speed_on, ("cpu", "cuda", "mps"))) == speeds
    assert found.has_speed == any(speeds)


def test_what_an_engine_can():
    for device, precision, can in (
        ("auto", "auto", True), ("cuda:3", "fp16", True), ("cpu", "auto", False),
        ("auto", "fp32", False), ("cuda", "bf16", False),
    ):  # fmt: skip
        assert FOUND.can(device, precision) == can
    with pytest.raises(DeviceError, match="mine runs on cuda in fp16, not on cpu in auto"):
        FOUND.need("mine", "cpu", "auto")


def test_how_it_is_installed():
    there, gone = {"numpy": "numpy"}, {"numpy": "numpy", "Gone-Dist": "srzoo_test_nowhere.inner"}
    assert engine_facts.to_install(there, "", "somebody") is None
    assert engine_facts.to_install(gone, "", "somebody") == "pip install numpy Gone-Dist"
    assert engine_facts.to_install(gone, "fast", "somebody") == 'pip install "somebody[fast]"'


def test_the_zoos_speeds_are_those_of_the_committed_measurement():
    rows = json.loads((ROOT / "docs/performance.json").read_text(encoding="utf-8"))["rows"]
    largest = max(row["size"] for row in rows)
    seconds = {row["engine"]: row["seconds"] for row in rows if row["size"] == largest}
    for name in kinds.engines.names():
        if engine_facts.find(name).generators:
            continue  # it does not run the model of that measurement
        speed = engine_facts.find(name).speed_on("cpu")
        measured = round(seconds[PLAIN_TORCH] / seconds[name], 1) if name in seconds else 0
        assert speed == measured, name
